"""A pipeline from nothing to a bundle, what a second run does, and that a kill at any moment does no harm."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import pytest
from kill_server import MOMENTS
from pipeline_world import Ran, changed_by, hashes, picture, ran, run_all

import leaf_edge
from leaf_edge.frames import Frame
from leaf_edge.pipeline import bundle as exporting
from leaf_edge.pipeline.run import STAGES

ALL = list(STAGES)
pytestmark = pytest.mark.timeout(1200)  # seconds on a machine that is free, minutes on one that is not


@pytest.mark.parametrize("which", ["rated", "unrated"])
def test_a_pipeline_makes_a_bundle_that_scores(which: str, request: pytest.FixtureRequest) -> None:
    done: Ran = request.getfixturevalue(which)
    assert ran(done.stages) == ALL
    label, distill, calibrate, evaluate, _ = (d.result for d in done.stages)
    assert label["points"] == 12 * 16 and label["pairs"] > 100 and not label["failed"]
    assert distill["held_out_pictures"] >= 40
    assert calibrate["human"] == (which == "rated")
    assert evaluate["agreement"]["pictures"] >= 10 and set(evaluate["falling"].values()) <= {
        k / 5 for k in range(6)
    }
    score = leaf_edge.load(done.root / "tiny.leaf").score(Frame.from_array(picture(0)))
    assert 1 <= score.mos_lo <= score.mos <= score.mos_hi <= 5
    manifest = json.loads((done.root / "tiny.leaf" / "manifest.json").read_text())
    told = " ".join(manifest["training"]["data"])
    assert ("no rating by people" in told) == (which == "unrated")
    assert ("30 ratings by people" in told) == (which == "rated")
    assert not list(done.root.rglob("*.part"))


@pytest.mark.parametrize("which", ["rated", "unrated"])
def test_a_second_run_skips_every_stage(which: str, request: pytest.FixtureRequest) -> None:
    done: Ran = request.getfixturevalue(which)
    again = run_all(done.recipe, done.root)
    assert ran(again) == []
    assert [d.result for d in again] == [d.result for d in done.stages]


def test_a_folder_that_was_moved_is_complete_there(unrated: Ran, tmp_path: Path) -> None:
    shutil.copytree(unrated.root, tmp_path / "moved")
    assert ran(run_all(unrated.recipe, tmp_path / "moved")) == []


@pytest.fixture
def quick_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which stages run is asked of a dozen changes; the bundle itself is that of the fixture's run."""

    def build(student: Any, folder: Path, **given: Any) -> tuple[None, Any]:
        source = next(p for p in folder.parent.glob("*.leaf"))
        if folder != source:
            shutil.copytree(source, folder)

        class Report:
            engines: Mapping[str, str] = {}

            def to_dict(self) -> dict[str, Any]:
                return {}

        return None, Report()

    monkeypatch.setattr(exporting, "build_bundle", build)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"teacher.options.per_picture": 14}, ALL),
        ({"distill.schedule.epochs": 1}, ALL[1:]),
        ({"calibrate.strategies": ["head"]}, ALL[2:]),
        # the curve alone changes, and an export fits its own
        ({"calibrate.strategies": ["map"], "calibrate.coverage": 0.8}, ["calibrate"]),
        ({"evaluate.pictures": 2}, ["evaluate"]),
        ({"export.version": "1.0.1"}, ["export"]),
        ({"export.budgets.flips": 0.9}, ["export"]),
        ({"name": "other"}, ["export"]),
        ({"ratings.labels": 58}, ["calibrate", "evaluate", "export"]),
    ],
    ids=lambda value: " ".join(map(str, value)) or "nothing",
)
def test_a_changed_recipe_runs_what_depends_on_it(
    changes: dict[str, Any], expected: list[str], rated: Ran, tmp_path: Path, quick_export: None
) -> None:
    shutil.copytree(rated.root, tmp_path / "out")
    recipe = changed_by(rated.recipe, changes)
    assert ran(run_all(recipe, tmp_path / "out")) == expected
    # what was made for the recipe before is there still
    before = run_all(rated.recipe, tmp_path / "out")
    assert set(ran(before)) <= {"export"}


