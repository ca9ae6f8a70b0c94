"""What this machine has for TensorRT: driver, devices, TensorRT. Asked before TensorRT is touched.

Without a driver TensorRT still hands out a runtime object, and a plan given to it ends the process. So the
driver is probed first, in a process of its own, and TensorRT is not even imported where that fails.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import platform
import re
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, TypeAlias

from leaf_edge.runtime import driver_child
from leaf_edge.runtime.child import ask_child

TIMEOUT_S = 20.0
"""How long the driver may take. A cold one on a machine with many devices takes some seconds."""

LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


@dataclass(frozen=True)
class Device:
    """One CUDA device. capability: compute capability (major, minor); memory: bytes in all."""

    name: str
    capability: tuple[int, int]
    memory: int

    @property
    def sm(self) -> str:
        """The capability as engines are named by it: `sm87`, `sm120`."""
        return f"sm{self.capability[0]}{self.capability[1]}"


@dataclass(frozen=True)
class Driver:
    """A CUDA driver that works. cuda_version: newest CUDA that it runs; devices: at least one."""

    cuda_version: tuple[int, int]
    devices: tuple[Device, ...]


@dataclass(frozen=True)
class NoDriver:
    """There is no driver that works. reason: why, in one line."""

    reason: str


@dataclass(frozen=True)
class TensorRT:
    """A TensorRT Python package that is installed.

    version: as the package states it, `10.3.0.26`. kind: `full` builds and runs plans; `lean` runs
    version-compatible plans; `dispatch` runs those that carry their own lean runtime. cuda_major: of the CUDA
    that it was built for, None where the package does not tell.
    """

    version: str
    kind: Literal["full", "lean", "dispatch"]
    cuda_major: int | None = None

    @property
    def module(self) -> str:
        """Name to import."""
        return _MODULES[self.kind]

    @property
    def numbers(self) -> tuple[int, int, int]:
        """Major, minor, patch."""
        return version_numbers(self.version)


@dataclass(frozen=True)
class NoTensorRT:
    """TensorRT cannot be used. reason: why, in one line."""

    reason: str


Kind: TypeAlias = Literal["full", "lean", "dispatch"]
_MODULES: dict[Kind, str] = {"full": "tensorrt", "lean": "tensorrt_lean", "dispatch": "tensorrt_dispatch"}

_lock = threading.Lock()
_probed: dict[str, Driver | NoDriver] = {}


def probe_driver(
    library: str = LIBRARY, *, timeout_s: float = TIMEOUT_S, refresh: bool = False
) -> Driver | NoDriver:
    """The CUDA driver of this machine, or why there is none that works. Never raises, never crashes.

    library: name or path of the driver library. timeout_s: seconds until a driver counts as hanging.
    The answer is kept for the life of the process; `refresh` asks again.
    """
    with _lock:
        if refresh or library not in _probed:
            _probed[library] = _probe(library, timeout_s)
        return _probed[library]


def _probe(library: str, timeout_s: float) -> Driver | NoDriver:
    answer = ask_child(driver_child.__file__, [library], driver_child.MARK, timeout_s=timeout_s, bare=True)
    if answer.text is None:
        return NoDriver(f"the CUDA driver ({library}) {answer.trouble}")
    found: dict[str, Any] = json.loads(answer.text)
    if "error" in found:
        return NoDriver(str(found["error"]))
    devices = tuple(
        Device(device["name"], (device["capability"][0], device["capability"][1]), device["memory"])
        for device in found["devices"]
    )
    if not devices:
        return NoDriver("the CUDA driver works but has no device (CUDA_VISIBLE_DEVICES may hide it)")
    return Driver((found["cuda"] // 1000, found["cuda"] % 1000 // 10), devices)


def installed_tensorrt() -> tuple[TensorRT, ...]:
    """TensorRT packages that are installed, `full` first, found without importing any."""
    return tuple(found for kind in _MODULES if (found := _installed(kind)) is not None)


def _installed(kind: Kind) -> TensorRT | None:
    module = _MODULES[kind]
    spec = importlib.util.find_spec(module)
    if spec is None:
        return None
    version = ""
    if spec.origin is not None:
        with suppress(OSError):
            text = Path(spec.origin).read_text(encoding="utf-8", errors="replace")
            match = re.search(r"^__version__\s*=\s*[\"']([^\"']+)[\"']", text, re.MULTILINE)
            version = match[1] if match else ""
    cuda_major = None
    for major in (12, 13, 14):
        for name in (f"{module}_cu{major}", f"{module}_cu{major}_bindings"):
            with suppress(metadata.PackageNotFoundError):
                stated = metadata.version(name)
                # Packages for two CUDAs share the module: the one whose version it states is the one.
                if not version or version_numbers(stated) == version_numbers(version):
                    version, cuda_major = version or stated, major
    with suppress(metadata.PackageNotFoundError):
        version = version or metadata.version(module)
    try:
        version_numbers(version)
    except ValueError:  # something else of that name
        return None
    return TensorRT(version, kind, cuda_major)


def tensorrt_available(driver: Driver | NoDriver | None = None) -> TensorRT | NoTensorRT:
    """The TensorRT that plans can be given to here, or why there is none.

    driver: what `probe_driver` found; None asks it. TensorRT is imported only where a driver works and is new
    enough for it. `full` is taken before `lean` before `dispatch`.
    """
    driver = probe_driver() if driver is None else driver
    installed = installed_tensorrt()
    if isinstance(driver, NoDriver):
        return NoTensorRT(driver.reason)
    if not installed:
        return NoTensorRT("no TensorRT package is installed")
    reasons = []
    for found in installed:
        reason = driver_too_old(found, driver) or _import_failure(found)
        if reason is None:
            return found
        reasons.append(reason)
    return NoTensorRT("; ".join(reasons))


def driver_too_old(found: TensorRT, driver: Driver) -> str | None:
    """Why `driver` cannot run `found`, or None. TensorRT behaves with such a driver as with none."""
    if found.cuda_major is None or driver.cuda_version[0] >= found.cuda_major:
        return None
    has = ".".join(map(str, driver.cuda_version))
    return (
        f"{found.module} {found.version} needs a driver for CUDA {found.cuda_major}; this one runs CUDA {has}"
    )


def _import_failure(found: TensorRT) -> str | None:
    try:
        importlib.import_module(found.module)
    except Exception as error:  # libraries that are missing come as several types
        return f"{found.module} {found.version} cannot be imported ({str(error).splitlines()[0][:200]})"
    return None


def version_numbers(text: str) -> tuple[int, int, int]:
    """`10.3.0.26` as (10, 3, 0). Raises ValueError for text that is no version."""
    match = re.match(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,6}))?(?![0-9])", text)
    if match is None:
        raise ValueError(f"{text!r} is not a TensorRT version; expected one as 10.3.0")
    return int(match[1]), int(match[2]), int(match[3] or 0)


def os_name() -> str:
    """Operating system and processor, as engines are keyed by it: `linux-x86_64`, `linux-aarch64`."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    return f"{sys.platform}-{machine}"
