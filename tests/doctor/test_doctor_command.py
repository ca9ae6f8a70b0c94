"""The verb on this machine, bundles given to it, and its exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from leaf_edge.bundle import shipped
from leaf_edge.cli.exit_codes import ExitCode
from leaf_edge.cli.main import main
from leaf_edge.doctor import Status, examine
from leaf_edge.doctor.bundles import bundle_check, bundle_checks
from leaf_edge.doctor.check import needs
from leaf_edge.runtime.preflight import Driver, NoDriver, probe_driver

NONE = NoDriver("libcuda.so.1 cannot be loaded")


def test_this_machine_can_score_and_the_doctor_says_so(capsys):
    assert main(["doctor", "--json"]) == ExitCode.OK
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] and not report["failures"]
    checks = {check["key"]: check for check in report["checks"]}
    assert {
        checks[k]["status"] for k in ("python", "core", "onnxruntime", "bundle:leaf-s", "bundle:leaf-m")
    } == {"ok"}
    assert all(check["status"] in set(Status) and check["found"] for check in report["checks"])
    assert all(check["mend"] for check in report["checks"] if check["status"] in ("missing", "wrong"))


def test_a_damaged_bundle_is_wrong_with_its_code_and_the_exit_status(tmp_path, capsys):
    bad = Path(shutil.copytree(shipped("leaf-s"), tmp_path / "bad.leaf"))
    data = bytearray((bad / "model.cpu.onnx").read_bytes())
    data[1000] ^= 1
    (bad / "model.cpu.onnx").write_bytes(data)
    assert main(["doctor", str(bad), str(shipped("leaf-m"))]) == ExitCode.REFUSED
    output = capsys.readouterr().out
    assert (
        "LEAF_E_BUNDLE_HASH" in output
        and "not possible here: the bundles that were given" in output.replace("\n", " ")
    )


def test_a_bundle_that_is_not_there_is_wrong(tmp_path):
    check = bundle_check(str(tmp_path / "no.leaf"), None)
    assert check.status is Status.WRONG and "NOT_FOUND" in check.found


def test_bundles_are_not_tried_where_nothing_can_run():
    checks = bundle_checks(["x.leaf"], None, "compiled core: does not load", NONE, ())
    assert len(checks) == 3 and {check.status for check in checks} == {Status.WRONG}
    assert all("does not load" in check.found for check in checks)
    assert checks[0].fails(needs("cpu")) and not checks[2].fails(needs("cpu"))


@pytest.mark.skipif(isinstance(probe_driver(), Driver), reason="this machine has a CUDA driver")
def test_tensorrt_without_a_driver_is_one_line_and_a_code_of_its_own(capsys):
    assert main(["doctor", "--need", "tensorrt"]) == ExitCode.DEVICE
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "no CUDA driver" in error


def test_a_need_that_is_not_met_is_refused_and_an_unknown_one_is_a_usage_error(capsys):
    report = examine(wanted=["jetson"], probe=lambda: NONE, tensorrt=tuple)
    if not Path("/etc/nv_tegra_release").exists():
        assert [check.key for check in report.failures] == ["jetson"] and not report.driver_lacks
    with pytest.raises(SystemExit) as stop:
        main(["doctor", "--need", "luck"])
    assert stop.value.code == ExitCode.USAGE
