import itertools
import json
from dataclasses import replace

import av
import numpy as np
import pytest

from leaf_edge.contract import FAULTS
from leaf_edge.demo import clip
from leaf_edge.demo.shots import FPS, HEIGHT, SHOT_S, SHOTS, WIDTH

pytest.importorskip("skimage", reason="needs the extra demo")
pytest.importorskip("sklearn", reason="needs the extra demo")


@pytest.fixture(scope="module")
def photographs():
    return [clip.read_photograph(shot) for shot in SHOTS]


def test_the_stretches_cover_what_the_demo_promises():
    made = [stretch.faults for stretch in clip.stretches()]
    assert {name for faults in made for name in faults} == {
        "defocus",
        "motion_blur",
        "under_exposure",
        "noise",
        "over_exposure",
        "compression",
    }
    for stretch in clip.stretches():
        assert stretch.shot_start_s + 1 < stretch.start_s < stretch.end_s < stretch.shot_end_s - 1
        assert set(stretch.faults) <= set(FAULTS)


def test_the_camera_stays_inside_the_photograph_and_never_magnifies_it(photographs):
    for shot, photograph in zip(SHOTS, photographs, strict=True):
        height, width = photograph.shape[:2]
        for _, _, crop in (shot.begin, shot.end):
            assert WIDTH <= crop <= width
            assert crop * HEIGHT / WIDTH <= height


def test_the_camera_moves_smoothly(photographs):
    """No step between neighbouring frames is far above the others: 25 fps without jumps."""
    for shot, photograph in zip(SHOTS, photographs, strict=True):
        times = np.arange(round(SHOT_S * FPS)) / FPS
        frames = [clip.camera_view(photograph, shot, time).astype(np.int16) for time in times]
        steps = [np.abs(b - a).mean() for a, b in itertools.pairwise(frames)]
        assert min(steps) > 0.05
        assert max(steps) < 4 * np.median(steps)


def test_rendering_repeats(photographs):
    first = [image for image, _ in zip(clip.render(SHOTS[2:3]), range(70), strict=False)]
    again = [image for image, _ in zip(clip.render(SHOTS[2:3]), range(70), strict=False)]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_a_shot_that_the_package_lacks_is_named():
    with pytest.raises(FileNotFoundError, match=r"no_such.png.*leaf-edge\[demo\]"):
        clip.read_photograph(replace(SHOTS[0], file="data/no_such.png"))


def test_the_written_clip(tmp_path):
    """Colour is stated and right, clean frames keep their detail, and nothing else is left behind."""
    shots = SHOTS[3:4]
    seen = []
    made = clip.make_clip(tmp_path, shots, progress=lambda done, total: seen.append((done, total)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo.json", "demo.mp4"]
    assert seen[-1] == (made.frames, made.frames) == (200, 200)
    assert json.loads(made.truth.read_text())["fps"] == FPS

    with av.open(str(made.video)) as container:
        context = container.streams.video[0].codec_context
        assert (context.color_range, context.colorspace, context.color_primaries) == (1, 1, 1)
        planes = [frame.to_ndarray(format="yuv420p") for frame in container.decode(video=0)]
    assert len(planes) == made.frames
    for index, image in enumerate(clip.render(shots)):
        if index not in (10, 100, 190):
            continue
        rgb = image.astype(float)
        # BT.709-6: luma from its coefficients, limited range
        luma = 16 + 219 / 255 * (rgb @ [0.2126, 0.7152, 0.0722])
        error = planes[index][:HEIGHT] - luma
        assert abs(error.mean()) < 1.0
        assert np.sqrt((error**2).mean()) < 3.0, index
