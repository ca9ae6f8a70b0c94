"""Processor, limits, GPU, Jetson, GStreamer, from files and tools that are given."""

from __future__ import annotations

import pytest
from doctor_inputs import by_key, host, tool, write

from leaf_edge.doctor.check import Status, needs
from leaf_edge.doctor.gstreamer import gstreamer_checks
from leaf_edge.doctor.hardware import cgroup_limits, clock_check, cpu_checks, disk_check, resource_checks
from leaf_edge.doctor.host import signal_name
from leaf_edge.doctor.jetson import jetson_checks
from leaf_edge.doctor.nvidia import nvidia_checks
from leaf_edge.doctor.software import Core
from leaf_edge.doctor.versions import by_extra
from leaf_edge.runtime.preflight import Device, Driver, NoDriver, TensorRT

X86 = "processor: 0\nmodel name: Some CPU\nflags: fpu sse2 {}\n"
ALL512 = "avx2 avx512f avx512bw avx512vl avx512dq avx512_vnni avx512vbmi avx512ifma"
PINS = by_extra(
    ["onnxruntime==1.32.0", "tensorrt<12,>=10.3; extra == 'tensorrt'", "pycuda>=2025.1; extra == 'tensorrt'"]
)
ORIN = Driver((12, 6), (Device("Orin", (8, 7), 8 << 30),))
NONE = NoDriver("libcuda.so.1 cannot be loaded (no such file)")


@pytest.mark.parametrize(
    ("flags", "machine", "chosen", "status"),
    [
        (ALL512, "x86_64", "avx512", Status.OK),
        (ALL512, "x86_64", "avx2", Status.WRONG),
        ("avx2 avx512f", "x86_64", "avx2", Status.OK),
        ("avx2", "x86_64", "scalar", Status.WRONG),
        ("sse4_2", "x86_64", "scalar", Status.OK),
        ("asimd asimddp", "aarch64", "neon", Status.OK),
    ],
)
def test_kernels_are_right_where_they_are_the_best_of_this_processor(
    tmp_path, flags, machine, chosen, status
):
    write(tmp_path / "root", "/proc/cpuinfo", X86.format(flags))
    checks = by_key(cpu_checks(host(tmp_path, machine=machine), Core((chosen,), chosen)))
    assert checks["kernels"].status is status and chosen in checks["kernels"].found
    assert bool(checks["kernels"].mend) == (status is Status.WRONG)


def test_a_processor_without_vnni_is_told_of(tmp_path):
    write(tmp_path / "root", "/proc/cpuinfo", X86.format("avx2"))
    assert "no VNNI" in cpu_checks(host(tmp_path, machine="x86_64"), Core(("avx2",), "avx2"))[0].found


@pytest.mark.parametrize(
    "files",
    [
        {
            "/proc/self/cgroup": "0::/box/inner",
            "/sys/fs/cgroup/box/cpu.max": "150000 100000",
            "/sys/fs/cgroup/box/inner/cpu.max": "max 100000",
            "/sys/fs/cgroup/box/inner/memory.max": "1073741824",
        },
        {
            "/proc/self/cgroup": "5:memory:/a\n1:cpu,cpuacct:/a\n0::/",
            "/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "150000",
            "/sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000",
            "/sys/fs/cgroup/memory/a/memory.limit_in_bytes": "1073741824",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
        },
    ],
    ids=["version 2", "version 1"],
)
def test_limits_of_control_groups_are_read_from_both_versions(tmp_path, files):
    for name, text in files.items():
        write(tmp_path / "root", name, text)
    assert cgroup_limits(host(tmp_path)) == (1.5, 1 << 30)


