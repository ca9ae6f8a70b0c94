"""One execution context of a plan with the buffers that it reads and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from leaf_edge.bundle.errors import BundleCode, BundleError
from leaf_edge.contract import INPUT_NAME, OUTPUT_NAMES
from leaf_edge.runtime.cuda_driver import CudaDriver
from leaf_edge.runtime.engine import OUTPUT_SHAPES
from leaf_edge.runtime.tensorrt_buffers import Buffer
from leaf_edge.runtime.tensorrt_plan import Plan
from leaf_edge.views.native import SHAPE

if TYPE_CHECKING:
    # Also what makes scripts/typecheck_tensorrt.sh check this file.
    import tensorrt as trt  # type: ignore[import-not-found, unused-ignore]


class Lane:
    """A context, pinned and device memory for `batch` frames, allocated here and never again.

    cuda: the module `pycuda.driver`; its context must be current, here and in every call.
    A graph that was captured from a context is only good while that context stays as it was: frames, which
    are captured, and batches of views of any size take two lanes. Raises `BundleError` ENGINE_PLAN where
    TensorRT does not take what a student needs.
    """

    def __init__(self, cuda: Any, driver: CudaDriver, plan: Plan, batch: int) -> None:
        self._driver, self._plan, self._batch = driver, plan, 0
        context: trt.IExecutionContext | None = plan.engine.create_execution_context()
        if context is None:
            raise BundleError(BundleCode.ENGINE_PLAN, "TensorRT makes no execution context (memory?)")
        self._context: trt.IExecutionContext = context
        self.views = Buffer(cuda, (batch, *SHAPE), np.uint8)
        self.views.array[:] = 0
        self.outputs = {
            name: Buffer(cuda, (batch, *OUTPUT_SHAPES[name]), np.float32) for name in OUTPUT_NAMES
        }
        self.set_batch(batch)
        for name, buffer in ((INPUT_NAME, self.views), *self.outputs.items()):
            if not context.set_tensor_address(name, buffer.device):
                raise BundleError(BundleCode.ENGINE_PLAN, f"TensorRT takes no address for {name}")

    def set_batch(self, batch: int) -> None:
        """Frames of the next calls."""
        if self._batch == batch:
            return
        if not self._context.set_input_shape(INPUT_NAME, (batch, *SHAPE)):
            raise BundleError(BundleCode.ENGINE_PLAN, f"TensorRT takes no batch of {batch}")
        self._batch = batch

    def enqueue(self, stream: int) -> None:
        """From the views on the device to the outputs on the host."""
        started = bool(self._context.execute_async_v3(stream))
        if not started:
            reason = self._plan.last_error or "no reason was given"
            raise BundleError(BundleCode.ENGINE_PLAN, f"TensorRT fails ({reason})")
        for buffer in self.outputs.values():
            self._driver.copy_out(buffer.host, buffer.device, buffer.array.nbytes, stream)

    def free(self) -> None:
        """Give the memory on the device back."""
        for buffer in (self.views, *self.outputs.values()):
            buffer.free()
