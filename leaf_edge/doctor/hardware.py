"""Processor, memory, limits of the container, temporary folder, clock."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from pathlib import Path

from leaf_edge.doctor.check import CPU, Check, Status, needs
from leaf_edge.doctor.host import Host
from leaf_edge.doctor.software import Core

MIB = 1024 * 1024
LEAST_MEMORY = 256 * MIB
"""Below this, scoring 1080p frames is not sure to fit: `leaf-edge bench` shows a peak of some 200 MiB."""
LEAST_DISK = 64 * MIB
"""Free space in the temporary folder below which unpacking and writing through it soon fails."""
COARSEST_CLOCK_S = 1e-3
"""Stage times are tenths of milliseconds."""
_AVX512 = ("avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vnni", "avx512vbmi", "avx512ifma")
"""What the AVX-512 kernels use (runtime/src/views.cpp)."""
_SHOWN = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX512-VNNI",
    "avx_vnni": "AVX-VNNI",
    "amx_int8": "AMX-INT8",
    "asimd": "NEON",
    "asimddp": "dotprod",
    "i8mm": "i8mm",
}


def cpu_flags(cpuinfo: str) -> frozenset[str]:
    """Features of the first processor in the text of /proc/cpuinfo (`flags`; on Arm `Features`)."""
    match = re.search(r"^(?:flags|Features)\s*:\s*(.*)$", cpuinfo, re.MULTILINE)
    return frozenset(match[1].split()) if match else frozenset()


def cpu_model(cpuinfo: str) -> str:
    """The processor's name in the text of /proc/cpuinfo; "" where it states none (most Arm)."""
    match = re.search(r"^(?:model name|Model)\s*:\s*(.*)$", cpuinfo, re.MULTILINE)
    return match[1].strip() if match else ""


def cpu_checks(host: Host, core: Core | None) -> list[Check]:
    """Processor features, and the kernels that the core takes of those that it could have."""
    cpuinfo = host.read("/proc/cpuinfo") or ""
    flags = cpu_flags(cpuinfo)
    if not flags:
        found = f"{host.machine}; its features cannot be read from /proc/cpuinfo"
        return [Check("cpu", "processor", Status.OK, found), *_kernels(host, core, flags)]
    shown = [name for flag, name in _SHOWN.items() if flag in flags] or ["none that matters here"]
    found = f"{cpu_model(cpuinfo) or host.machine}: {', '.join(shown)}"
    if host.machine == "x86_64" and not flags & {"avx512_vnni", "avx_vnni"}:
        found += "; no VNNI: INT8 networks run on slower, exact instructions"
    if host.machine == "aarch64" and "asimddp" not in flags:
        found += "; no dotprod: INT8 networks run slower"
    return [Check("cpu", "processor", Status.OK, found), *_kernels(host, core, flags)]


def expected_isa(machine: str, flags: frozenset[str]) -> str:
    """The kernels that a complete core takes on a processor with these features."""
    if machine == "aarch64":
        return "neon"
    if flags.issuperset(_AVX512):
        return "avx512"
    return "avx2" if "avx2" in flags else "scalar"


def _kernels(host: Host, core: Core | None, flags: frozenset[str]) -> list[Check]:
    if core is None:
        found = "the compiled core does not load"
        return [
            Check("kernels", "kernels of the views", Status.WRONG, found, "see: compiled core", needs(CPU))
        ]
    if not flags:
        return [Check("kernels", "kernels of the views", Status.OK, f"{core.chosen} chosen")]
    best = expected_isa(host.machine, flags)
    if best != core.chosen:
        found = (
            f"{core.chosen} chosen; this processor could run {best}: the core was built without it, or the "
            "operating system does not keep those registers"
        )
        mend = "pip install --force-reinstall --no-binary leaf-edge leaf-edge"
        return [Check("kernels", "kernels of the views", Status.WRONG, found, mend)]
    found = f"{core.chosen} chosen, the best for this processor"
    if best == "scalar":
        found += "; the views take some seven times as long as with AVX2"
    return [Check("kernels", "kernels of the views", Status.OK, found)]


def cgroup_limits(host: Host) -> tuple[float | None, int | None]:
    """(cores, bytes of memory) that the control groups of this process allow; None: no limit.

    Both versions are read, and of nested groups the tightest (kernel documentation, cgroup-v2).
    """
    cores: list[float] = []
    memory: list[int] = []
    for line in (host.read("/proc/self/cgroup") or "").splitlines():
        _, controllers, path = ([*line.split(":", 2), "", ""])[:3]
        for name in controllers.split(",") if controllers else [""]:
            base = f"/sys/fs/cgroup/{name}" if name else "/sys/fs/cgroup"
            for folder in _upwards(path):
                _read_limits(host, f"{base}{folder}", name, cores, memory)
    return min(cores, default=None), min(memory, default=None)


