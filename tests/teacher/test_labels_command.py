"""`leaf-edge labels`: figures that can be worked out by hand, and stores that travel."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from store_inputs import dump, sha

from leaf_edge.cli.exit_codes import ExitCode
from leaf_edge.cli.main import main
from leaf_edge.teacher.cycles import cycles
from leaf_edge.teacher.interface import Failure
from leaf_edge.teacher.judgment import PairJudgment, PointJudgment
from leaf_edge.teacher.label_stats import rate_per_hour
from leaf_edge.teacher.reliability_bins import rank_correlation
from leaf_edge.teacher.store import LabelStore, PictureRow

KEYS = sorted(sha(number) for number in range(6))


def level(mos: float, reliability: float) -> PointJudgment:
    """All its weight on the two levels beside `mos`."""
    weights = np.clip(1 - np.abs(np.array([5, 4, 3, 2, 1]) - mos), 0, 1)
    return PointJudgment(tuple(map(float, weights)), reliability)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Six pictures; points of five; a cycle of three and, apart, one pair with both orders at odds."""
    path = tmp_path / "labels.sqlite"
    with LabelStore(path) as opened:
        opened.add_pictures(PictureRow(key, f"photos/{number}.png") for number, key in enumerate(KEYS))
        opened.put_points("t", "1", [(KEYS[n], level(5 - n, (n + 1) / 10)) for n in range(5)])
        a, b, c, d, e, _ = KEYS
        opened.put_pairs(
            "t",
            "1",
            [
                (a, b, PairJudgment(0.9, 0.8, 0.9)),
                (b, c, PairJudgment(0.9, 0.8, 0.8)),
                (a, c, PairJudgment(0.2, 0.1, 0.7)),
                (d, e, PairJudgment(0.8, 0.3, 0.1)),
            ],
        )
        opened.put_failures("t", "1", "point", [(KEYS[5], Failure("too dark"))])
    return path


def stats(capsys, *arguments: object) -> dict:
    assert main(["labels", "stats", *map(str, arguments), "--json"]) == ExitCode.OK
    return json.loads(capsys.readouterr().out)


def test_the_statistics_are_those_worked_out_by_hand(store, capsys):
    found = stats(capsys, store)
    assert (found["pictures"], found["images"], found["synthetic_versions"]) == (6, 6, 0)
    (t,) = found["teachers"]
    assert (t["points"], t["pairs"], t["faults"]) == (5, 4, 0)
    assert t["failures"] == {"transient": 0, "permanent": 1, "reasons": {"too dark": 1}}
    assert t["point_reliability"] == pytest.approx(0.3) and t["pair_reliability"] == pytest.approx(0.625)
    assert t["order"]["same_choice"] == pytest.approx(3 / 4)
    assert t["order"]["mean_difference"] == pytest.approx((0.1 * 3 + 0.5) / 4)
    assert t["order"]["first_shown"] == pytest.approx((0.1 * 3 + 0.5) / 8)
    assert t["graph"] == {
        "pictures": 5,
        "components": 2,
        "largest": 3 / 5,
        "degree_least": 1,
        "degree_mean": 8 / 5,
        "uncompared": 0,
    }
    assert t["cycles"] == {"triangles": 1, "cyclic": 1, "share": 1.0, "sampled": False}
    agreement = t["points_and_pairs"]
    assert agreement["pairs"] == 4 and agreement["agreement"] == pytest.approx(3 / 4)
    by_pair = agreement["by_pair_reliability"]
    assert [(b["labels"], b["from"], b["to"], b["agreement"]) for b in by_pair] == [
        (2, 0.1, 0.7, 0.5),
        (2, 0.8, 0.9, 1.0),
    ]
    assert "mos" not in t


@pytest.mark.parametrize("column", ["file", "sha256"])
def test_labels_against_mos(store, capsys, tmp_path, column):
    mos = [4.5, 4.0, 3.0, 2.0, 1.0]
    names = [f"elsewhere/{n}.png" if column == "file" else KEYS[n] for n in range(5)]
    table = tmp_path / "mos.csv"
    table.write_text(f"mos,{column}\n" + "".join(f"{m},{name}\n" for m, name in zip(mos, names, strict=True)))
    (t,) = stats(capsys, store, "--mos", table)["teachers"]
    points = t["mos"]["points"]
    assert points["labels"] == 5 and points["srcc"] == pytest.approx(1)
    assert points["mae"] == pytest.approx(0.1) and points["bias"] == pytest.approx(0.1)
    assert [b["labels"] for b in points["by_reliability"]] == [3, 2]
    assert points["by_reliability"][0]["mae"] == pytest.approx(0.5 / 3)
    assert t["mos"]["pairs"]["labels"] == 4 and t["mos"]["pairs"]["right"] == pytest.approx(3 / 4)


