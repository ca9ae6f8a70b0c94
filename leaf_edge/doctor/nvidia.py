"""CUDA driver, CUDA toolkit, TensorRT in its three kinds, pycuda, ONNX Runtime's CUDA provider."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from leaf_edge.doctor.check import DRIVER, Check, Status, needs
from leaf_edge.doctor.host import Host
from leaf_edge.doctor.software import Pins
from leaf_edge.doctor.versions import BASE, Requirement
from leaf_edge.runtime.preflight import (
    Driver,
    NoDriver,
    TensorRT,
    driver_too_old,
    installed_tensorrt,
    probe_driver,
)

_NVIDIA_PCI = "0x10de"
_TRT_LIBRARY = {
    "full": "libnvinfer.so.*",
    "lean": "libnvinfer_lean.so.*",
    "dispatch": "libnvinfer_dispatch.so.*",
}
_TRT_USE = {
    "full": "builds and runs engines",
    "lean": "runs version-compatible engines",
    "dispatch": "runs engines that carry their own runtime",
}
_TRTEXEC = "/usr/src/tensorrt/bin/trtexec"


def has_nvidia_device(host: Host) -> bool:
    """Whether there is an NVIDIA processor: on the PCI bus, as a device node, or a Tegra's own."""
    bus = host.path("/sys/bus/pci/devices")
    vendors = (
        (host.read(f"/sys/bus/pci/devices/{d.name}/vendor") for d in bus.iterdir()) if bus.is_dir() else ()
    )
    nodes = (
        host.path(name).exists() for name in ("/dev/nvidiactl", "/dev/nvhost-gpu", "/etc/nv_tegra_release")
    )
    return _NVIDIA_PCI in vendors or any(nodes)


def nvidia_checks(
    host: Host,
    pins: Pins,
    providers: Sequence[str],
    probe: Callable[[], Driver | NoDriver] = probe_driver,
    installed: Callable[[], tuple[TensorRT, ...]] = installed_tensorrt,
) -> list[Check]:
    """All lines about NVIDIA. providers: of ONNX Runtime. probe, installed: what answers for this machine."""
    driver, device = probe(), has_nvidia_device(host)
    here = device or isinstance(driver, Driver)
    return [
        driver_check(host, driver, device),
        _toolkit(host),
        *_tensorrt(host, pins, driver, installed(), here),
        _pycuda(host, pins, here),
        _provider(pins, providers, here),
    ]


def driver_check(host: Host, driver: Driver | NoDriver, device: bool) -> Check:
    """The CUDA driver, asked in a process of its own. device: whether there is NVIDIA hardware."""
    wanted = needs("cuda", "tensorrt", "build-engine")
    if isinstance(driver, Driver):
        devices = ", ".join(f"{d.name} ({d.sm}, {d.memory / 1024**3:.1f} GiB)" for d in driver.devices)
        found = f"for CUDA {driver.cuda_version[0]}.{driver.cuda_version[1]}: {devices}"
        return Check(DRIVER, "CUDA driver", Status.OK, found, "", wanted)
    if "cannot be loaded" not in driver.reason:
        mend = "nvidia-smi says more; install the driver again, or take a reboot after an update of it"
        if "no device" in driver.reason:
            mend = "check CUDA_VISIBLE_DEVICES, and in a container --gpus all"
        return Check(DRIVER, "CUDA driver", Status.WRONG, driver.reason, mend, wanted)
    if not device:
        found = f"{driver.reason}; no NVIDIA device is to be seen"
        mend = "in a container with a GPU: docker run --gpus all (on Jetson: --runtime nvidia)"
        return Check(DRIVER, "CUDA driver", Status.NOT_APPLICABLE, found, mend, wanted)
    mend = "on Jetson: sudo apt install nvidia-jetpack" if host.machine == "aarch64" else (
        "install NVIDIA's driver (Ubuntu: sudo ubuntu-drivers install), then reboot"
    )  # fmt: skip
    return Check(DRIVER, "CUDA driver", Status.MISSING, driver.reason, mend, wanted)


def _toolkit(host: Host) -> Check:
    path = host.which("nvcc")
    if path is None and host.path("/usr/local/cuda/bin/nvcc").is_file():
        found = "/usr/local/cuda/bin/nvcc is there, but not on PATH"
        mend = "export PATH=/usr/local/cuda/bin:$PATH"
        return Check("nvcc", "CUDA toolkit", Status.WRONG, found, mend, needs("nvcc"))
    if path is None:
        mend = "sudo apt install nvidia-cuda-toolkit, or NVIDIA's own packages (on Jetson: nvidia-jetpack)"
        return Check("nvcc", "CUDA toolkit", Status.MISSING, "no nvcc on PATH", mend, needs("nvcc"))
    outcome = host.run([path, "--version"])
    version = nvcc_version(outcome.output)
    if version is None:
        found = f"{path}: {outcome.error or 'its answer states no version'}"
        return Check(
            "nvcc", "CUDA toolkit", Status.WRONG, found, "install the CUDA toolkit again", needs("nvcc")
        )
    return Check("nvcc", "CUDA toolkit", Status.OK, f"nvcc {version} ({path})", "", needs("nvcc"))


