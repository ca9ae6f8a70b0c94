"""A TensorRT engine from a bundle's Q/DQ graph, and into the bundle. See docs/engines.md."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from leaf_edge import __version__
from leaf_edge.bundle.engines import add_engine
from leaf_edge.bundle.load import Bundle
from leaf_edge.bundle.manifest import MAX_FILE_BYTES, EngineEntry
from leaf_edge.export.engine_key import EngineKey
from leaf_edge.export.engine_options import BuildError, DeviceError, EngineOptions
from leaf_edge.extras import MissingExtraError, require
from leaf_edge.runtime.preflight import (
    NoDriver,
    TensorRT,
    driver_too_old,
    installed_tensorrt,
    os_name,
    probe_driver,
)

Say = Callable[[str], None]
Progress = Callable[[str, int, int], None]
"""Called with a phase of the build, steps done and steps in all."""


@dataclass(frozen=True)
class Builder:
    """What engines are built with here. device: name of the device; cuda: newest that the driver runs."""

    key: EngineKey
    package: TensorRT
    device: str
    cuda: str


@dataclass(frozen=True)
class Built:
    """An engine that is in no bundle yet: its entry, the plan, the log, and the seconds that it took."""

    entry: EngineEntry
    plan: bytes
    log: bytes
    seconds: float


def find_builder(device: int = 0) -> Builder:
    """What this machine builds engines with. TensorRT is not touched before the driver has answered.

    device: number of the CUDA device that TensorRT will take: the current one of this thread, 0 if nobody
    chose. Raises `DeviceError` without a driver that works or one that is too old, `MissingExtraError`
    without the full TensorRT package in a version that is supported.
    """
    driver = probe_driver()
    if isinstance(driver, NoDriver):
        raise DeviceError(f"no engine can be built here: {driver.reason}")
    if not 0 <= device < len(driver.devices):
        raise DeviceError(f"there is no CUDA device {device}; the driver has {len(driver.devices)}")
    found = installed_tensorrt()
    full = next((package for package in found if package.kind == "full"), None)
    if full is None:
        has = "".join(
            f"; {package.module} {package.version} runs engines, it builds none" for package in found
        )
        raise MissingExtraError(
            f"tensorrt is not installed; it comes with: pip install 'leaf-edge[tensorrt]'{has}"
        )
    if reason := driver_too_old(full, driver):
        raise DeviceError(f"no engine can be built here: {reason}")
    here = driver.devices[device]
    try:
        key = EngineKey(full.version, here.sm, os_name())
    except ValueError as error:
        raise MissingExtraError(f"{error}; install one: pip install 'leaf-edge[tensorrt]'") from None
    return Builder(key, full, here.name, ".".join(map(str, driver.cuda_version)))


def network(bundle: Bundle, options: EngineOptions, say: Say = lambda line: None) -> bytes:
    """The ONNX file that an engine is built from: the bundle's `trt` graph, with float16 where asked for.

    Raises `BundleError` where the bundle has no such encoding, `BuildError` where float16 moves the scores
    too far (engine_check.py), `HalfError` where the graph is not a student's, `MissingExtraError` without
    onnx.
    """
    model = bundle.model("trt")
    if not options.half:
        return model
    try:
        onnx = require("onnx", "train")
    except MissingExtraError:
        raise MissingExtraError(
            "onnx is not installed, which float16 needs: pip install onnx, or build with --float fp32"
        ) from None
    from leaf_edge.export.engine_check import half_change
    from leaf_edge.export.engine_half import half_model

    full = onnx.load_from_string(model)
    half = half_model(full)
    moved = half_change(bundle, full, half)
    say(moved.line())
    if not moved.within:
        raise BuildError(f"{moved.line()}: keep float32 with --float fp32")
    return bytes(half.SerializeToString())


def build(
    bundle: Bundle,
    options: EngineOptions,
    *,
    device: int = 0,
    cache: Path | None = None,
    say: Say = lambda line: None,
    progress: Progress = lambda phase, done, steps: None,
) -> Built:
    """Builds an engine for this machine; it takes minutes. The bundle stays as it is (`add` puts it in).

    cache: file with the timings of earlier builds, used and written anew; None keeps none. say: gets lines
    for people. Raises as `find_builder` and `network`; `BuildError` where TensorRT does not build it, or
    where the engine does not score as the network does; OSError for the cache.
    """
    builder = find_builder(device)
    if options.ampere_plus and int(builder.key.sm.removeprefix("sm")) < 80:
        raise DeviceError(f"--ampere-plus: expected a device of sm80 or later; this one is {builder.key.sm}")
    timings = read_cache(cache)
    onnx_file = network(bundle, options, say)
    load_builder()
    from leaf_edge.export.engine_network import build_plan
    from leaf_edge.export.engine_trial import engine_line

    say(f"building for TensorRT {builder.key.tensorrt}, {builder.device} ({builder.key.sm}): minutes")
    start = time.monotonic()
    plan = build_plan(onnx_file, options, cache=timings, say=say, progress=progress)
    seconds = time.monotonic() - start
    if len(plan.data) > MAX_FILE_BYTES:
        raise BuildError(
            f"the engine has {len(plan.data)} bytes; a bundle takes {MAX_FILE_BYTES} in one file"
        )
    if cache is not None:
        write_cache(cache, plan.cache)
    entry = builder.key.entry(options)
    about = (
        f"leaf-edge {__version__}, TensorRT {builder.key.tensorrt}, {builder.device} ({builder.key.sm}), "
        f"{builder.key.os}, driver for CUDA {builder.cuda}",
        f"bundle {bundle.name} {bundle.manifest.version}",
        f"network SHA-256 {hashlib.sha256(onnx_file).hexdigest()}",
        f"flags {' '.join(entry.flags)} effort={options.effort}",
        f"built in {seconds:.1f} s, {len(plan.data)} bytes",
        engine_line(bundle, plan.data, entry, builder.package, device),
    )
    say(about[-1])
    return Built(entry, plan.data, log_bytes((*about, *plan.log)), seconds)


def load_builder() -> None:
    """Imports TensorRT; `find_builder` must have found a driver. Raises `MissingExtraError`."""
    try:
        require("tensorrt", "tensorrt")
    except MissingExtraError:
        raise
    except (ImportError, OSError) as error:  # the bindings are there, libraries behind them are not
        raise MissingExtraError(f"tensorrt cannot be imported ({str(error).splitlines()[0][:200]})") from None


def add(bundle: Bundle, built: Built) -> Bundle:
    """Puts the engine into the bundle on disk, whole or not at all, and returns it as loaded back.

    An engine of the same name is replaced. The signature goes: sign the bundle again.
    """
    return add_engine(bundle, built.entry, built.plan, built.log)


def log_bytes(lines: tuple[str, ...]) -> bytes:
    """A log file: one line each, without control characters."""
    plain = ("".join(c if c.isprintable() else "?" for c in line) for line in lines)
    return ("\n".join(plain) + "\n").encode()


def read_cache(path: Path | None) -> bytes:
    """The timing cache; nothing where no file is yet. Raises OSError, `BuildError` for one too large."""
    if path is None or not path.exists():
        return b""
    if path.stat().st_size > MAX_FILE_BYTES:
        raise BuildError(f"--timing-cache {path}: {path.stat().st_size} bytes; that is no timing cache")
    return path.read_bytes()


def write_cache(path: Path, data: bytes) -> None:
    """Replaces the timing cache in one step. Raises OSError."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
