"""Label-budget curves: reading runs, pooling seeds, the picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from leaf_edge.cli.main import main
from leaf_edge.evaluation.budget_report import (
    BudgetRowsError,
    Run,
    curves,
    differences,
    mean_interval,
    read_runs,
)


def row(method: str, budget: float, seed: int, srcc: float, **more: object) -> dict[str, object]:
    return {"method": method, "budget": budget, "seed": seed, "srcc": srcc, **more}


ROWS = [
    row("joint", budget, seed, base + 0.01 * seed, plcc=base, labels=int(100 * budget))
    for budget, base in ((0, 0.70), (0.1, 0.76), (1, 0.80))
    for seed in range(5)
] + [row("alone", budget, seed, 0.5 + 0.02 * seed) for budget in (0.1, 1) for seed in range(3)]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)) + "\n\n")
    return path


def test_seeds_are_pooled_by_method_and_budget(rows: Path) -> None:
    found = curves(read_runs(rows))
    assert found.shares and found.methods == ["joint", "alone"]
    assert [(p.method, p.budget, p.seeds, p.labels) for p in found.points] == [
        *(("joint", 0, 5, 0), ("joint", 0.1, 5, 10), ("joint", 1, 5, 100)),
        *(("alone", 0.1, 3, None), ("alone", 1, 3, None)),
    ]
    ten = found.points[1]
    assert ten.srcc.value == pytest.approx(0.78) and ten.of_full == pytest.approx(0.78 / 0.82)
    assert ten.plcc is not None and found.points[3].plcc is None and found.points[2].of_full is None
    assert found.notes == (
        "the fewest seeds at a budget are 3; 5 or more are advised",
        "methods and budgets do not all have the same number of seeds",
    )


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=9))
def test_the_interval_is_students(values: list[float]) -> None:
    found = mean_interval(values)
    error = stats.sem(values)
    mean = float(np.mean(values))
    wanted = stats.t.interval(0.95, len(values) - 1, mean, error) if error > 0 else (mean, mean)
    assert (found.low, found.high) == pytest.approx(wanted, abs=1e-9)


def test_one_seed_has_no_interval() -> None:
    assert np.isnan(mean_interval([0.5]).low) and mean_interval([0.5]).value == 0.5


def test_differences_are_paired_by_seed(rows: Path) -> None:
    first, second = differences(read_runs(rows), "joint")
    assert (first.method, first.budget, first.seeds, second.budget) == ("alone", 0.1, 3, 1)
    each = [0.5 + 0.02 * s - (0.76 + 0.01 * s) for s in range(3)]
    assert first.srcc == pytest.approx(mean_interval(each))
    with pytest.raises(BudgetRowsError, match=r"no runs of 'else' .* joint, alone"):
        differences(read_runs(rows), "else")


def test_whole_numbers_above_one_are_numbers_of_labels() -> None:
    found = curves([Run("a", 0, 0, 0.5, None, None), Run("a", 500, 0, 0.6, None, None)])
    assert not found.shares and found.budget_words(500) == "500"
    with pytest.raises(BudgetRowsError, match=r"mix shares \(0.5\) and numbers"):
        curves([Run("a", 0.5, 0, 0.5, None, None), Run("a", 500, 0, 0.6, None, None)])


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("{", "line 2: not JSON"),
        ("[]", "line 2: expected an object"),
        (json.dumps(row("", 0, 0, 0.5)), "method is ''"),
        (json.dumps(row("a", -0.1, 0, 0.5)), "budget is -0.1; expected a number from 0"),
        (json.dumps(row("a", 0, 0.5, 0.5)), "seed is 0.5; expected a whole number"),
        (json.dumps(row("a", 0, True, 0.5)), "seed is True"),
        (
            '{"method": "a", "budget": 0, "seed": 0, "srcc": NaN}',
            "srcc is nan; expected a number",
        ),
        ('{"method": "a", "budget": 0, "seed": 0}', "srcc is None"),
        (json.dumps(row("a", 0, 0, 0.5, plcc="x")), "plcc is 'x'"),
        (json.dumps(row("joint", 0, 0, 0.7)), "line 2: the same method, budget and seed as line 1"),
    ],
)
def test_bad_rows_are_refused_with_their_line(line: str, match: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROWS[0]) + "\n" + line + "\n")
    with pytest.raises(BudgetRowsError, match=match):
        read_runs(path)


def test_the_command_prints_the_table_and_draws_the_picture(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import cv2

    pytest.importorskip("matplotlib", reason="needs matplotlib (leaf-edge[plot])")
    plot = tmp_path / "budget.png"
    assert main(["evaluate", "--budget", str(rows), "--plot", str(plot), "--against", "alone"]) == 0
    out = capsys.readouterr().out
    assert "0.7800" in out and "95.1%" in out and "less that of alone" in out
    picture = cv2.imread(str(plot))
    assert picture.shape[1] > 1000 and list(tmp_path.glob("*.part")) == []
    blue = np.abs(picture.astype(int) - [0xA8, 0x63, 0x25]).sum(axis=2) < 30  # the first line's colour, BGR
    assert blue.sum() > 300

    assert main(["evaluate", "--budget", str(rows), "--json"]) == 0
    points = json.loads(capsys.readouterr().out)["points"]
    assert points[1]["srcc"]["mean"] == pytest.approx(0.78) and points[1]["labels"] == 10


def test_a_plot_of_numbers_of_labels_without_plcc_or_zero_is_drawn_too(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib (leaf-edge[plot])")
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row("a", n, 0, 0.5)) for n in (50, 55, 500)))
    assert main(["evaluate", "--budget", str(path), "--plot", str(tmp_path / "a.svg")]) == 0
    drawn = (tmp_path / "a.svg").read_text()
    assert "<!-- human labels -->" in drawn and "<!-- SRCC -->" in drawn and "<!-- PLCC -->" not in drawn
    # 55 would run into 50, so it has no label of its own
    assert "<!-- 50 -->" in drawn and "<!-- 55 -->" not in drawn and "<!-- 500 -->" in drawn


@pytest.mark.parametrize(
    ("words", "status", "match"),
    [
        (["--budget", "absent.jsonl"], 4, "absent.jsonl not found"),
        (["leaf-s", "--budget", "x"], 2, "does not go with a model"),
        (["--budget", "x", "--csv", "y"], 2, "does not go with --csv"),
        (["--budget", "x", "--plot", "y.gif"], 2, "expected a name that ends in .png"),
        (["leaf-s", "--data", "x", "--plot", "y.png"], 2, "--plot belongs to --budget"),
        ([], 2, "no model to evaluate"),
    ],
)
def test_wrong_options_are_refused(
    words: list[str], status: int, match: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", *words]) == status
    assert match in capsys.readouterr().err
