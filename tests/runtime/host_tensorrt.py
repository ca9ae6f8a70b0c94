"""Stand-ins for pycuda and TensorRT over the driver of host_driver.cpp: the network runs on ONNX Runtime."""

from __future__ import annotations

import ctypes
from types import ModuleType
from typing import Any

import numpy as np
from helpers_bundle import tiny_model

from leaf_edge.contract import FAULTS
from leaf_edge.runtime.engine import OnnxEngine
from leaf_edge.views.native import SHAPE

SIZES = {"mos": (), "spread": (), "faults": (len(FAULTS),)}
STREAM = 0x7FFF_1234_5678_9ABC
"""Of the engine's own; wider than 32 bits, as addresses are."""


class _Memory:
    def __init__(self, size: int) -> None:
        self._bytes = np.full(size, 0x5A, np.uint8)

    def __int__(self) -> int:
        return int(self._bytes.ctypes.data)

    def free(self) -> None:
        assert self._bytes.size, "freed twice"
        self._bytes = self._bytes[:0]


class _Context:
    depth = 0

    def push(self) -> None:
        _Context.depth += 1

    @staticmethod
    def pop() -> None:
        _Context.depth -= 1


class _Device:
    def __init__(self, number: int) -> None:
        assert number == 0

    def retain_primary_context(self) -> _Context:
        return _Context()

    def name(self) -> str:
        return "this processor"


class _Stream:
    handle = STREAM


def pycuda_driver() -> ModuleType:
    """A module in the place of `pycuda.driver`."""
    module: Any = ModuleType("pycuda.driver")
    module.init = lambda: None
    module.Device, module.Context, module.Stream = _Device, _Context, _Stream
    module.Error = type("Error", (Exception,), {})
    module.mem_alloc = _Memory
    module.pagelocked_empty = lambda shape, dtype: np.empty(shape, dtype)
    return module  # type: ignore[no-any-return]


class _ExecutionContext:
    def __init__(self, engine: _Engine) -> None:
        self._engine, self._batch = engine, engine.batches[0]
        self._address: dict[str, int] = {}
        self._kept: list[Any] = []

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._batch = shape[0]
        return name == "views" and shape[1:] == SHAPE and self._fits()

    def _fits(self) -> bool:
        return self._engine.batches[0] <= self._batch <= self._engine.batches[1]

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._address[name] = address
        return name in self._engine.names

    def execute_async_v3(self, stream: int) -> bool:
        if self._engine.fail:
            self._engine.logger.log(1, "no kernel image")
            return False
        batch = self._batch

        def work(_: Any) -> None:
            outputs = self._engine.network(_array(self._address["views"], (batch, *SHAPE), np.uint8))
            for name, output in zip(SIZES, outputs, strict=True):
                _array(self._address[name], (batch, *SIZES[name]), np.float32)[:] = output

        function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(work)
        self._kept.append(function)  # a graph calls it later
        return not self._engine.library.cuLaunchHostFunc(ctypes.c_void_p(stream), function, None)


def _array(address: int, shape: tuple[int, ...], dtype: type[Any]) -> Any:
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    return np.frombuffer((ctypes.c_uint8 * size).from_address(address), dtype).reshape(shape)


class _Engine:
    def __init__(self, library: ctypes.CDLL, logger: Any, batches: tuple[int, int]) -> None:
        self.library, self.logger, self.batches, self.fail = library, logger, batches, False
        self.network = OnnxEngine(tiny_model())
        self.names = ["views", *SIZES]
        self.num_io_tensors = len(self.names)

    def get_tensor_name(self, number: int) -> str:
        return self.names[number]

    def get_tensor_mode(self, name: str) -> str:
        return "input" if name == "views" else "output"

    def get_tensor_dtype(self, name: str) -> str:
        return "uint8" if name == "views" else "float"

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (-1, *(SHAPE if name == "views" else SIZES[name]))

    def get_tensor_profile_shape(self, name: str, profile: int) -> list[tuple[int, ...]]:
        assert profile == 0
        least, most = self.batches
        return [(batch, *SHAPE) for batch in (least, least, most)]

    def create_execution_context(self) -> _ExecutionContext:
        return _ExecutionContext(self)


class _Severity:
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class _Logger:
    Severity = _Severity


def tensorrt(library: ctypes.CDLL) -> ModuleType:
    """A module in the place of `tensorrt`. A plan is b"LEAST-MOST", the range of its batches."""

    class Runtime:
        engine_host_code_allowed = False
        DLA_core = -1
        engines: list[_Engine] = []  # noqa: RUF012

        def __init__(self, logger: Any) -> None:
            self.logger = logger

        def deserialize_cuda_engine(self, plan: bytes) -> _Engine | None:
            try:
                least, most = map(int, plan.split(b"-"))
            except ValueError:
                self.logger.log(_Severity.ERROR, "magic tag does not match\nmore")
                return None
            self.engines.append(_Engine(library, self.logger, (least, most)))
            return self.engines[-1]

    module: Any = ModuleType("tensorrt")
    module.ILogger, module.Runtime = _Logger, Runtime
    _Logger.__init__ = lambda self: None  # type: ignore[method-assign, misc, assignment]
    module.TensorIOMode = type("TensorIOMode", (), {"INPUT": "input"})
    module.DataType = type("DataType", (), {"UINT8": "uint8", "FLOAT": "float"})
    return module  # type: ignore[no-any-return]
