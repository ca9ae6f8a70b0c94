"""Lines of the engines in a bundle, on machines that are tables: the bundle's engine is for an Orin."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from leaf_edge.bundle.keys import read_public_keys
from leaf_edge.doctor.bundles import bundle_checks
from leaf_edge.doctor.check import Status
from leaf_edge.runtime import engine_fit
from leaf_edge.runtime.preflight import Device, Driver, NoDriver, TensorRT

FIXTURES = Path(__file__).parents[1] / "bundle" / "fixtures"
BUNDLE = str(FIXTURES / "schema2.leaf")
KEYS = read_public_keys(FIXTURES / "fixtures.pub.pem")
ORIN = Driver((12, 6), (Device("Orin", (8, 7), 8 << 30),))
RTX = Driver((12, 6), (Device("RTX 4090", (8, 9), 24 << 30),))
NEW = (TensorRT("10.7.0", "full", 12),)


@pytest.fixture(autouse=True)
def on_an_arm_board(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_fit, "os_name", lambda: "linux-aarch64")


@pytest.mark.parametrize(
    ("driver", "packages", "code"),
    [
        (NoDriver("libcuda.so.1 is not there"), NEW, "LEAF_E_DEVICE_NO_DRIVER"),
        (ORIN, (), "LEAF_E_DEVICE_NO_TENSORRT"),
        (RTX, NEW, "LEAF_E_ENGINE_SM"),
        (ORIN, (TensorRT("10.2.0", "full", 12),), "LEAF_E_ENGINE_TRT_VERSION"),
        (ORIN, NEW, ""),
    ],
)
def test_an_engine_has_a_line_with_the_code_that_scoring_would_give(driver, packages, code) -> None:
    line = bundle_checks([BUNDLE], KEYS, None, driver, packages)[-1]
    assert line.key == f"engine:{BUNDLE}:engines/10.3.0-sm87-linux-aarch64.plan"
    assert line.status is (Status.NOT_APPLICABLE if code else Status.OK)
    assert (code or "fits this machine") in line.found
    assert bool(line.mend) == bool(code and not isinstance(driver, NoDriver))


def test_an_engine_of_another_system_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_fit, "os_name", lambda: "linux-x86_64")
    line = bundle_checks([BUNDLE], KEYS, None, ORIN, NEW)[-1]
    assert "LEAF_E_ENGINE_OS" in line.found and line.status is Status.NOT_APPLICABLE


def test_an_engine_that_holds_code_needs_the_makers_key(tmp_path: Path) -> None:
    copy = str(shutil.copytree(BUNDLE, tmp_path / "door.leaf"))
    line = bundle_checks([copy], None, None, ORIN, NEW)[-1]
    assert "LEAF_E_ENGINE_UNVERIFIED" in line.found and line.status is Status.NOT_APPLICABLE
    assert line.mend.startswith(f"leaf-edge doctor {copy} --key ")
