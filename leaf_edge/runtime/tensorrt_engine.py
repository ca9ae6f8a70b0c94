"""The student on TensorRT: frame to the device, views by the project's kernel, network, outputs back, as
one graph.

Made by `engines.choose_engine`, which runs the preflight first: with no working driver, TensorRT ends the
process.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaf_edge.bundle.errors import BundleCode, BundleError
from leaf_edge.contract import OUTPUT_NAMES
from leaf_edge.extras import require
from leaf_edge.frames.frame import Frame, Roi
from leaf_edge.runtime.cuda_driver import CudaDriver, CudaError
from leaf_edge.runtime.cuda_graphs import Graphs
from leaf_edge.runtime.device_views import BLOCKS, KERNEL, THREADS, device_frame, find_fatbin
from leaf_edge.runtime.engine import (
    OUTPUT_SHAPES,
    RawOutputs,
    TimedOutputs,
    check_outputs,
    check_views,
)
from leaf_edge.runtime.preflight import TensorRT
from leaf_edge.runtime.tensorrt_buffers import Buffer, packed_offsets, stage
from leaf_edge.runtime.tensorrt_lane import Lane
from leaf_edge.runtime.tensorrt_plan import load_plan
from leaf_edge.views.native import ViewMaker
from leaf_edge.views.reference import check_roi

_log = logging.getLogger(__name__)


class TensorrtEngine:
    """One plan on one device. Any thread may call it; calls take turns.

    plan: bytes of the plan, compared with the machine before (`engine_fit.find_fit`). package: TensorRT
    that runs it. host_code: the plan may bring code of its own (a version-compatible one whose signature
    was verified).
    dla: core that the plan was built for. device: number of the CUDA device. stream: the caller's, on which
    all work is enqueued: the integer of a `CUstream`, or an object with it as `handle` (pycuda) or
    `cuda_stream` (torch); None makes one.
    graph: replay a CUDA graph for frames of a geometry that was seen before.
    Views of frames are made on the device where the package has its kernel (`device_views.find_fatbin`),
    else on the CPU, which is logged; `device_views` tells. Raises `BundleError` ENGINE_PLAN where the plan
    is refused or does not start, `MissingExtraError` without pycuda.
    """

    name = "tensorrt"
    threads = 1

    def __init__(
        self,
        plan: bytes,
        package: TensorRT,
        *,
        host_code: bool = False,
        dla: int | None = None,
        device: int = 0,
        stream: Any = None,
        graph: bool = True,
    ) -> None:
        self._cuda = require("pycuda.driver", "tensorrt")
        self._cuda.init()
        self._context = self._cuda.Device(device).retain_primary_context()  # the one that TensorRT uses
        self._lock = threading.Lock()
        self._driver = CudaDriver()
        self._staging: Buffer | None = None
        self._batch_lane: Lane | None = None
        self._make_views = ViewMaker()
        self.description = f"TensorRT {package.version}, {self._cuda.Device(device).name()}"
        try:
            with self._current():
                self._plan = load_plan(plan, package, host_code=host_code, dla=dla)
                self._own_stream = self._cuda.Stream()
                self._graphs = Graphs(self._driver, stream_handle(self._own_stream)) if graph else None
                self._stream = stream_handle(self._own_stream if stream is None else stream)
                self._frame_lane = self._lane(self._plan.batches[0])
                self._kernel = self._load_kernel()
                self._frame_lane.enqueue(self._stream)  # TensorRT allocates in its first call
                self._driver.wait(self._stream)
        except (CudaError, self._cuda.Error) as error:
            raise BundleError(BundleCode.ENGINE_PLAN, f"the engine does not start ({error})") from None

    @property
    def device_views(self) -> bool:
        """Whether views are made on the device."""
        return self._kernel is not None

    def __call__(self, views: NDArray[np.uint8]) -> RawOutputs:
        """Outputs for views uint8 [N, 2, 3, 224, 224], in calls of as many frames as the plan takes at most.

        Raises ValueError for another shape or dtype, `BundleError` where the network fails.
        """
        check_views(views)
        parts: dict[str, list[NDArray[np.float32]]] = {name: [] for name in OUTPUT_NAMES}
        with self._running():
            if self._batch_lane is None:
                self._batch_lane = self._lane(self._plan.batches[1])
            lane = self._batch_lane
            least, most = self._plan.batches
            for begin in range(0, len(views), most):
                some = views[begin : begin + most]
                lane.views.array[: len(some)] = some
                lane.set_batch(max(len(some), least))
                self._driver.copy_in(lane.views.device, lane.views.host, some.nbytes, self._stream)
                lane.enqueue(self._stream)
                self._driver.wait(self._stream)
                for name in OUTPUT_NAMES:
                    parts[name].append(lane.outputs[name].array[: len(some)].copy())
        empty = [np.empty((0, *OUTPUT_SHAPES[name]), np.float32) for name in OUTPUT_NAMES]
        outputs = RawOutputs(
            *(np.concatenate([none, *parts[name]]) for none, name in zip(empty, OUTPUT_NAMES, strict=True))
        )
        check_outputs(outputs, len(views))
        return outputs

    def score_frame(self, frame: Frame, roi: Roi | None = None) -> TimedOutputs:
        """Outputs of one frame, or of the region `roi` of it.

        Raises `FrameError` for a region outside the frame, `BundleError` where the network fails.
        """
        region = check_roi(frame, roi)
        with self._running():
            start = perf_counter()
            enqueue, key = self._prepare(frame, region)
            staged = perf_counter()
            if self._graphs is None:
                enqueue(self._stream)
            else:
                self._graphs.run(key, enqueue, self._stream)
            self._driver.wait(self._stream)
            done = perf_counter()
            outputs = RawOutputs(*(self._frame_lane.outputs[name].array[:1].copy() for name in OUTPUT_NAMES))
        check_outputs(outputs, 1)
        return TimedOutputs(outputs, (staged - start) * 1000.0, (done - staged) * 1000.0)

    def close(self) -> None:
        """Give the device's memory back. The engine cannot be used after it."""
        with self._lock, self._current():
            self._drop_graphs()
            for part in (self._frame_lane, self._batch_lane, self._staging):
                if part is not None:
                    part.free()

    @contextmanager
    def _current(self) -> Iterator[None]:
        """The device's context is current in this thread meanwhile."""
        self._context.push()
        try:
            yield
        finally:
            self._cuda.Context.pop()

    @contextmanager
    def _running(self) -> Iterator[None]:
        with self._lock, self._current():
            try:
                yield
            except (CudaError, self._cuda.Error) as error:
                raise BundleError(BundleCode.ENGINE_PLAN, f"the engine failed ({error})") from None

    def _lane(self, batch: int) -> Lane:
        return Lane(self._cuda, self._driver, self._plan, batch)

    def _drop_graphs(self) -> None:
        if self._graphs is not None:
            self._graphs.drop()

    def _load_kernel(self) -> int | None:
        path = find_fatbin()
        if path is None:
            _log.warning("the CUDA kernel of the views is not installed: views are made on the CPU")
            return None
        try:
            return self._driver.load_kernel(path.read_bytes(), KERNEL)
        except (CudaError, OSError) as error:
            _log.warning("%s cannot be used (%s): views are made on the CPU", path, error)
            return None

    def _prepare(self, frame: Frame, roi: Roi) -> tuple[Callable[[int], None], bytes]:
        """Bring the frame to pinned memory; returns what enqueues the rest, and a key for its graph."""
        lane = self._frame_lane
        if self._kernel is None:
            self._make_views(frame, roi, out=lane.views.array[0])

            def from_views(stream: int) -> None:
                self._driver.copy_in(lane.views.device, lane.views.host, lane.views.array[:1].nbytes, stream)
                lane.enqueue(stream)

            return from_views, b""
        offsets, pitches, size = packed_offsets(frame)
        staging = self._staging_of(size)
        stage(frame, offsets, staging.array)
        planes = [staging.device + offset for offset in offsets]
        parameter = device_frame(
            frame.format, frame.matrix, frame.range, frame.width, roi, planes, pitches, lane.views.device
        )
        kernel = self._kernel

        def from_frame(stream: int) -> None:
            self._driver.copy_in(staging.device, staging.host, size, stream)
            self._driver.launch(kernel, BLOCKS, THREADS, stream, parameter)
            lane.enqueue(stream)

        return from_frame, bytes(parameter)

    def _staging_of(self, size: int) -> Buffer:
        """The pinned buffer for frames; grown for a larger frame than any before, which ends all graphs."""
        if self._staging is None or self._staging.array.nbytes < size:
            self._drop_graphs()
            if self._staging is not None:
                self._staging.free()
            self._staging = Buffer(self._cuda, (size,), np.uint8)
        return self._staging


def stream_handle(stream: Any) -> int:
    """The integer of a CUDA stream. Raises TypeError for what is none."""
    for attribute in ("handle", "cuda_stream"):
        stream = getattr(stream, attribute, stream)
    if not isinstance(stream, int) or isinstance(stream, bool) or stream < 0:
        raise TypeError(f"expected a CUDA stream (an integer, pycuda's or torch's); found {stream!r}")
    return stream