def test_a_new_frame_is_labelled_beside_the_others(rated: Ran, tmp_path: Path, quick_export: None) -> None:
    shutil.copytree(rated.root, tmp_path / "out")
    new = Path(rated.recipe["frames"][0]) / "new.png"
    cv2.imwrite(str(new), picture(50))
    try:
        label, *others = run_all(rated.recipe, tmp_path / "out")
        assert ran([label, *others]) == ALL
        assert label.folder.name == rated.stages[0].folder.name and label.result["points"] == 13 * 16
        (new.parent / "notes.txt").write_text("no frame")
        assert ran(run_all(rated.recipe, tmp_path / "out")) == []
    finally:
        new.unlink()
        (new.parent / "notes.txt").unlink(missing_ok=True)


@pytest.mark.parametrize("side", ["tune", "fit", "check"])
def test_a_changed_rating_runs_what_it_serves(
    side: str, rated: Ran, tmp_path: Path, quick_export: None
) -> None:
    from leaf_edge.pipeline.ratings import human_ratings
    from leaf_edge.pipeline.recipe import RatingsSection

    shutil.copytree(rated.root, tmp_path / "out")
    table = Path(rated.recipe["ratings"]["data"])
    before = table.read_text()
    (changed, *_) = getattr(human_ratings(RatingsSection(table)), side)
    lines = before.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith(changed.path.name + ","))
    lines[at] = f"{changed.path.name},2.22,{changed.group}"
    table.write_text("\n".join(lines) + "\n")
    try:
        expected = {"tune": ALL[2:], "fit": ["export"], "check": ALL[2:]}[side]
        assert ran(run_all(rated.recipe, tmp_path / "out")) == expected
    finally:
        table.write_text(before)


@pytest.mark.parametrize("damage", ["removed", "model changed", "card removed"])
def test_a_bundle_that_is_not_whole_is_exported_again(
    damage: str, rated: Ran, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    shutil.copytree(rated.root, tmp_path / "out")
    bundle = tmp_path / "out" / "tiny.leaf"
    if damage == "removed":
        shutil.rmtree(bundle)
    elif damage == "model changed":
        (bundle / "model.cpu.onnx").write_bytes(b"not the model")
    else:
        (bundle / "card.md").unlink()
    if damage != "removed":
        # once with the real export; for the others it is enough that it is asked for
        called: list[Path] = []

        def build(student: Any, folder: Path, **given: Any) -> None:
            called.append(folder)
            raise InterruptedError

        request.getfixturevalue("monkeypatch").setattr(exporting, "build_bundle", build)
        with pytest.raises(InterruptedError):
            run_all(rated.recipe, tmp_path / "out")
        assert called == [bundle]
        return
    assert ran(run_all(rated.recipe, tmp_path / "out")) == ["export"]
    assert hashes(bundle) == hashes(rated.root / "tiny.leaf")


@pytest.mark.timeout(3600)  # a dozen processes, one after another
def test_a_pipeline_that_is_killed_again_and_again_ends_like_one_that_was_not(
    unrated: Ran, tmp_path: Path
) -> None:
    (tmp_path / "recipe.json").write_text(json.dumps(unrated.recipe))
    here = Path(__file__).parent
    words = [sys.executable, str(here / "kill_server.py"), "recipe.json", "out", "600"]
    done = subprocess.run(
        words,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=3600,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(here)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout) == [[moment, signal.SIGKILL] for moment in MOMENTS]
    assert hashes(tmp_path / "out" / "tiny.leaf") == hashes(unrated.root / "tiny.leaf")
    for name in ("labels.sqlite", "best.pt", "student.pt", "calibration.json", "report.json"):
        whole, parts = (sorted(root.glob(f"*-*/{name}")) for root in (unrated.root, tmp_path / "out"))
        assert [p.parent.name for p in whole] == [p.parent.name for p in parts], name
    # and to go on from there there is nothing
    assert ran(run_all(unrated.recipe, tmp_path / "out")) == []
