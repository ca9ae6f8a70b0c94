"""A plan as a TensorRT engine that was checked against the student's contract."""

from __future__ import annotations

import importlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leaf_edge.bundle.errors import BundleCode, BundleError
from leaf_edge.contract import INPUT_NAME, OUTPUT_NAMES
from leaf_edge.runtime.engine import OUTPUT_SHAPES
from leaf_edge.runtime.preflight import TensorRT
from leaf_edge.views.native import SHAPE

if TYPE_CHECKING:
    # There are no stubs on most machines; CI makes them (scripts/typecheck.sh).
    import tensorrt as trt  # type: ignore[import-not-found, unused-ignore]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """A deserialised plan. batches: least and greatest number of frames in one call.

    logger and runtime are kept, since TensorRT needs them for as long as the engine lives.
    """

    logger: trt.ILogger
    runtime: trt.Runtime
    engine: trt.ICudaEngine
    batches: tuple[int, int]

    @property
    def last_error(self) -> str:
        """TensorRT's last error message; empty where there was none."""
        return str(getattr(self.logger, "last", ""))


def load_plan(data: bytes, package: TensorRT, *, host_code: bool, dla: int | None = None) -> Plan:
    """Deserialise `data`. The context of the device must be current, and preflight must have passed.

    package: TensorRT to load it with. host_code: allow the plan to bring code of its own, which
    version-compatible plans do; only for a plan whose signature was verified. dla: core that the plan was
    built for. Raises `BundleError` ENGINE_PLAN where TensorRT refuses the plan or it is not a student's.
    """
    module: Any = importlib.import_module(package.module)
    logger = _make_logger(module)
    runtime: trt.Runtime = module.Runtime(logger)
    if dla is not None:
        runtime.DLA_core = dla
    if host_code:
        runtime.engine_host_code_allowed = True
    engine: trt.ICudaEngine | None = runtime.deserialize_cuda_engine(data)
    if engine is None:
        reason = logger.last or "no reason was given"
        raise BundleError(BundleCode.ENGINE_PLAN, f"TensorRT {package.version} refuses the plan ({reason})")
    return Plan(logger, runtime, engine, _check_contract(module, engine))


def _check_contract(module: Any, engine: trt.ICudaEngine) -> tuple[int, int]:
    """Compare the plan's tensors with the student's (leaf_edge/contract.py); returns its range of batches."""
    expected = {INPUT_NAME: SHAPE, **{name: OUTPUT_SHAPES[name] for name in OUTPUT_NAMES}}
    names = [engine.get_tensor_name(number) for number in range(engine.num_io_tensors)]
    if sorted(names) != sorted(expected):
        raise BundleError(
            BundleCode.ENGINE_PLAN, f"tensors of the plan are {sorted(names)}; expected {sorted(expected)}"
        )
    for name, inner in expected.items():
        is_input = engine.get_tensor_mode(name) == module.TensorIOMode.INPUT
        dtype = engine.get_tensor_dtype(name)
        shape = _dims(engine.get_tensor_shape(name))
        wanted = module.DataType.UINT8 if name == INPUT_NAME else module.DataType.FLOAT
        if is_input != (name == INPUT_NAME) or dtype != wanted or shape[1:] != inner:
            raise BundleError(
                BundleCode.ENGINE_PLAN,
                f"{name} of the plan is {dtype} {list(shape)}; expected {wanted} {['N', *inner]}",
            )
    batch = _dims(engine.get_tensor_shape(INPUT_NAME))[0]
    if batch > 0:
        return batch, batch
    shapes = [_dims(shape) for shape in engine.get_tensor_profile_shape(INPUT_NAME, 0)]
    return shapes[0][0], shapes[-1][0]


def _dims(shape: trt.Dims) -> tuple[int, ...]:
    return tuple(shape[axis] for axis in range(len(shape)))


def _make_logger(module: Any) -> Any:
    """A logger of this TensorRT that hands messages on to `logging` and keeps the last error."""
    base: type[Any] = module.ILogger
    severity = module.ILogger.Severity

    class Logger(base):  # type: ignore[misc]
        def __init__(self) -> None:
            base.__init__(self)
            self.last = ""

        def log(self, level: Any, text: str) -> None:
            if level in (severity.INTERNAL_ERROR, severity.ERROR):
                self.last = text.strip().splitlines()[0][:300] if text.strip() else ""
                _log.error("TensorRT: %s", text)
            elif level == severity.WARNING:
                _log.info("TensorRT: %s", text)

    return Logger()
