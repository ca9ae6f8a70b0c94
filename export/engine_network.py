"""TensorRT's builder: from an ONNX graph to a plan. The one module of the export that calls TensorRT.

Import it only where `engine_machine.find_builder` has found a driver and the package. It is written for
10.3 to 11.x; `make lint` checks every call against the bindings of 10.3, 10.16 and 11.4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, SupportsInt, cast

import tensorrt as trt  # type: ignore[import-not-found,import-untyped,unused-ignore]

from leaf_edge.contract import INPUT_NAME, OUTPUT_NAMES
from leaf_edge.export.engine_options import BuildError, DeviceError, EngineOptions
from leaf_edge.views.native import SHAPE

_MAX_LOG = 1 << 20
Progress = Callable[[str, int, int], None]
"""Called with a phase of the build, steps done and steps in all."""


@dataclass(frozen=True)
class Plan:
    """data: the serialized engine. log: what TensorRT said, by lines. cache: timings for the next build."""

    data: bytes
    log: tuple[str, ...]
    cache: bytes


class Log(trt.ILogger):  # type: ignore[misc,unused-ignore]
    """Keeps what TensorRT says, up to 1 MiB. `say` gets errors and warnings at once."""

    def __init__(self, verbose: bool, say: Callable[[str], None]) -> None:
        trt.ILogger.__init__(self)
        self.lines: list[str] = []
        self._least = trt.ILogger.Severity.VERBOSE if verbose else trt.ILogger.Severity.INFO
        self._say = say
        self._size = 0

    def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
        """Called by TensorRT, from any of its threads."""
        if int(severity) > int(self._least) or self._size > _MAX_LOG:
            return
        line = f"[{severity.name}] {' '.join(msg.split())}"
        self._size += len(line) + 1
        self.lines.append(line if self._size <= _MAX_LOG else "[the log is cut off here]")
        if int(severity) <= int(trt.ILogger.Severity.WARNING):
            self._say(line)

    def errors(self) -> str:
        """The last error, or that there is none."""
        errors = [line for line in self.lines if line.startswith(("[ERROR]", "[INTERNAL_ERROR]"))]
        return errors[-1][:300] if errors else "TensorRT gave no reason"


class _Monitor(trt.IProgressMonitor):  # type: ignore[misc,unused-ignore]
    """Tells how far the build is. Ctrl-C ends the build at its next step: an exception may not cross
    TensorRT, so it is kept and raised again by `build_plan`."""

    def __init__(self, progress: Progress) -> None:
        trt.IProgressMonitor.__init__(self)
        self._progress = progress
        self._steps: dict[str, int] = {}
        self.stopped: BaseException | None = None

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: SupportsInt) -> None:
        self._steps[phase_name] = int(num_steps)
        self._tell(phase_name, 0)

    def step_complete(self, phase_name: str, step: SupportsInt) -> bool:
        self._tell(phase_name, int(step) + 1)
        return self.stopped is None

    def phase_finish(self, phase_name: str) -> None:
        self._tell(phase_name, self._steps.pop(phase_name, 0))

    def _tell(self, phase: str, done: int) -> None:
        try:
            self._progress(phase, done, self._steps.get(phase, done))
        except BaseException as error:
            self.stopped = error


def build_plan(
    model: bytes,
    options: EngineOptions,
    *,
    cache: bytes = b"",
    say: Callable[[str], None] = lambda line: None,
    progress: Progress = lambda phase, done, steps: None,
) -> Plan:
    """The engine of an ONNX graph, for the current device.

    model: bytes of the ONNX file, types as they shall compute (export/engine_half.py). cache: timings of an
    earlier build (`Plan.cache`), or nothing. Raises `BuildError` where TensorRT refuses the graph or finds
    no kernels or does not start, `DeviceError` where there is no such DLA core.
    """
    log = Log(options.verbose, say)
    try:
        builder = trt.Builder(log)
    except TypeError:  # as the bindings say that the library gave no object
        raise BuildError(f"TensorRT gives no builder: {log.errors()}") from None
    # 11.x has no other networks and ignores the flag; 10.x would choose types of its own without it
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(model):
        reasons = [str(parser.get_error(i).desc()) for i in range(parser.num_errors)]
        raise BuildError(f"TensorRT cannot read the network: {'; '.join(reasons)[:300] or log.errors()}")
    _check(network)
    config = builder.create_builder_config()
    _configure(config, options)
    _batch(builder, config, options.batch)
    if options.dla is not None:
        _dla(builder, network, config, options.dla, log)
    timings = _timings(config, cache, log)
    monitor = _Monitor(progress)
    config.progress_monitor = monitor
    memory: trt.IHostMemory | None = builder.build_serialized_network(network, config)
    if monitor.stopped is not None:
        raise monitor.stopped
    if memory is None:
        raise BuildError(f"TensorRT did not build the engine: {log.errors()}")
    return Plan(_bytes(memory), tuple(log.lines), _bytes(timings.serialize()))


def _configure(config: trt.IBuilderConfig, options: EngineOptions) -> None:
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_mib << 20)
    config.builder_optimization_level = options.effort
    # TF32 has float16's precision; what is float32 here, the heads, shall stay that
    config.clear_flag(trt.BuilderFlag.TF32)
    if options.version_compatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    if options.ampere_plus:
        config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS
    # layer names and types, no weights or timings: what a comparison layer by layer needs
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED


def _batch(builder: trt.Builder, config: trt.IBuilderConfig, batch: tuple[int, int, int]) -> None:
    profile = builder.create_optimization_profile()
    least, usual, most = (trt.Dims([frames, *SHAPE]) for frames in batch)
    profile.set_shape(INPUT_NAME, least, usual, most)
    if config.add_optimization_profile(profile) < 0:
        raise BuildError(f"TensorRT refuses the range of batch sizes {batch}")


def _dla(
    builder: trt.Builder, network: trt.INetworkDefinition, config: trt.IBuilderConfig, core: int, log: Log
) -> None:
    """Gives to the DLA core what it can run, the rest to the GPU."""
    if core >= builder.num_DLA_cores:
        raise DeviceError(f"--dla {core}: this device has {builder.num_DLA_cores} DLA cores")
    config.default_device_type = trt.DeviceType.DLA
    config.DLA_core = core
    config.set_flag(trt.BuilderFlag.GPU_FALLBACK)
    able = sum(config.can_run_on_DLA(network.get_layer(i)) for i in range(network.num_layers))
    log.lines.append(f"[leaf-edge] the DLA can run {able} of {network.num_layers} layers")
    if not able:
        raise BuildError("the DLA can run no layer of this network; build for the GPU: leave --dla out")


def _timings(config: trt.IBuilderConfig, cache: bytes, log: Log) -> trt.ITimingCache:
    """The timing cache of the build. One of another TensorRT or device is left aside, with a line."""
    if cache:
        old: trt.ITimingCache | None = config.create_timing_cache(cache)
        if old is not None and config.set_timing_cache(old, False):
            return config.get_timing_cache()
        log.lines.append("[leaf-edge] the timing cache is of another TensorRT or device: starting a new one")
    config.set_timing_cache(config.create_timing_cache(b""), False)
    return config.get_timing_cache()


def _check(network: trt.INetworkDefinition) -> None:
    """Input and outputs as the contract has them: TensorRT could have typed them otherwise."""
    inputs = {(t.name, t.dtype) for t in map(network.get_input, range(network.num_inputs))}
    outputs = {(t.name, t.dtype) for t in map(network.get_output, range(network.num_outputs))}
    if inputs != {(INPUT_NAME, trt.uint8)} or outputs != {(name, trt.float32) for name in OUTPUT_NAMES}:
        raise BuildError(
            f"expected uint8 {INPUT_NAME} and float32 {', '.join(OUTPUT_NAMES)}; TensorRT found "
            f"{sorted(str(i) for i in inputs)} and {sorted(str(o) for o in outputs)}"
        )


def _bytes(memory: trt.IHostMemory) -> bytes:
    """A copy. The buffer that the object offers is not in the bindings' signatures."""
    return bytes(cast(Any, memory))
