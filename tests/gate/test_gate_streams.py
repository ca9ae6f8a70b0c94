"""Streams, score logs, summaries and kept frames around the gate."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from leaf_edge.contract import FAULTS
from leaf_edge.frames import ColorMatrix, ColorRange, Frame, PixelFormat
from leaf_edge.frames.rgb import to_rgb
from leaf_edge.runtime.gate import Best, GateConfig, GateError, Missing, Pool, State
from leaf_edge.runtime.gate_log import LogError, read_log
from leaf_edge.runtime.gate_streams import Gated, GateInput, StreamEnd, gate_scores
from leaf_edge.runtime.gate_summary import GateSummary
from leaf_edge.runtime.kept_frames import KeptFrames
from leaf_edge.runtime.score import COLUMNS, Score, StageTimes

PLAIN = GateConfig(accept=3, reject=2, pool=Pool.NONE, dwell=0)


def entry(
    source: str,
    frame: int,
    mos: float | None,
    *,
    time_s: float | None = None,
    reason: str = "",
    still: bool = False,
    pixels: Frame | None = None,
) -> GateInput:
    record: dict[str, Any] = {
        "source": source,
        "frame": frame,
        "time_s": time_s,
        "mos": mos,
        "reason": reason,
    }
    return GateInput(source, frame, time_s, mos, reason, still, record, pixels)


def picture(level: int) -> Frame:
    planes = np.full((4, 6), level, np.uint8), np.full((2, 6), 128, np.uint8)
    return Frame(planes, 6, 4, PixelFormat.NV12, ColorRange.FULL, ColorMatrix.BT709)


def verdicts(items: list[Gated | StreamEnd]) -> str:
    """A letter for each frame, a bar for each end of a stream."""
    return "".join("|" if isinstance(i, StreamEnd) else "A" if i.decision.accepted else "R" for i in items)


# ---- streams ----


def test_each_stream_has_a_gate_of_its_own() -> None:
    config = GateConfig(accept=3, reject=2, window=2, dwell=0)
    scores = [entry("a.mp4", i, 4.0) for i in range(3)]
    scores += [entry("b.mp4", i, 4.0) for i in range(2)]
    scores += [entry("b.mp4", i, 4.0) for i in range(2)]  # the same file once more
    items = list(gate_scores(scores, config))
    assert verdicts(items) == "RAA|RA|RA|"
    assert [i.stream for i in items] == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_stills_are_judged_alone() -> None:
    config = GateConfig(accept=3, reject=2, window=50, dwell=50, best_window=50)
    scores = [entry(f"{n}.jpg", 0, mos, still=True) for n, mos in enumerate([4, 1, 2.5, 3])]
    items = list(gate_scores(scores, config))
    assert verdicts(items) == "A|R|R|A|"
    opened = GateConfig(**{**config.to_dict(), "initial": "accept"})
    assert verdicts(list(gate_scores(scores, opened))) == "A|R|A|A|"  # between the thresholds: `initial`
    best = [i.decision.best_frame for i in items if isinstance(i, Gated)]
    assert best == [0, None, None, 0]
    # A still between the frames of two videos disturbs neither.
    mixed = [entry("a.mp4", 0, 4), entry("x.jpg", 0, 1, still=True), entry("b.mp4", 0, 4)]
    assert verdicts(list(gate_scores(mixed, PLAIN))) == "A|R|A|"


def test_interleaved_sources_are_refused() -> None:
    scores = [entry("cam0", 0, 4), entry("cam1", 0, 4), entry("cam0", 1, 4)]
    with pytest.raises(
        GateError, match=r"cam0: frame 1 .* goes on from frame 0; expected the frames of a source"
    ):
        list(gate_scores(scores, PLAIN))


def test_an_unusable_score_names_its_source() -> None:
    with pytest.raises(GateError, match=r"clip: score of frame 3 is 1e\+07"):
        list(gate_scores([entry("clip", 3, 1e7)], PLAIN))


# ---- logs ----


def score_of(source: str, frame: int, mos: float, time_s: float | None) -> Score:
    faults = tuple(round(0.1 * k, 1) for k in range(len(FAULTS)))
    return Score(mos, 1.0, 5.0, 0.5, faults, "noise", frame, time_s, source, StageTimes(1.5, 0.25, 3, 0))


SCORES = [
    score_of("clip,one.mp4", 0, 3.1234, 0.0),
    score_of("clip,one.mp4", 5, 1.0001, 0.2),
    score_of("photo.jpg", 0, 4.5, None),
    score_of("raw", 0, 2.0, None),
    score_of("raw", 1, 2.5, None),
]


def as_csv(scores: list[Score]) -> bytes:
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, COLUMNS, extrasaction="ignore")
    table.writeheader()
    table.writerows(score.to_row() for score in scores)
    return text.getvalue().encode()


def as_json_lines(scores: list[Score]) -> bytes:
    return "".join(json.dumps(score.to_dict()) + "\n" for score in scores).encode()


@pytest.mark.parametrize("write", [as_csv, as_json_lines])
def test_logs_of_the_score_command(write: Any) -> None:
    rows = read_log(write(SCORES), "log")
    assert [row.record for row in rows] == [score.to_dict() for score in SCORES]
    assert [(r.source, r.frame, r.mos, r.time_s, r.reason) for r in rows] == [
        (s.source, s.frame, s.mos, s.time_s, s.reason) for s in SCORES
    ]
    # Frame 0 only and without a time: an image. Raw frames have no time either, but numbers.
    assert [row.still for row in rows] == [False, False, True, False, False]


def test_a_decision_log_replays_to_itself() -> None:
    config = GateConfig(accept=3, reject=2, window=2, dwell=2, best_window=2)
    first = [
        i.to_dict() for i in gate_scores(read_log(as_csv(SCORES), "log"), config) if isinstance(i, Gated)
    ]
    text = "".join(json.dumps(row) + "\n" for row in first).encode()
    again = [i.to_dict() for i in gate_scores(read_log(text, "log"), config) if isinstance(i, Gated)]
    assert again == first


def test_what_a_log_says_of_stills_is_believed() -> None:
    log = b'{"source": "one-frame.mp4", "frame": 0, "mos": 3, "still": false}\n'
    assert read_log(log, "log")[0].still is False
    table = b"source,frame,mos,still\na,0,3,false\nb,0,3,true\nc,0,3,\n"
    assert [row.still for row in read_log(table, "log")] == [False, True, True]


def test_rows_without_a_score() -> None:
    rows = read_log(b"\xef\xbb\xbfsource,frame,mos\r\ncam,0,3.5\r\ncam,1,\r\n", "log")
    assert [row.mos for row in rows] == [3.5, None]
    assert read_log(b'{"source": "cam", "frame": 0, "mos": null, "time_s": 0}', "log")[0].mos is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "log: is empty; expected a score log"),
        (b" \n", "log: is empty"),
        (b"source,frame\na,0\n", "log: has no column mos; found source, frame"),
        (b"source,frame,mos\n", "log: holds a header but no score"),
        (b"source,frame,mos\na,0\n", "log, line 2: has another number of values than the header's 3"),
        (b"source,frame,mos\na,0,1,2\n", "log, line 2: has another number of values"),
        (b"source,frame,mos\na,0,good\n", "log, line 2: mos is 'good'; expected a number"),
        (b"source,frame,mos\na,0,nan\n", "log, line 2: mos is nan; expected a finite number"),
        (b"source,frame,mos\na,1.5,3\n", "log, line 2: frame is '1.5'; expected a number"),
        (b"source,frame,mos\na,-1,3\n", "log, line 2: frame is -1; expected a whole number, 0 or more"),
        (b'source,frame,mos\n"a,0,3\n', "log, at line [12]: is not CSV"),
        (b'{"source": "a", "frame": 0, "mos": 3}\n{"source"', "log, line 2: is not JSON"),
        (b'{"source": "a", "frame": 0, "mos": 3}\n[]', "log, line 2: is list; expected a JSON object"),
        (b'{"source": "a", "mos": 3}', "log, line 1: has no frame"),
        (b'{"source": 7, "frame": 0, "mos": 3}', "log, line 1: source is 7; expected text"),
        (b'{"source": "a", "frame": 0, "mos": NaN}', "log, line 1: mos is nan; expected a finite number"),
        (b'{"source": "a", "frame": 0, "mos": "3"}', "log, line 1: mos is '3'; expected a finite number"),
        (b'{"source": "a", "frame": 0, "mos": 3, "still": 1}', "log, line 1: still is 1; expected true"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "log"),
    ],
)
def test_wrong_logs(data: bytes, message: str) -> None:
    with pytest.raises(LogError, match=message):
        read_log(data, "log")


# ---- summary ----


def test_summary_of_a_stream() -> None:
    config = GateConfig(**{**PLAIN.to_dict(), "missing": "drop", "best_window": 4})
    reasons = ["", "noise", "noise", "defocus", ""]
    scores = [entry("clip", 0, 4, time_s=0.0), entry("clip", 1, 5, time_s=0.1)]
    scores += [entry("clip", 2 + i, 1 + 0.1 * i, time_s=0.2, reason=r) for i, r in enumerate(reasons)]
    scores += [entry("clip", 7, 4), entry("clip", 8, None), entry("x.jpg", 0, 1, reason="noise", still=True)]
    summary = GateSummary()
    for item in gate_scores(scores, config):
        summary.add(item)
    stream = summary.streams[0]
    assert [(s.accepted, s.first_frame, s.last_frame, s.frames) for s in stream.stretches] == [
        (True, 0, 1, 2),
        (False, 2, 6, 5),
        (True, 7, 7, 1),
        (False, 8, 8, 1),
    ]
    assert [s.reason for s in stream.stretches] == ["", "noise", "", ""]
    assert stream.stretches[1].mos == pytest.approx(1.2) and stream.stretches[3].mos is None
    assert stream.best == [Best(1, 5.0), Best(7, 4.0)] and stream.switches == 3
    assert (summary.frames, summary.accepted, summary.switches) == (10, 3, 3)
    out = summary.to_dict()
    assert json.loads(json.dumps(out, allow_nan=False)) == out
    assert out["accepted_percent"] == 30.0 and out["missing"] == 1 and out["streams"][1]["still"]
    assert out["streams"][0]["stretches"][1] == {
        "accepted": False,
        "initial": False,
        "first_frame": 2,
        "last_frame": 6,
        "start_s": 0.2,
        "end_s": 0.2,
        "frames": 5,
        "missing": 0,
        "mos": 1.2,
        "reason": "noise",
    }


def test_the_frames_before_the_first_decision_are_a_stretch_of_their_own() -> None:
    summary = GateSummary()
    config = GateConfig(accept=3, reject=2, window=3, dwell=0)
    for item in gate_scores([entry("clip", i, 1.0) for i in range(5)], config):
        summary.add(item)
    stretches = summary.streams[0].stretches
    assert [(s.initial, s.frames) for s in stretches] == [(True, 2), (False, 3)]
    assert summary.switches == 0


def test_equal_counts_of_reasons_go_by_the_order_of_faults() -> None:
    summary = GateSummary()
    reasons = ["other", "banding", "noise", ""]
    for item in gate_scores([entry("c", i, 1, reason=r) for i, r in enumerate(reasons)], PLAIN):
        summary.add(item)
    assert summary.streams[0].stretches[0].reason == "noise"


# ---- kept frames ----


def keep(scores: list[GateInput], config: GateConfig, keeper: KeptFrames) -> list[str | None]:
    paths = [keeper.take(item) for item in gate_scores(scores, config)]
    return [None if path is None else path.name for path in paths]


def levels(folder: Path) -> dict[str, int]:
    return {p.name: int(pixels(p)[0, 0, 0]) for p in sorted(folder.iterdir())}


def pixels(path: Path) -> NDArray[Any]:
    image = cv2.imread(str(path))
    assert image is not None
    return image[:, :, ::-1]


def test_accepted_frames_are_written(tmp_path: Path) -> None:
    scores = [entry("in/clip.mp4", i, 4 - i % 2 * 3, pixels=picture(10 * i)) for i in range(4)]
    scores += [entry("other/clip.mkv", 0, 4, pixels=picture(90)), entry("-", 7, 4, pixels=picture(91))]
    scores += [entry("clip.jpg", 0, 4, still=True, pixels=picture(92))]
    keeper = KeptFrames(tmp_path / "new" / "kept")
    keep(scores, PLAIN, keeper)
    assert levels(keeper.folder) == {
        "clip-000000.png": 0,
        "clip-000000-2.png": 90,
        "clip-000002.png": 20,
        "clip.png": 92,
        "stdin-000007.png": 91,
    }
    assert keeper.count == 5


def test_pictures_have_the_pixels_of_the_frame(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    planes = rng.integers(0, 256, (5, 7), dtype=np.uint8), rng.integers(0, 256, (3, 8), dtype=np.uint8)
    frame = Frame(planes, 7, 5, PixelFormat.NV12, ColorRange.LIMITED, ColorMatrix.BT601)
    keep([entry("c", 0, 4, pixels=frame)], PLAIN, KeptFrames(tmp_path))
    assert np.array_equal(pixels(tmp_path / "c-000000.png"), to_rgb(frame))
    keep([entry("c", 0, 4, pixels=picture(77))], PLAIN, KeptFrames(tmp_path, "jpeg"))
    assert (tmp_path / "c-000000.jpg").read_bytes()[:2] == b"\xff\xd8"


def test_only_the_best_of_each_block(tmp_path: Path) -> None:
    config = GateConfig(**{**PLAIN.to_dict(), "best_window": 3})
    mos = [3.5, 4.5, 4.0, 1.0, 1.0, 1.0, 3.2, 3.1]
    scores = [entry("c", i, m, pixels=picture(10 * i)) for i, m in enumerate(mos)]
    scores += [entry("x.jpg", 0, 4, still=True, pixels=picture(200))]
    keeper = KeptFrames(tmp_path, best=True)
    written = keep(scores, config, keeper)
    # Written where the block ends, or with the end of the stream.
    assert written == [None, None, "c-000001.png"] + [None] * 5 + ["c-000006.png", "x.png", None]
    assert levels(tmp_path) == {"c-000001.png": 10, "c-000006.png": 60, "x.png": 200}


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    keeper = KeptFrames(tmp_path)
    (tmp_path / "c-000000.png").mkdir()
    with pytest.raises(OSError):
        keep([entry("c", 0, 4, pixels=picture(1))], PLAIN, keeper)
    assert [p.name for p in tmp_path.iterdir()] == ["c-000000.png"] and keeper.count == 0


def test_states_and_policies_are_known_by_name() -> None:
    config = GateConfig(pool="low", initial="accept", missing="pass")  # type: ignore[arg-type]
    assert (config.pool, config.initial, config.missing) == (Pool.LOW, State.ACCEPT, Missing.PASS)