def _upwards(path: str) -> list[str]:
    """`/a/b` as [/a/b, /a, ""]: inside a container the path may be one of the host."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    return ["".join(f"/{part}" for part in parts[:count]) for count in range(len(parts), -1, -1)]


_NO_MEMORY_LIMIT = 1 << 60
"""Version 1 writes a number near 2^63 for no limit."""


def _read_limits(host: Host, folder: str, name: str, cores: list[float], memory: list[int]) -> None:
    if name in ("", "cpu"):
        quota, period = ([*(host.read(f"{folder}/cpu.max") or "").split(), "", ""])[:2]
        if name == "cpu":
            quota = host.read(f"{folder}/cpu.cfs_quota_us") or ""
            period = host.read(f"{folder}/cpu.cfs_period_us") or ""
        if quota.isdigit() and period.isdigit() and int(period):
            cores.append(int(quota) / int(period))
    if name in ("", "memory"):
        limit = host.read(f"{folder}/{'memory.limit_in_bytes' if name else 'memory.max'}") or ""
        if limit.isdigit() and int(limit) < _NO_MEMORY_LIMIT:
            memory.append(int(limit))


def resource_checks(host: Host, usable: int | None = None) -> list[Check]:
    """Cores and memory. usable: cores that this process may use; None asks the system."""
    if usable is None:
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cores, limit = cgroup_limits(host)
    found = f"{usable} usable"
    mend = ""
    if cores is not None and cores < usable:
        found += f", but the control group gives the time of {cores:g}: threads beyond that wait"
        mend = f"keep --threads at {max(1, int(cores))}, or give the container more (docker run --cpus)"
    checks = [Check("cores", "cores", Status.OK, found, mend)]
    meminfo = host.read("/proc/meminfo") or ""
    total, available = (_meminfo(meminfo, key) for key in ("MemTotal", "MemAvailable"))
    if total is None or available is None:
        return [*checks, Check("memory", "memory", Status.OK, "cannot be read from /proc/meminfo")]
    found = f"{_gib(available)} of {_gib(total)} GiB free"
    if limit is not None and limit < total:
        found += f"; the control group allows {_gib(limit)} GiB"
        available = min(available, limit)
    good = available >= LEAST_MEMORY
    found += "" if good else f"; scoring 1080p wants {LEAST_MEMORY // MIB} MiB"
    mend = "" if good else "end other programs, or give the container more (docker run --memory)"
    status = Status.OK if good else Status.WRONG
    return [*checks, Check("memory", "memory", status, found, mend, needs(CPU))]


def _meminfo(text: str, key: str) -> int | None:
    match = re.search(rf"^{key}:\s*(\d+) kB", text, re.MULTILINE)
    return int(match[1]) * 1024 if match else None


def _gib(size: int) -> str:
    return f"{size / 1024**3:.1f}"


def disk_check(folder: Path | None = None) -> Check:
    """Room in the temporary folder, and whether it can be written. folder: None takes the system's."""
    try:
        folder = folder or Path(tempfile.gettempdir())
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        found = f"{folder or 'no folder'}: cannot be written ({error.strerror})"
        return Check("temp", "temporary folder", Status.WRONG, found, "set TMPDIR to a folder that can be")
    good = free >= LEAST_DISK
    return Check(
        "temp",
        "temporary folder",
        Status.OK if good else Status.WRONG,
        f"{folder}: {_gib(free)} GiB free" + ("" if good else f"; expected {LEAST_DISK // MIB} MiB"),
        "" if good else "make room there, or set TMPDIR to another folder",
    )


def clock_check() -> Check:
    """The monotonic clock that times frames: its stated resolution and the smallest step seen."""
    info = time.get_clock_info("perf_counter")
    steps = []
    for _ in range(200):
        begin = end = time.perf_counter_ns()
        while end == begin:
            end = time.perf_counter_ns()
        steps.append(end - begin)
    seen = min(steps) / 1e9
    good = info.monotonic and max(seen, info.resolution) <= COARSEST_CLOCK_S
    return Check(
        "clock",
        "clock",
        Status.OK if good else Status.WRONG,
        f"{'' if info.monotonic else 'not '}monotonic, smallest step {seen * 1e9:.0f} ns",
        "" if good else "times of stages are not to be trusted; check /sys/devices/system/clocksource",
    )