def test_too_little_memory_is_wrong_and_a_tight_control_group_is_told_of(tmp_path):
    write(tmp_path / "root", "/proc/meminfo", "MemTotal: 8000000 kB\nMemAvailable: 4000000 kB\n")
    write(tmp_path / "root", "/proc/self/cgroup", "0::/")
    write(tmp_path / "root", "/sys/fs/cgroup/memory.max", str(100 << 20))
    write(tmp_path / "root", "/sys/fs/cgroup/cpu.max", "100000 100000")
    checks = by_key(resource_checks(host(tmp_path), usable=4))
    assert checks["memory"].status is Status.WRONG and checks["memory"].fails(needs("cpu"))
    assert "--threads at 1" in checks["cores"].mend


def test_a_temporary_folder_that_is_not_there_is_wrong_and_this_clock_is_fine(tmp_path):
    assert disk_check(tmp_path / "nowhere").status is Status.WRONG
    assert disk_check(tmp_path).status is Status.OK and clock_check().status is Status.OK


def nvidia(tmp_path, driver, packages=(), providers=("CPUExecutionProvider",), **fields):
    found = {"installed": lambda name: None, **fields}
    checks = nvidia_checks(host(tmp_path, **found), PINS, providers, lambda: driver, lambda: tuple(packages))
    return by_key(checks)


def test_without_nvidia_hardware_nothing_of_it_is_missing(tmp_path):
    checks = nvidia(tmp_path, NONE)
    assert checks["driver"].status is Status.NOT_APPLICABLE and checks["driver"].fails(needs("tensorrt"))
    gone = [checks[k].status for k in ("tensorrt-full", "tensorrt-lean", "pycuda", "onnxruntime-cuda")]
    assert set(gone) == {Status.NOT_APPLICABLE}


def test_a_device_without_driver_is_a_missing_driver(tmp_path):
    write(tmp_path / "root", "/sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de\n")
    checks = nvidia(tmp_path, NONE)
    assert checks["driver"].status is Status.MISSING and checks["driver"].mend
    assert checks["tensorrt-full"].status is Status.MISSING


@pytest.mark.parametrize(
    "reason", ["the CUDA driver crashed when it was asked (signal 11)", "cuInit failed with 999"]
)
def test_a_driver_that_is_there_and_fails_is_wrong(tmp_path, reason):
    check = nvidia(tmp_path, NoDriver(reason))["driver"]
    assert check.status is Status.WRONG and reason in check.found


def test_a_complete_machine_is_ok(tmp_path):
    tool(tmp_path / "bin", "nvcc", "echo 'Cuda compilation tools, release 12.6, V12.6.68'")
    site = tmp_path / "site"
    write(site, "pycuda/__init__.py", "")
    write(site, "pycuda/driver.py", "")
    checks = nvidia(
        tmp_path,
        ORIN,
        [TensorRT("10.3.0", "full")],
        ("CUDAExecutionProvider", "CPUExecutionProvider"),
        python_path=site,
        installed=lambda name: {"pycuda": "2025.1"}.get(name),
    )
    assert {
        check.status for key, check in checks.items() if key not in ("tensorrt-lean", "tensorrt-dispatch")
    } == {Status.OK}
    assert "sm87" in checks["driver"].found and "12.6.68" in checks["nvcc"].found


def test_tensorrt_of_another_version_or_for_a_newer_driver_is_wrong(tmp_path):
    assert nvidia(tmp_path, ORIN, [TensorRT("8.6.1", "full")])["tensorrt-full"].status is Status.WRONG
    check = nvidia(tmp_path, ORIN, [TensorRT("11.4.0", "lean", 13)])["tensorrt-lean"]
    assert check.status is Status.WRONG and "CUDA 13" in check.found


def test_the_lean_runtime_serves_for_scoring_but_not_for_building(tmp_path):
    full = nvidia(tmp_path, ORIN, [TensorRT("10.16.1", "lean", 12)])["tensorrt-full"]
    assert full.fails(needs("build-engine")) and not full.fails(needs("tensorrt"))


