"""The preflight: drivers that work or do not, and engines compared with the machine."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from driver_stub import WORKING, build_driver, with_init
from hypothesis import given
from hypothesis import strategies as st

from leaf_edge.bundle.errors import BundleCode
from leaf_edge.bundle.manifest import EngineEntry
from leaf_edge.runtime.engine_fit import Fit, Misfit, dla_core, find_fit, reaches
from leaf_edge.runtime.preflight import (
    Device,
    Driver,
    NoDriver,
    NoTensorRT,
    TensorRT,
    driver_too_old,
    installed_tensorrt,
    os_name,
    probe_driver,
    tensorrt_available,
    version_numbers,
)

ORIN = Device("Orin", (8, 7), 8 << 30)
DRIVER = Driver((12, 6), (ORIN,))
JETPACK = TensorRT("10.3.0.26", "full", 12)
LINUX = "linux-aarch64"


def entry(
    tensorrt: str = "10.3.0", sm: str = "sm87", os: str = LINUX, *flags: str, name: str = "a"
) -> EngineEntry:
    return EngineEntry(f"engines/{name}.plan", tensorrt, sm, os, flags)


def fit(*entries: EngineEntry, packages: tuple[TensorRT, ...] = (JETPACK,)) -> Fit | Misfit:
    return find_fit(entries, DRIVER, packages, system=LINUX)


def test_a_working_driver_is_described(tmp_path: Path) -> None:
    found = probe_driver(str(build_driver(tmp_path, WORKING)))
    orin, other = Device("Orin", (8, 7), 7 << 32), Device("Blackwell", (12, 0), 8 << 32)
    assert found == Driver((12, 6), (orin, other))
    assert (orin.sm, other.sm) == ("sm87", "sm120")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (with_init("return 100;"), "cuInit failed with CUDA_ERROR_NO_DEVICE (100)"),
        (with_init("return 999;"), "cuInit failed with error 999"),
        (with_init("abort();"), "crashed (signal 6)"),
        (with_init("*(volatile int *)0 = 1; return 0;"), "crashed (signal 11)"),
        (with_init("_exit(3);"), "ended the process that asked it (status 3)"),
        (with_init("sleep(60); return 0;"), "gave no answer within 1 s"),
        (WORKING.replace("*count = 2", "*count = 0"), "has no device"),
        (WORKING.replace("cuDeviceGetCount", "cuDeviceGetNothing"), "has no cuDeviceGetCount"),
        ("int nothing;", "has no cuInit"),
    ],
)
def test_a_broken_driver_is_reported_and_harms_nobody(tmp_path: Path, source: str, reason: str) -> None:
    library = str(build_driver(tmp_path, source))
    start = time.monotonic()
    found = probe_driver(library, timeout_s=1.0 if "sleep" in source else 20.0)
    assert isinstance(found, NoDriver)
    assert reason in found.reason
    assert "\n" not in found.reason
    assert time.monotonic() - start < 20.0


def test_a_driver_that_prints_is_understood(tmp_path: Path) -> None:
    noisy = with_init('puts("leaf-edge-driver?"); puts("{}"); fflush(stdout); return 0;')
    assert isinstance(probe_driver(str(build_driver(tmp_path, noisy))), Driver)


def test_a_missing_library_and_one_that_is_none_are_reported(tmp_path: Path) -> None:
    text = tmp_path / "libcuda.so.1"
    text.write_text("no library")
    for path in (text, tmp_path / "absent.so"):
        found = probe_driver(str(path))
        assert isinstance(found, NoDriver)
        assert f"{path} cannot be loaded" in found.reason


def test_the_driver_is_asked_once_unless_told_to_ask_again(tmp_path: Path) -> None:
    library = build_driver(tmp_path, WORKING)
    first = probe_driver(str(library))
    library.unlink()
    assert probe_driver(str(library)) is first
    assert isinstance(probe_driver(str(library), refresh=True), NoDriver)


def test_without_an_interpreter_the_driver_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "")
    found = probe_driver(refresh=True)
    monkeypatch.undo()
    probe_driver(refresh=True)
    assert isinstance(found, NoDriver) and "interpreter" in found.reason


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package `tensorrt` that tells when it is imported."""
    folder = tmp_path / "site" / "tensorrt"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text('raise OSError("imported")\n__version__ = "10.3.0.26"\n')
    monkeypatch.syspath_prepend(folder.parent)
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    return folder


def test_tensorrt_is_found_without_importing_it(package: Path) -> None:
    assert TensorRT("10.3.0.26", "full") in installed_tensorrt()


def test_without_a_driver_tensorrt_is_not_imported(package: Path) -> None:
    assert tensorrt_available(NoDriver("none here")) == NoTensorRT("none here")
    assert "tensorrt" not in sys.modules


def test_tensorrt_that_does_not_import_is_named(package: Path) -> None:
    found = tensorrt_available(DRIVER)
    assert isinstance(found, NoTensorRT)
    assert "tensorrt 10.3.0.26 cannot be imported (imported)" in found.reason


def test_a_driver_for_an_older_cuda_is_refused_before_any_import() -> None:
    newer = TensorRT("11.4.0", "full", 13)
    reason = driver_too_old(newer, DRIVER)
    assert reason is not None and "CUDA 13" in reason and "12.6" in reason
    found = fit(entry("11.4.0"), packages=(newer,))
    assert isinstance(found, Misfit) and found.code is BundleCode.DEVICE_NO_TENSORRT
    assert driver_too_old(TensorRT("10.3.0", "full"), DRIVER) is None


