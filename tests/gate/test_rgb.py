"""Full-resolution RGB against the fragments view, whose arithmetic it shares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from leaf_edge.frames.frame import ColorMatrix, ColorRange, Frame, PixelFormat, Roi, plane_shapes
from leaf_edge.frames.rgb import to_rgb
from leaf_edge.views.reference import SIZE, fragments_view


def random_frame(
    fmt: PixelFormat, width: int, height: int, matrix: ColorMatrix, range_: ColorRange, seed: int
) -> Frame:
    """Noise over all code values, rows padded to an odd number of samples more."""
    rng = np.random.default_rng(seed)
    planes: list[NDArray[Any]] = []
    for rows, columns in plane_shapes(fmt, width, height):
        if fmt is PixelFormat.P010:
            planes.append((rng.integers(0, 1024, (rows, columns + 3)) << 6).astype(np.uint16)[:, :columns])
        else:
            planes.append(rng.integers(0, 256, (rows, columns + 3), dtype=np.uint8)[:, :columns])
    return Frame(tuple(planes), width, height, fmt, range_, matrix if fmt.is_yuv else None)


@settings(max_examples=60, deadline=None)
@given(
    fmt=st.sampled_from(PixelFormat),
    matrix=st.sampled_from(ColorMatrix),
    range_=st.sampled_from(ColorRange),
    extra=st.tuples(st.integers(0, 5), st.integers(0, 70)),
    seed=st.integers(0, 1 << 30),
    data=st.data(),
)
def test_equals_the_fragments_of_every_region(
    fmt: PixelFormat,
    matrix: ColorMatrix,
    range_: ColorRange,
    extra: tuple[int, int],
    seed: int,
    data: st.DataObject,
) -> None:
    frame = random_frame(fmt, SIZE + extra[0], SIZE + extra[1], matrix, range_, seed)
    x = data.draw(st.integers(0, extra[0]))
    y = data.draw(st.integers(0, extra[1]))
    # The 7x7 patches of a 224x224 region tile it.
    fragments = fragments_view(frame, Roi(x, y, SIZE, SIZE)).transpose(1, 2, 0)
    picture = to_rgb(frame)
    assert picture.dtype == np.uint8 and picture.shape == (frame.height, frame.width, 3)
    assert np.array_equal(picture[y : y + SIZE, x : x + SIZE], fragments)


@pytest.mark.parametrize("fmt", list(PixelFormat))
@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 2), (3, 5), (31, 67)])
def test_small_and_odd_sizes(fmt: PixelFormat, size: tuple[int, int]) -> None:
    frame = random_frame(fmt, *size, ColorMatrix.BT709, ColorRange.LIMITED, 7)
    # Below a patch's size the fragments repeat edges: pixel (0, 0) of the frame is where they clamp.
    assert to_rgb(frame).shape == (size[1], size[0], 3)
    assert np.array_equal(to_rgb(frame)[0, 0], fragments_view(frame, Roi(0, 0, 1, 1))[:, 0, 0])
    last = Roi(size[0] - 1, size[1] - 1, 1, 1)
    assert np.array_equal(to_rgb(frame)[-1, -1], fragments_view(frame, last)[:, 0, 0])


def test_colours_of_the_standard() -> None:
    def nv12(y: int, cb: int, cr: int) -> Frame:
        planes = np.full((2, 2), y, np.uint8), np.array([[cb, cr]], np.uint8)
        return Frame(planes, 2, 2, PixelFormat.NV12, ColorRange.LIMITED, ColorMatrix.BT709)

    assert to_rgb(nv12(16, 128, 128)).max() == 0
    assert to_rgb(nv12(235, 128, 128)).min() == 255
    assert to_rgb(nv12(63, 102, 240))[0, 0].tolist() == [255, 1, 0]  # 100 % red is 63 102 240, rounded


def test_full_range_rgb_is_a_copy() -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    picture = to_rgb(Frame.from_array(image))
    assert np.array_equal(picture, image) and not np.shares_memory(picture, image)
