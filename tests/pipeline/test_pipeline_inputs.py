"""Recipes and inputs that cannot be used, frames that come and go, and the command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from pipeline_world import Ran, changed_by, picture, ran, recipe_of

from leaf_edge.cli.exit_codes import ExitCode
from leaf_edge.cli.main import main
from leaf_edge.pipeline import labels as labelling
from leaf_edge.pipeline.context import PipelineError, alone
from leaf_edge.pipeline.recipe import PipelineRecipe
from leaf_edge.pipeline.run import run_pipeline
from leaf_edge.pipeline.stage import Done
from leaf_edge.recipes import RecipeError, load_recipe, parse
from leaf_edge.teacher import registry
from leaf_edge.teacher.interface import Failure, Picture
from leaf_edge.teacher.judgment import PairJudgment, PointJudgment
from leaf_edge.teacher.labelling import LabelOptions
from leaf_edge.teacher.store import LabelStore
from leaf_edge.teacher.work import Patience

pytestmark = pytest.mark.timeout(1200)  # seconds on a machine that is free, minutes on one that is not


def written(recipe: dict[str, Any], folder: Path) -> str:
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return str(path)


def run_first(recipe: dict[str, Any], root: Path, stages: int) -> list[Done]:
    return list(islice(run_pipeline(parse(recipe, PipelineRecipe), root), stages))


# What is wrong is said before anything is done


@pytest.mark.parametrize(
    ("changes", "message", "code"),
    [
        ({"colour": 1}, "unknown key 'colour'", ExitCode.USAGE),
        ({"distill.shedule": {}}, "distill has an unknown key 'shedule'", ExitCode.USAGE),
        ({"name": "My Camera"}, "expected lower case", ExitCode.USAGE),
        ({"frames": []}, "expected frames to label", ExitCode.USAGE),
        ({"frames": "frames/"}, "expected a list", ExitCode.USAGE),
        ({"frames": ["WORLD/nowhere"]}, "nowhere", ExitCode.INPUT),
        ({"frames": ["WORLD"]}, "holds the output folder", ExitCode.USAGE),
        ({"every": 0}, "every of 1 or more", ExitCode.USAGE),
        ({"teacher.kind": "oracle"}, "expected one of: transformers, openai", ExitCode.USAGE),
        ({"teacher.options.versions": 3}, "teacher: ", ExitCode.USAGE),
        ({"teacher.options.per_picture": 0}, "per_picture", ExitCode.USAGE),
        ({"teacher.pairs_per_picture": 1}, "expected 0, or 2 or more", ExitCode.USAGE),
        (
            {"teacher.points": False, "teacher.pairs_per_picture": 0},
            "neither points nor pairs",
            ExitCode.USAGE,
        ),
        ({"distill.size": "leaf-xl"}, "expected one of: leaf-m", ExitCode.USAGE),
        ({"distill.start.student": "gone.pt"}, "gone.pt", ExitCode.INPUT),
        ({"distill.labels.stores": ["a.sqlite"]}, "the pipeline's own", ExitCode.USAGE),
        ({"ratings": {"data": "WORLD/no.csv"}}, "no.csv", ExitCode.INPUT),
        ({"ratings": {"data": "RATED", "labels": 20}}, "20 ratings are too few", ExitCode.USAGE),
        ({"ratings": {"data": "RATED", "labels": 1000}}, "labels is 1000", ExitCode.USAGE),
        ({"ratings": {"data": "ONE"}}, "1 scenes only, which cannot be kept apart", ExitCode.USAGE),
        ({"evaluate.clean": "WORLD/nowhere"}, "expected a folder of clean pictures", ExitCode.USAGE),
        ({"evaluate.pictures": 0}, "expected 1 or more", ExitCode.USAGE),
        ({"export.budgets.speed": 1.0}, "export.budgets has 'speed'", ExitCode.USAGE),
        ({"export.budgets.flips": "few"}, "expected a number", ExitCode.USAGE),
        ({"export.calibration_frames": 3}, "expected 16 or more", ExitCode.USAGE),
        ({"export.coverage": 90}, "expected a share", ExitCode.USAGE),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_recipe_that_cannot_be_used_is_explained_before_anything_is_done(
    changes: dict[str, Any],
    message: str,
    code: ExitCode,
    world: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rated = world / "rated" / "ratings.csv"
    names = [line.split(",")[0] for line in rated.read_text().splitlines()[1:]]
    one = world / "rated" / "one.csv"
    one.write_text("file,mos,group\n" + "".join(f"{n},{1 + k % 4}.5,s\n" for k, n in enumerate(names)))
    text = json.dumps(changes)
    for word, path in (("WORLD", world), ("RATED", rated), ("ONE", one)):
        text = text.replace(word, str(path))
    output = world / "made-by-none" if "holds" in message else tmp_path / "out"
    recipe = changed_by(recipe_of(world / "frames", world / "start.pt"), json.loads(text))
    assert main(["pipeline", written(recipe, tmp_path), "--output", str(output)]) == code
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error and "unexpected" not in error
    assert [p.name for p in output.rglob("*")] in ([], [".lock"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "every"], "is not KEY=VALUE"),
        (["--set", "every=[1"], "the value is not YAML"),
        (["--threads", "0"], "--threads is 0"),
        (["--until", "lunch"], "invalid choice"),
    ],
)
def test_options_that_cannot_be_are_explained(
    words: list[str], message: str, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(recipe_of(world / "frames", world / "start.pt"), tmp_path)
    try:
        code = main(["pipeline", path, "--output", str(tmp_path / "out"), *words])
    except SystemExit as error:  # of argparse
        code = int(str(error.code))
    assert code == ExitCode.USAGE and message in capsys.readouterr().err


def test_yaml_keys_given_twice_are_refused_and_exponents_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("name: a\nframes: [x]\nteacher: {kind: reference}\nname: b\n")
    with pytest.raises(RecipeError, match="name twice"):
        load_recipe(path, PipelineRecipe)
    path.write_text("name: a\nframes: [x]\nteacher: {kind: reference}\ndistill: {schedule: {lr: 1e-4}}\n")
    assert load_recipe(path, PipelineRecipe).distill.schedule.lr == 1e-4
    with pytest.raises(RecipeError, match="expected a finite number"):
        load_recipe(path, PipelineRecipe, ["distill.terms.pair=.nan"])


def test_the_example_recipe_is_one() -> None:
    found = load_recipe(Path(__file__).parents[2] / "recipes" / "example.yaml", PipelineRecipe)
    assert found.teacher.kind == "reference" and found.distill.backbone == "frozen"


# The command


def test_a_refused_export_shows_the_table_and_leaves_no_bundle(
    unrated: Ran, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(unrated.root, tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "tiny.leaf")
    recipe = changed_by(unrated.recipe, {"export.budgets.mos_max": 0.0})
    words = ["pipeline", written(recipe, tmp_path), "--output", str(tmp_path / "out")]
    assert main(words) == ExitCode.REFUSED
    out, err = capsys.readouterr()
    assert "unchanged" in out and "largest change in MOS" in err and "mean dMOS" in out
    assert not list((tmp_path / "out").glob("*.leaf*"))
    (report,) = (tmp_path / "out").glob("export-*/refused.json")
    found = json.loads(report.read_text())
    assert found["failures"] and set(found["codes"]) == {"LEAF_E_EXPORT_MOS_MAX"}
    assert "refused: LEAF_E_EXPORT_MOS_MAX: cpu: largest change" in err
    picture = report.with_name("worst.png")
    assert f"worst frames in {picture}" in err and cv2.imread(str(picture)).shape[1] > 800
    assert all(Path(frame["name"]).is_file() for frame in found["worst"])


def test_frames_unlike_those_that_measure_are_refused_with_their_code_and_a_way_out(
    unrated: Ran, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(unrated.root, tmp_path / "out")
    recipe = changed_by(unrated.recipe, {"export.min_coverage": 1.0})
    words = ["pipeline", written(recipe, tmp_path), "--output", str(tmp_path / "out")]
    assert main(words) == ExitCode.REFUSED
    assert "refused: LEAF_E_CALIBRATION_COVERAGE: " in capsys.readouterr().err
    with pytest.raises(RecipeError, match="min_coverage is 2"):
        parse(changed_by(unrated.recipe, {"export.min_coverage": 2.0}), PipelineRecipe)


def test_the_command_prints_a_line_for_each_stage_and_stops_where_it_is_told(
    unrated: Ran, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(unrated.recipe, tmp_path)
    assert main(["pipeline", path, "--output", str(unrated.root)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["label", "distill", "calibrate", "evaluate", "export"]
    assert all("unchanged" in line for line in lines)
    assert "accepted: cpu on ONNX Runtime" in lines[-1] and "trt on " in lines[-1]
    assert main(["pipeline", path, "--output", str(unrated.root), "--until", "distill", "--json"]) == 0
    entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(e["stage"], e["skipped"]) for e in entries] == [("label", True), ("distill", True)]


def test_two_pipelines_do_not_share_a_folder(unrated: Ran, tmp_path: Path) -> None:
    with alone(tmp_path / "out"), pytest.raises(PipelineError, match="in use by another pipeline"):
        run_first(unrated.recipe, tmp_path / "out", 1)


def test_a_pipeline_is_not_started_by_torchrun(
    unrated: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RecipeError, match="without torchrun"):
        run_first(unrated.recipe, tmp_path / "out", 1)


# Frames that come and go


@pytest.fixture
def small(world: Path, tmp_path: Path) -> dict[str, Any]:
    """A recipe on frames of its own, of which labels and distillation take little."""
    shutil.copytree(world / "frames", tmp_path / "frames")
    recipe = recipe_of(tmp_path / "frames", world / "start.pt")
    return changed_by(recipe, {"teacher.options.per_picture": 4, "distill.schedule.epochs": 1})


def sources(done: Done) -> list[str]:
    with LabelStore(done.folder / done.result["store"]) as store:
        return sorted({Path(row.source).name for row in store.pictures()})


def test_frames_that_went_moved_or_changed_are_not_learnt_from(small: dict[str, Any], tmp_path: Path) -> None:
    frames, root = tmp_path / "frames", tmp_path / "out"
    (first,) = run_first(small, root, 1)
    assert first.result["pictures"] == 12 * 5 and len(sources(first)) == 12
    (frames / "00.png").unlink()
    (frames / "01.png").rename(frames / "moved.png")
    cv2.imwrite(str(frames / "02.png"), picture(77))
    label, distill = run_first(small, root, 2)
    assert ran([label, distill]) == ["label", "distill"]
    # 02.png has other pixels: its old label is not among them, its new one is
    assert label.result["pictures"] == 11 * 5 and label.result["points"] == 11 * 4
    assert sources(label) == sorted(p.name for p in frames.iterdir())
    # what went is known when it comes back
    cv2.imwrite(str(frames / "00.png"), picture(0))
    with LabelStore(label.folder / labelling.STORE) as store:
        before = {p.sha256: p.created for p in store.points()}
    (again,) = run_first(small, root, 1)
    assert again.result["points"] == 12 * 4
    with LabelStore(again.folder / labelling.STORE) as store:
        assert {p.sha256: p.created for p in store.points()} == before


def test_a_damaged_frame_is_named_and_left_out(
    small: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "frames" / "broken.png").write_bytes(b"not a picture")
    words = ["pipeline", written(small, tmp_path), "--output", str(tmp_path / "out"), "--until", "label"]
    for state in ("60 pictures", "unchanged"):  # it is told again when the stage is skipped
        assert main(words) == ExitCode.SKIPPED
        out, err = capsys.readouterr()
        assert state in out and "1 files not read" in out and "broken.png" in err


def test_frames_without_a_picture_end_the_pipeline(
    tmp_path: Path, world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    recipe = changed_by(recipe_of(tmp_path / "empty", world / "start.pt"), {"evaluate": {}})
    path = written(recipe, tmp_path)
    assert main(["pipeline", path, "--output", str(tmp_path / "out")]) == ExitCode.INPUT
    assert "holds no image" in capsys.readouterr().err


class DarkTeacher:
    """Judges by brightness; what is dark it refuses, or cannot judge while the file `away` exists."""

    name, version, batch = "test:dark", "1", 4

    def __init__(self, away: str) -> None:
        self._away = away

    @classmethod
    def from_options(cls, options: Mapping[str, object]) -> DarkTeacher:
        return cls(str(options.get("away", "")))

    def _failure(self, picture: Picture) -> Failure | None:
        if picture.rgb.mean() >= 20:
            return None
        if not self._away:
            return Failure("too dark to judge")
        return Failure("the server is away", transient=True) if Path(self._away).exists() else None

    def points(self, pictures: Sequence[Picture]) -> list[PointJudgment | Failure]:
        levels = [0.1, 0.2, 0.3, 0.3, 0.1]
        return [self._failure(p) or PointJudgment.of(np.array(levels)) for p in pictures]

    def pairs(self, pairs: Sequence[tuple[Picture, Picture]]) -> list[PairJudgment | Failure]:
        return [
            self._failure(a) or self._failure(b) or PairJudgment.of(*[float(a.rgb.mean() > b.rgb.mean())] * 2)
            for a, b in pairs
        ]

    def close(self) -> None:
        pass


@pytest.fixture
def dark(small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A recipe with that teacher, and two black frames."""
    monkeypatch.setitem(registry.KINDS, "openai", (__name__, "DarkTeacher"))
    monkeypatch.setattr(labelling, "LabelOptions", partial(LabelOptions, patience=Patience(wait_s=0.0)))
    for k in (1, 2):
        cv2.imwrite(str(tmp_path / "frames" / f"dark{k}.png"), np.full((64, 64 + k, 3), k, np.uint8))
    return changed_by(small, {"teacher": {"kind": "openai", "options": {}}})


def test_pictures_that_a_teacher_refuses_are_left_out(
    dark: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["pipeline", written(dark, tmp_path), "--output", str(tmp_path / "out"), "--until", "label"]
    assert main(words) == ExitCode.SKIPPED
    assert "too dark to judge" in capsys.readouterr().err


def test_a_server_that_is_away_stops_the_pipeline_until_it_is_back(
    dark: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "away").touch()
    recipe = changed_by(dark, {"teacher.options.away": str(tmp_path / "away")})
    words = ["pipeline", written(recipe, tmp_path), "--output", str(tmp_path / "out"), "--until", "label"]
    assert main(words) == ExitCode.INPUT
    assert "the server is away" in capsys.readouterr().err
    (tmp_path / "away").unlink()
    assert main([*words, "--json"]) == ExitCode.OK
    result = json.loads(capsys.readouterr().out)["result"]
    assert result["points"] == 14 and result["failed"] == 0


def test_the_command_starts_without_its_extra_being_imported(tmp_path: Path) -> None:
    code = (
        "import sys; from leaf_edge.cli.main import build_parser; build_parser('pipeline'); "
        "print('torch' in sys.modules)"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == "False", done.stderr
