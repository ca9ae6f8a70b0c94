"""Bounded reading from files and pipes."""

from __future__ import annotations

import os
import stat
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

_CHUNK = 1 << 20


class ByteStream:
    """A binary stream with bytes that were looked at but not taken.

    size: bytes in all where the stream is a regular file, else None.
    """

    def __init__(self, file: BinaryIO, *, owned: bool) -> None:
        self._file = file
        self._owned = owned
        self._ahead = b""
        self.size: int | None = None
        try:
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode) and file.seekable():
                self.size = status.st_size - file.tell()
                self._start = file.tell()
        except (OSError, ValueError):
            pass

    def peek(self, count: int) -> bytes:
        """Up to `count` bytes from here on, which stay."""
        while len(self._ahead) < count:
            more = self._file.read(count - len(self._ahead))
            if not more:
                break
            self._ahead += more
        return self._ahead[:count]

    def read_array(self, count: int) -> tuple[NDArray[np.uint8], int]:
        """(buffer of `count` bytes, bytes of it that were there before the end)."""
        # Untouched pages of an empty array cost nothing, so a lying header does not either.
        buffer = np.empty(count, np.uint8)
        view = buffer.data
        taken = min(len(self._ahead), count)
        view[:taken] = self._ahead[:taken]
        self._ahead = self._ahead[taken:]
        while taken < count:
            got = self._file.readinto(view[taken : taken + _CHUNK])  # type: ignore[attr-defined]
            if not got:
                break
            taken += got
        return buffer, taken

    def read_line(self, limit: int) -> bytes:
        """Bytes up to and with the next newline, at most `limit`; shorter at the end."""
        if not self._ahead:
            return self._file.readline(limit)
        end = self._ahead.find(b"\n", 0, limit)
        if end < 0 and len(self._ahead) < limit:
            line, self._ahead = self._ahead, b""
            return line + self._file.readline(limit - len(line))
        count = limit if end < 0 else end + 1
        line, self._ahead = self._ahead[:count], self._ahead[count:]
        return line

    def skip(self, count: int) -> int:
        """Pass over `count` bytes. Returns how many were there."""
        if self.size is not None and not self._ahead:
            here = self._file.tell()
            there = min(here + count, self._start + self.size)
            self._file.seek(there)
            return max(there - here, 0)
        left = count
        while left:
            _, got = self.read_array(min(left, _CHUNK))
            if not got:
                break
            left -= got
        return count - left

    def close(self) -> None:
        """Close the file, unless it belongs to the process (standard input)."""
        if self._owned:
            self._file.close()
