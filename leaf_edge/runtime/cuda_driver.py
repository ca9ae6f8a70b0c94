"""Calls of the CUDA driver that pycuda lacks for a caller's stream: graphs, copies, launches.

Streams are the integers of `CUstream`, whoever made them (pycuda, torch, C++). Source: CUDA driver API,
cuda.h. ctypes gives up the interpreter lock during each call.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from leaf_edge.runtime.preflight import LIBRARY

_THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: other threads may go on allocating


class CudaError(RuntimeError):
    """A call of the driver failed; the text names call and error."""


class CudaDriver:
    """The driver library, loaded once `probe_driver` has found that it works.

    Every method needs the context that its objects belong to to be current, and raises `CudaError`.
    """

    def __init__(self, library: str = LIBRARY) -> None:
        self._library = ctypes.CDLL(library)

    def _call(self, name: str, *arguments: object) -> None:
        function = getattr(self._library, name)
        function.restype = ctypes.c_int
        status = function(*arguments)
        if status:
            text = ctypes.c_char_p()
            self._library.cuGetErrorName(ctypes.c_int(status), ctypes.byref(text))
            shown = text.value.decode("ascii", "replace") if text.value else f"error {status}"
            raise CudaError(f"{name} failed with {shown}")

    def load_kernel(self, image: bytes, name: str) -> int:
        """A kernel of a fatbin. The module stays loaded for as long as the context lives."""
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuModuleLoadData", ctypes.byref(module), ctypes.c_char_p(image))
        self._call("cuModuleGetFunction", ctypes.byref(function), module, ctypes.c_char_p(name.encode()))
        return function.value or 0

    def launch(
        self, kernel: int, blocks: int, threads: int, stream: int, parameter: ctypes.Structure
    ) -> None:
        """Enqueue a kernel of one parameter, which is copied before this returns."""
        parameters = (ctypes.c_void_p * 1)(ctypes.addressof(parameter))
        one = ctypes.c_uint(1)
        self._call(
            "cuLaunchKernel",
            ctypes.c_void_p(kernel),
            *(ctypes.c_uint(blocks), one, one),
            *(ctypes.c_uint(threads), one, one),
            ctypes.c_uint(0),
            ctypes.c_void_p(stream),
            parameters,
            None,
        )

    def copy_in(self, device: int, host: int, size: int, stream: int) -> None:
        """Enqueue a copy of `size` bytes from pinned host memory to the device."""
        self._call(
            "cuMemcpyHtoDAsync_v2",
            ctypes.c_uint64(device),
            ctypes.c_void_p(host),
            ctypes.c_size_t(size),
            ctypes.c_void_p(stream),
        )

    def copy_out(self, host: int, device: int, size: int, stream: int) -> None:
        """Enqueue a copy of `size` bytes from the device to pinned host memory."""
        self._call(
            "cuMemcpyDtoHAsync_v2",
            ctypes.c_void_p(host),
            ctypes.c_uint64(device),
            ctypes.c_size_t(size),
            ctypes.c_void_p(stream),
        )

    def wait(self, stream: int) -> None:
        """Return once all that was enqueued on the stream is done."""
        self._call("cuStreamSynchronize", ctypes.c_void_p(stream))

    def capture(self, stream: int, enqueue: Callable[[], None]) -> int:
        """What `enqueue` enqueues on `stream`, as an executable graph instead of running it.

        stream: not the default stream, and with nothing else enqueued meanwhile.
        """
        graph, executable = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuStreamBeginCapture_v2", ctypes.c_void_p(stream), ctypes.c_int(_THREAD_LOCAL))
        try:
            enqueue()
        finally:  # a stream that is left capturing takes no other work
            self._library.cuStreamEndCapture.restype = ctypes.c_int
            status = self._library.cuStreamEndCapture(ctypes.c_void_p(stream), ctypes.byref(graph))
        if status or not graph.value:
            raise CudaError(f"cuStreamEndCapture failed with error {status}")
        try:
            self._call("cuGraphInstantiateWithFlags", ctypes.byref(executable), graph, ctypes.c_uint64(0))
        finally:
            self._call("cuGraphDestroy", graph)
        return executable.value or 0

    def launch_graph(self, executable: int, stream: int) -> None:
        """Enqueue a captured graph; the stream may be another than the one that it was captured on."""
        self._call("cuGraphLaunch", ctypes.c_void_p(executable), ctypes.c_void_p(stream))

    def destroy_graph(self, executable: int) -> None:
        """Free a captured graph that no longer runs."""
        self._call("cuGraphExecDestroy", ctypes.c_void_p(executable))
