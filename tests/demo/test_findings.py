import pytest

from leaf_edge.demo.clip import Stretch
from leaf_edge.demo.findings import FrameResult, find, read_results

STRETCH = Stretch("out of focus", 2.0, 4.0, 0.0, 6.0, {"defocus": 0.6})


def results(mos_inside: float, reasons: list[str], accepted: bool = False) -> list[FrameResult]:
    frames = []
    for index in range(12):
        inside = 4 <= index < 8
        frames.append(
            FrameResult(
                index / 2,
                mos_inside if inside else 4.0,
                reasons[index - 4] if inside else "",
                accepted if inside else True,
            )
        )
    return frames


def test_a_drop_with_the_right_reason_is_found():
    (finding,) = find(results(2.0, ["defocus", "defocus", "noise", "defocus"]), [STRETCH])
    assert finding.found
    assert (finding.mos_inside, finding.mos_around) == (2.0, 4.0)
    assert (finding.reason, finding.reason_share) == ("defocus", 0.75)
    assert (finding.rejected_inside, finding.rejected_around) == (1.0, 0.0)


@pytest.mark.parametrize(("mos", "reason"), [(2.0, "noise"), (2.0, ""), (3.9, "defocus"), (4.5, "defocus")])
def test_a_wrong_reason_or_no_drop_is_not_found(mos, reason):
    (finding,) = find(results(mos, [reason] * 4), [STRETCH])
    assert not finding.found


def test_frames_of_other_shots_do_not_count():
    other = [FrameResult(6.0 + i / 10, 1.0, "noise", False) for i in range(10)]
    assert find(results(2.0, ["defocus"] * 4) + other, [STRETCH]) == find(
        results(2.0, ["defocus"] * 4), [STRETCH]
    )


def test_a_stretch_without_frames_is_an_error():
    with pytest.raises(ValueError, match="out of focus"):
        find([FrameResult(5.0, 4.0, "", True)], [STRETCH])


def test_a_decision_log_is_read(tmp_path):
    log = tmp_path / "decisions.jsonl"
    row = '{"source": "a.mp4", "frame": %d, "time_s": %s, "mos": 3.5, "reason": "noise", "accepted": %s}\n'
    log.write_text(row % (0, "0.0", "true") + row % (1, "0.04", "false"))
    assert read_results(log) == [FrameResult(0.0, 3.5, "noise", True), FrameResult(0.04, 3.5, "noise", False)]