def nvcc_version(text: str) -> str | None:
    """`13.0.88` in what `nvcc --version` prints."""
    match = re.search(r"release [\d.]+, V([\d.]+)", text)
    return match[1] if match else None


def tensorrt_libraries(host: Host, kind: str) -> list[Path]:
    """Libraries of a kind of TensorRT where packages and archives put them; paths below the root."""
    folders = ["/usr/lib", f"/usr/lib/{host.machine}-linux-gnu", "/usr/local/lib", "/usr/local/cuda/lib64",
               *filter(None, host.env.get("LD_LIBRARY_PATH", "").split(":"))]  # fmt: skip
    paths = (path for folder in folders for path in sorted(host.path(folder).glob(_TRT_LIBRARY[kind])))
    return list(dict.fromkeys(paths))


def _tensorrt(
    host: Host, pins: Pins, driver: Driver | NoDriver, packages: Sequence[TensorRT], here: bool
) -> list[Check]:
    requirement = next(
        (r for r in pins.get("tensorrt", ()) if r.name == "tensorrt"), Requirement("tensorrt", "")
    )
    checks = []
    by_kind = {package.kind: package for package in packages}
    for kind, use in _TRT_USE.items():
        key, name = f"tensorrt-{kind}", f"TensorRT {kind}"
        wanted = needs("tensorrt", "build-engine") if kind == "full" else needs()
        package = next((p for k, p in by_kind.items() if k == kind), None)
        if package is not None:
            found = f"Python package {package.module} {package.version}; {use}"
            mend, status = "", Status.OK
            if not requirement.allows(package.version):
                status, mend = Status.WRONG, "pip install 'leaf-edge[tensorrt]'"
                found += f"; expected {requirement.versions}"
            reason = driver_too_old(package, driver) if isinstance(driver, Driver) else None
            if reason is not None:
                status, found, mend = Status.WRONG, reason, "update the driver, or take TensorRT for its CUDA"
            checks.append(Check(key, name, status, found, mend, wanted))
            continue
        libraries = tensorrt_libraries(host, kind)
        if libraries:
            folder = libraries[0].parent.relative_to(host.root)
            found = f"{libraries[0].name} in /{folder}, without its Python package"
            mend = "sudo apt install python3-libnvinfer, and make the environment with --system-site-packages"
            mend = mend if kind == "full" else f"pip install tensorrt_{kind}"
            checks.append(Check(key, name, Status.MISSING, found, mend, wanted))
        else:
            mend = "pip install 'leaf-edge[tensorrt]'" if kind == "full" else f"pip install tensorrt_{kind}"
            status = Status.MISSING if here else Status.NOT_APPLICABLE
            checks.append(Check(key, name, status, f"not installed; {use}", mend if here else "", wanted))
    # Lean and dispatch run engines where full is not there: then full is not what `tensorrt` lacks.
    if checks[0].status is not Status.OK and any(check.status is Status.OK for check in checks[1:]):
        full = checks[0]
        checks[0] = Check(full.key, full.name, full.status, full.found, full.mend, needs("build-engine"))
    trtexec = host.which("trtexec") or (_TRTEXEC if host.path(_TRTEXEC).is_file() else None)
    if trtexec is not None:
        checks.append(Check("trtexec", "trtexec", Status.OK, trtexec))
    return checks


def _pycuda(host: Host, pins: Pins, here: bool) -> Check:
    requirement = next((r for r in pins.get("tensorrt", ()) if r.name == "pycuda"), Requirement("pycuda", ""))
    version = host.installed("pycuda")
    wanted, mend = (
        needs("tensorrt"),
        "pip install 'leaf-edge[tensorrt]' (compiles: the CUDA toolkit must be there)",
    )
    if version is None:
        status = Status.MISSING if here else Status.NOT_APPLICABLE
        return Check("pycuda", "pycuda", status, "not installed", mend if here else "", wanted)
    if not requirement.allows(version):
        found = f"{version}; expected {requirement.versions}"
        return Check("pycuda", "pycuda", Status.WRONG, found, mend, wanted)
    if here:
        # its own import loads libcuda, which is sure to be there only with a device
        outcome = host.ask_python("import pycuda.driver\nprint(MARK)")
        if outcome.error is not None:
            found = f"{version} does not import: {outcome.error}"
            return Check("pycuda", "pycuda", Status.WRONG, found, mend, wanted)
    return Check("pycuda", "pycuda", Status.OK, version, "", wanted)


def _provider(pins: Pins, providers: Sequence[str], here: bool) -> Check:
    key, name, wanted = "onnxruntime-cuda", "ONNX Runtime CUDA", needs("cuda")
    if "CUDAExecutionProvider" in providers:
        return Check(key, name, Status.OK, "the CUDA provider is there", "", wanted)
    pin = next((r.versions for r in pins.get(BASE, ()) if r.name == "onnxruntime"), "")
    mend = f"pip uninstall onnxruntime && pip install 'onnxruntime-gpu{pin}'"
    status = Status.MISSING if here else Status.NOT_APPLICABLE
    return Check(key, name, status, "this ONNX Runtime has no CUDA provider", mend if here else "", wanted)
