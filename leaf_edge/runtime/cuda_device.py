"""The device that libraries of CUDA take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from leaf_edge.extras import require


@contextmanager
def current_device(device: int = 0) -> Iterator[None]:
    """The device's primary context is current in this thread meanwhile: TensorRT builds for it.

    A driver must have been found to work. Raises `MissingExtraError` without pycuda, its `Error` where the
    device does not start.
    """
    cuda = require("pycuda.driver", "tensorrt")
    cuda.init()
    cuda.Device(device).retain_primary_context().push()
    try:
        yield
    finally:
        cuda.Context.pop()