def test_libraries_without_their_python_package_are_found(tmp_path):
    write(tmp_path / "root", "/usr/lib/aarch64-linux-gnu/libnvinfer.so.10", "")
    check = nvidia(tmp_path, ORIN, machine="aarch64")["tensorrt-full"]
    assert check.status is Status.MISSING and "/usr/lib/aarch64-linux-gnu" in check.found
    assert "python3-libnvinfer" in check.mend


def test_a_toolkit_that_is_not_on_path_or_broken_is_wrong(tmp_path):
    write(tmp_path / "root", "/usr/local/cuda/bin/nvcc", "")
    assert nvidia(tmp_path, NONE)["nvcc"].status is Status.WRONG
    tool(tmp_path / "bin", "nvcc", "echo first >&2; echo 'libfoo.so is missing' >&2; exit 3")
    check = nvidia(tmp_path, NONE)["nvcc"]
    assert check.status is Status.WRONG and check.found.endswith("libfoo.so is missing")


def jetson(tmp_path, **fields):
    write(
        tmp_path / "root",
        "/etc/nv_tegra_release",
        "# R36 (release), REVISION: 4.3, GCID: 1, BOARD: generic\n",
    )
    return by_key(jetson_checks(host(tmp_path, **fields)))


def test_a_jetson_states_its_release_jetpack_power_mode_and_clocks(tmp_path):
    tool(tmp_path / "bin", "dpkg-query", "printf 'install ok installed 6.2+b77'")
    tool(tmp_path / "bin", "nvpmodel", "echo 'NV Power Mode: 15W'; echo 0")
    folder = "/sys/devices/system/cpu/cpu0/cpufreq"
    write(tmp_path / "root", f"{folder}/scaling_min_freq", "729600")
    write(tmp_path / "root", f"{folder}/scaling_max_freq", "1510400")
    checks = jetson(tmp_path)
    assert {check.status for check in checks.values()} == {Status.OK}
    assert "36.4.3" in checks["jetson"].found and checks["jetpack"].found == "6.2+b77"
    assert checks["power"].found == "15W" and "nvpmodel -m 0" in checks["power"].mend
    assert "jetson_clocks" in checks["clocks"].mend


def test_a_jetson_whose_tools_are_absent_or_fail_is_still_reported(tmp_path):
    tool(tmp_path / "bin", "nvpmodel", "exit 1")
    checks = jetson(tmp_path)
    assert checks["power"].status is Status.WRONG and checks["power"].found == "status 1"
    assert checks["jetpack"].status is Status.WRONG


def test_a_machine_that_is_no_jetson_says_so_and_fails_where_one_is_needed(tmp_path):
    (check,) = jetson_checks(host(tmp_path))
    assert check.status is Status.NOT_APPLICABLE and check.fails(needs("jetson"))


def test_gstreamer_is_found_by_its_tool_and_the_plugin_is_not_there_yet(tmp_path):
    assert gstreamer_checks(host(tmp_path))[0].status is Status.MISSING
    tool(
        tmp_path / "bin", "gst-inspect-1.0", "echo 'gst-inspect-1.0 version 1.22.0'; echo 'GStreamer 1.22.0'"
    )
    found, plugin = gstreamer_checks(host(tmp_path))
    assert found.status is Status.OK and "1.22.0" in found.found
    assert plugin.status is Status.NOT_APPLICABLE


def test_a_command_that_hangs_is_ended_and_one_that_crashes_is_named(tmp_path):
    tool(tmp_path / "bin", "slow", "exec /bin/sleep 30")
    tool(tmp_path / "bin", "crash", "kill -SEGV $$")
    machine = host(tmp_path)
    assert "no answer within 0.2 s" in str(machine.run([machine.which("slow") or ""], 0.2).error)
    assert "SIGSEGV" in str(machine.run([machine.which("crash") or ""]).error)
    assert "does not run" in str(machine.run([str(tmp_path / "absent")]).error)
    assert "does not have" in signal_name(4) and signal_name(200) == "signal 200"
