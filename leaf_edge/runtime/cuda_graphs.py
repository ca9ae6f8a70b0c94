"""Captured CUDA graphs, one for each kind of work that comes again."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable

from leaf_edge.bundle.errors import BundleError
from leaf_edge.runtime.cuda_driver import CudaDriver, CudaError

GRAPHS = 8
"""Graphs that are kept: so many cameras with frames of different size or colour may take turns."""

_log = logging.getLogger(__name__)


class Graphs:
    """A cache of graphs. Needs the context to be current.

    stream: one of our own to capture on, since the caller's may be the default stream, which cannot be
    captured.
    """

    def __init__(self, driver: CudaDriver, stream: int) -> None:
        self._driver, self._stream = driver, stream
        self._graphs: OrderedDict[bytes, int] = OrderedDict()
        self._able = True

    def run(self, key: bytes, enqueue: Callable[[int], None], stream: int) -> None:
        """Enqueue on `stream` what `enqueue(stream)` would: by the graph of `key`, captured now where it is
        new.

        Work that cannot be captured is enqueued by itself from then on, which is logged once.
        """
        executable = self._graphs.get(key)
        if executable is None and self._able:
            executable = self._capture(key, enqueue)
        if executable is None:
            enqueue(stream)
            return
        self._graphs.move_to_end(key)
        self._driver.launch_graph(executable, stream)

    def _capture(self, key: bytes, enqueue: Callable[[int], None]) -> int | None:
        try:
            executable = self._driver.capture(self._stream, lambda: enqueue(self._stream))
        except (CudaError, BundleError) as error:
            _log.warning("no CUDA graph (%s): the work of each frame is enqueued by itself", error)
            self._able = False
            return None
        while len(self._graphs) >= GRAPHS:
            self._driver.destroy_graph(self._graphs.popitem(last=False)[1])
        self._graphs[key] = executable
        return executable

    def drop(self) -> None:
        """Free all graphs: what they read or write is about to go."""
        while self._graphs:
            self._driver.destroy_graph(self._graphs.popitem()[1])
