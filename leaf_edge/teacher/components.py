"""Connected parts of a graph of pairs."""

from __future__ import annotations


class Components:
    """Union-find over 0..n-1, with path halving and union by size (Tarjan and van Leeuwen 1984)."""

    def __init__(self, n: int) -> None:
        self._parent = list(range(n))
        self._size = [1] * n
        self.count = n

    def root(self, a: int) -> int:
        """The one that stands for the part of `a`."""
        parent = self._parent
        while parent[a] != a:
            parent[a] = parent[parent[a]]
            a = parent[a]
        return a

    def same(self, a: int, b: int) -> bool:
        """Whether both hang together."""
        return self.root(a) == self.root(b)

    def join(self, a: int, b: int) -> None:
        """Connects both."""
        a, b = self.root(a), self.root(b)
        if a == b:
            return
        if self._size[a] < self._size[b]:
            a, b = b, a
        self._parent[b] = a
        self._size[a] += self._size[b]
        self.count -= 1

    @property
    def sizes(self) -> list[int]:
        """Size of each part, largest first."""
        return sorted((self._size[a] for a in range(len(self._parent)) if self._parent[a] == a), reverse=True)