@pytest.mark.parametrize(
    "text, said",
    [
        ("name,mos\n1.png,3\n", "expected file,mos or sha256,mos"),
        ("file,mos\n1.png,9\n", "line 2: mos is '9'; expected 1 to 5"),
        ("file,mos\n77.png,3\n", "none of its pictures"),
        ("sha256,mos\nABC,3\n", "line 2: 'ABC' is no SHA-256"),
    ],
)
def test_a_wrong_table_of_mos_is_named_with_its_line(store, capsys, tmp_path, text, said):
    (tmp_path / "mos.csv").write_text(text)
    assert main(["labels", "stats", str(store), "--mos", str(tmp_path / "mos.csv")]) == ExitCode.INPUT
    assert said in capsys.readouterr().err


def test_statistics_for_people_name_everything(store, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["labels", "stats", str(store)]) == ExitCode.OK
    out = capsys.readouterr().out
    for text in (
        "6 pictures",
        "same choice in 75.0%",
        "2 connected part(s)",
        "100.00% of 1 triangles",
        "too dark",
    ):
        assert text in out


def test_statistics_of_an_empty_store_are_empty(tmp_path, capsys):
    LabelStore(tmp_path / "empty.sqlite").close()
    assert stats(capsys, tmp_path / "empty.sqlite")["teachers"] == []


def random_preferences(n: int, seed: int, coin: bool) -> list[tuple[str, str, float]]:
    rng = np.random.default_rng(seed)
    return [
        (f"{a:03d}", f"{b:03d}", float(rng.integers(2)) if coin else 0.9)
        for a in range(n)
        for b in range(a + 1, n)
    ]


def test_a_quarter_of_the_triples_of_coin_tosses_is_cyclic_and_none_of_an_order():
    tossed = cycles(random_preferences(40, 1, True))
    assert tossed["triangles"] == 40 * 39 * 38 // 6 and abs(tossed["share"] - 0.25) < 0.02
    ordered = cycles(random_preferences(20, 1, False))
    assert (ordered["triangles"], ordered["cyclic"]) == (1140, 0)


def test_a_sample_of_triangles_has_the_share_of_all():
    preferences = random_preferences(60, 2, True)
    whole, part = cycles(preferences), cycles(preferences, most_steps=20_000)
    assert part["sampled"] and part["triangles"] < whole["triangles"] * 3
    assert abs(part["share"] - whole["share"]) < 0.03


def test_toss_ups_make_no_triangle():
    assert cycles([("a", "b", 0.5), ("b", "c", 0.9), ("a", "c", 0.9)]) is None


def test_the_rate_leaves_out_pauses_and_what_began_unseen():
    assert rate_per_hour([]) is None and rate_per_hour([5.0] * 9) is None
    batches = [0.0] * 8 + [10.0] * 8 + [5000.0] * 8 + [5010.0] * 8  # 8 labels each 10 s, a long lunch between
    assert rate_per_hour(batches) == pytest.approx(8 / 10 * 3600)


def test_rank_correlation_is_spearmans_with_ties():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 6, 50).astype(float), rng.integers(0, 6, 50).astype(float)
    assert rank_correlation(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert rank_correlation(a, np.ones(50)) is None


def test_export_and_import_by_command(store, tmp_path, capsys):
    pytest.importorskip("pyarrow")
    folder, copy = tmp_path / "parquet", tmp_path / "copy.sqlite"
    assert main(["labels", "export", str(store), str(folder), "--json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["points"] == 5
    assert main(["labels", "import", str(folder), "--store", str(copy)]) == ExitCode.OK
    assert "5 points" in capsys.readouterr().out
    assert dump(copy) == dump(store)
    assert main(["labels", "export", str(copy), str(folder)]) == ExitCode.OK  # over the first one
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    (folder / "points.parquet").write_text("no")
    assert main(["labels", "import", str(folder), "--store", str(copy)]) == ExitCode.INPUT


def test_merge_by_command_takes_several_and_refuses_before_it_takes_any(store, tmp_path, capsys):
    other = tmp_path / "other.sqlite"
    with LabelStore(other) as opened:
        opened.add_pictures([PictureRow(KEYS[5], "photos/5.png")])
        opened.put_points("t", "1", [(KEYS[5], level(2.5, 0.5))])
    into = tmp_path / "all.sqlite"
    absent = main(["labels", "merge", str(into), str(store), str(tmp_path / "absent.sqlite")])
    assert absent == ExitCode.INPUT and not into.exists()
    assert main(["labels", "merge", str(into), str(store), str(other), "--json"]) == ExitCode.OK
    new = json.loads(capsys.readouterr().out)
    assert new[str(store)]["points"] == 5 and new[str(other)]["points"] == 1
    with LabelStore(into, create=False) as merged:
        assert len(merged.points()) == 6 and merged.failures() == []
