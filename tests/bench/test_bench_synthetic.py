import itertools

import numpy as np
import pytest

from leaf_edge.bench.synthetic import endless, synthetic_frames
from leaf_edge.frames.frame import PixelFormat
from leaf_edge.views.native import make_views


@pytest.mark.parametrize("pixel_format", list(PixelFormat))
@pytest.mark.parametrize("size", [(1920, 1080), (641, 361)])
def test_every_format_and_odd_sizes_make_views(pixel_format, size):
    frames = synthetic_frames(pixel_format, *size, distinct=2)
    views = [make_views(frame) for frame in frames]
    assert all(view.std() > 5 for view in views), "the frames have texture"
    assert not np.array_equal(*views), "the frames differ"


def test_frames_come_in_turn_with_running_numbers():
    frames = synthetic_frames(PixelFormat.NV12, 64, 48, distinct=3)
    taken = list(itertools.islice(endless(frames), 7))
    assert [frame.index for frame in taken] == list(range(7))
    assert taken[5].planes[0] is frames[2].planes[0]