@pytest.mark.parametrize(
    ("engine", "code", "text"),
    [
        (entry(), None, ""),
        (entry("10.3.0.99"), None, ""),
        (entry("10.3.1"), BundleCode.ENGINE_TRT_VERSION, "needs TensorRT 10.3.1"),
        (entry("10.16.1"), BundleCode.ENGINE_TRT_VERSION, "10.3.0.26"),
        (entry("10.2.0"), BundleCode.ENGINE_TRT_VERSION, "needs TensorRT 10.2.0"),
        (entry("10.2.0", "sm87", LINUX, "version_compatible"), None, ""),
        (entry("10.4.0", "sm87", LINUX, "version_compatible"), BundleCode.ENGINE_TRT_VERSION, "or a later"),
        (entry(sm="sm86"), BundleCode.ENGINE_SM, "sm86"),
        (entry("10.3.0", "sm80", LINUX, "ampere_plus"), None, ""),
        (entry(os="linux-x86_64"), BundleCode.ENGINE_OS, "linux-x86_64"),
        (entry(os="win32-x86_64"), BundleCode.ENGINE_OS, LINUX),
    ],
)
def test_an_engine_is_compared_with_the_machine(
    engine: EngineEntry, code: BundleCode | None, text: str
) -> None:
    found = fit(engine)
    if code is None:
        assert found == Fit(engine, JETPACK)
    else:
        assert isinstance(found, Misfit)
        assert found.code is code
        assert engine.file in found.text and text in found.text


def test_ampere_plus_does_not_reach_turing() -> None:
    turing = Driver((12, 6), (Device("T4", (7, 5), 1),))
    wide = entry("10.3.0", "sm80", LINUX, "ampere_plus")
    found = find_fit([wide], turing, [JETPACK], system=LINUX)
    assert isinstance(found, Misfit) and found.code is BundleCode.ENGINE_SM


def test_the_exact_engine_is_preferred_and_the_furthest_reason_told() -> None:
    exact = entry(name="z")
    wide = entry("10.3.0", "sm80", LINUX, "ampere_plus", name="a")
    portable = entry("10.3.0", "sm87", LINUX, "version_compatible", name="b")
    dla = entry("10.3.0", "sm87", LINUX, "dla=0", name="c")
    assert fit(portable, wide, dla, exact) == Fit(exact, JETPACK)
    assert dla_core(dla) == 0 and dla_core(exact) is None
    found = fit(entry(os="win32-x86_64"), entry("10.9.0", name="v"), entry(sm="sm90"))
    assert isinstance(found, Misfit) and found.code is BundleCode.ENGINE_TRT_VERSION


@pytest.mark.parametrize(
    ("kind", "version", "flags", "fits"),
    [
        ("lean", "10.3.0", (), False),
        ("lean", "10.3.0", ("version_compatible",), True),
        ("lean", "10.4.0", ("version_compatible",), False),
        ("dispatch", "10.4.0", ("version_compatible",), True),
        ("dispatch", "10.3.0", (), False),
        ("full", "11.4.0", ("version_compatible",), True),
        ("full", "12.0.0", ("version_compatible",), False),
    ],
)
def test_each_kind_of_runtime_takes_its_own_plans(
    kind: str, version: str, flags: tuple[str, ...], fits: bool
) -> None:
    package = TensorRT(version, kind, 12)  # type: ignore[arg-type]
    found = fit(entry("10.3.0", "sm87", LINUX, *flags), packages=(package,))
    assert isinstance(found, Fit) == fits


def test_a_machine_without_driver_device_package_or_engine_says_which() -> None:
    codes = [
        find_fit([entry()], NoDriver("why"), [JETPACK]),
        find_fit([entry()], DRIVER, [JETPACK], device=1),
        find_fit([entry()], DRIVER, []),
        find_fit([], DRIVER, [JETPACK]),
    ]
    assert [found.code for found in codes if isinstance(found, Misfit)] == [
        BundleCode.DEVICE_NO_DRIVER,
        BundleCode.DEVICE_NO_DRIVER,
        BundleCode.DEVICE_NO_TENSORRT,
        BundleCode.ENGINE_NONE,
    ]


VERSIONS = st.tuples(st.integers(8, 13), st.integers(0, 20), st.integers(0, 9))


@given(VERSIONS, VERSIONS)
def test_a_plan_never_runs_on_an_older_version_nor_beyond_the_next_major(
    built: tuple[int, int, int], runs: tuple[int, int, int]
) -> None:
    if reaches(built, runs):
        assert runs >= built
        assert runs[0] == built[0] or (built[0], runs[0]) == (10, 11)


@given(st.builds(entry, st.sampled_from(["10.3.0", "10.4.0"]), st.sampled_from(["sm87", "sm80", "sm120"])))
def test_without_flags_only_the_same_version_and_capability_fit(engine: EngineEntry) -> None:
    assert isinstance(fit(engine), Fit) == (engine.tensorrt == "10.3.0" and engine.sm == "sm87")


@pytest.mark.parametrize("text", ["", "ten", "10", "10.x.1", "-1.2.3", "99999.1.1"])
def test_text_that_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected one as"):
        version_numbers(text)


def test_versions_and_system_are_read() -> None:
    assert version_numbers("10.16.1.11") == (10, 16, 1)
    assert version_numbers("11.4") == (11, 4, 0)
    assert os_name() == os_name().lower() and "-" in os_name()
