"""`leaf-edge demo` with the shipped model: the whole way from photographs to verdicts."""

import csv
import json

import pytest

from leaf_edge.cli.exit_codes import ExitCode
from leaf_edge.cli.main import main
from leaf_edge.demo.clip import stretches
from leaf_edge.demo.findings import find, read_results

pytest.importorskip("skimage", reason="needs the extra demo")
pytest.importorskip("sklearn", reason="needs the extra demo")
pytest.importorskip("matplotlib", reason="needs the extra demo")


@pytest.mark.slow
def test_the_demo_finds_the_stretches(tmp_path, capsys):
    from leaf_edge.bundle import BundleError, locate

    try:
        locate("leaf-s")
    except BundleError:
        pytest.skip("no leaf-s in leaf_edge/models yet")
    folder = tmp_path / "demo"
    status = main(["demo", "--folder", str(folder)])
    out = capsys.readouterr().out
    assert status == ExitCode.OK, out
    assert "stretches found" in out

    findings = find(read_results(folder / "decisions.jsonl"), stretches())
    assert sum(finding.found for finding in findings) >= 4
    with (folder / "scores.csv").open(newline="") as table:
        assert len(list(csv.DictReader(table))) == json.loads((folder / "demo.json").read_text())["frames"]
    assert (folder / "scores.png").read_bytes().startswith(b"\x89PNG")
    assert list((folder / "kept").glob("*.jpg"))
    assert not list(folder.rglob("*.part*"))


def test_a_model_that_is_not_there_ends_the_demo(tmp_path, capsys):
    """Before the clip is made, and with the bundle's exit code."""
    assert main(["demo", "--folder", str(tmp_path / "demo"), "--model", "no-such"]) == ExitCode.BUNDLE
    assert "no-such" in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()
