"""Frames of every format, and their views in float64 arithmetic by the colour standards' definitions.

Nothing here uses leaf_edge.views: what is tested must not be its own measure.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from leaf_edge.frames import ColorMatrix, ColorRange, Frame, PixelFormat, Roi
from leaf_edge.frames.frame import plane_shapes

CONTENT = ("random", "zero", "max", "checker", "extremes", "smooth")

Floats = NDArray[np.float64]


def make_frame(
    fmt: PixelFormat,
    width: int,
    height: int,
    content: str = "random",
    *,
    matrix: ColorMatrix = ColorMatrix.BT709,
    range_: ColorRange = ColorRange.LIMITED,
    padding: int = 0,
    offset: int = 0,
    seed: int = 0,
) -> Frame:
    """A frame whose planes begin `offset` bytes into a buffer and have `padding` bytes after each
    row; those bytes, and the six unused bits of P010's samples, are random."""
    rng = np.random.default_rng(seed)
    item = 2 if fmt is PixelFormat.P010 else 1
    planes = []
    for rows, columns in plane_shapes(fmt, width, height):
        pitch = columns * item + padding
        buffer = rng.integers(0, 256, offset + rows * pitch, np.uint8)
        plane: NDArray[Any] = np.ndarray(
            (rows, columns), np.uint16 if item == 2 else np.uint8, buffer, offset, (pitch, item)
        )
        if content != "random":
            codes = _codes(content, rows, columns, 1023 if item == 2 else 255, rng)
            plane[:] = codes << 6 | rng.integers(0, 64, codes.shape) if item == 2 else codes
        planes.append(plane)
    return Frame(tuple(planes), width, height, fmt, range_, matrix if fmt.is_yuv else None)


def _codes(content: str, rows: int, columns: int, top: int, rng: np.random.Generator) -> NDArray[np.int64]:
    y, x = np.mgrid[0:rows, 0:columns]
    if content == "zero":
        return np.zeros((rows, columns), np.int64)
    if content == "max":
        return np.full((rows, columns), top)
    if content == "checker":
        return (y + x) % 2 * top
    if content == "extremes":
        return rng.integers(0, 2, (rows, columns)) * top
    assert content == "smooth"
    return np.rint(top * (0.1 + 0.4 * y / rows + 0.4 * x / columns)).astype(np.int64)


@st.composite
def frames_and_regions(draw: st.DrawFn) -> tuple[Frame, Roi | None]:
    """Any format, colour, content, size, pitch and alignment; half of them with a region."""
    side = st.one_of(
        st.integers(1, 70), st.integers(1, 500), st.sampled_from([223, 224, 225, 447, 448, 449, 672, 1000])
    )
    width, height = draw(side), draw(side)
    frame = make_frame(
        draw(st.sampled_from(PixelFormat)),
        width,
        height,
        draw(st.sampled_from(CONTENT)),
        matrix=draw(st.sampled_from(ColorMatrix)),
        range_=draw(st.sampled_from(ColorRange)),
        padding=draw(st.sampled_from([0, 0, 1, 2, 3, 16, 61])),
        offset=draw(st.sampled_from([0, 0, 1, 2, 32, 63])),
        seed=draw(st.integers(0, 2**32 - 1)),
    )
    if draw(st.booleans()):
        return frame, None
    x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    return frame, Roi(x, y, draw(st.integers(1, width - x)), draw(st.integers(1, height - y)))


def exact_views(frame: Frame, roi: Roi | None = None) -> Floats:
    """Both views before the last rounding: float64 [2, 3, 224, 224], clipped to 0..255."""
    region = roi or Roi(0, 0, frame.width, frame.height)
    parts = _components(frame)
    means = []
    for plane, sub_y, sub_x in parts:
        rows = _overlaps(region.y, region.height, sub_y, plane.shape[0])
        columns = _overlaps(region.x, region.width, sub_x, plane.shape[1])
        means.append(rows @ plane @ columns.T)
    y, x = _patch_pixels(region.y, region.height), _patch_pixels(region.x, region.width)
    samples = [plane[y // sub_y][:, x // sub_x] for plane, sub_y, sub_x in parts]
    return np.stack([exact_rgb(np.stack(v), frame) for v in (means, samples)])


def _components(frame: Frame) -> list[tuple[Floats, int, int]]:
    """Y, Cb, Cr or R, G, B as (samples [rows, columns], rows and columns of pixels that each covers)."""
    fmt, width = frame.format, frame.width
    planes = [np.array(plane, np.float64) for plane in frame.planes]
    if fmt is PixelFormat.P010:
        planes = [np.floor(plane / 64) for plane in planes]
    if fmt is PixelFormat.I420:
        return [(planes[0], 1, 1), (planes[1], 2, 2), (planes[2], 2, 2)]
    if len(planes) == 2:
        pairs = planes[1].reshape(len(planes[1]), -1, 2)
        cb, cr = (1, 0) if fmt is PixelFormat.NV21 else (0, 1)
        return [(planes[0], 1, 1), (pairs[..., cb], 2, 2), (pairs[..., cr], 2, 2)]
    if fmt in (PixelFormat.YUYV, PixelFormat.UYVY):
        quads = planes[0].reshape(frame.height, -1, 4)
        y0, cb, y1, cr = (0, 1, 2, 3) if fmt is PixelFormat.YUYV else (1, 0, 3, 2)
        luma = quads[..., [y0, y1]].reshape(frame.height, -1)[:, :width]
        return [(luma, 1, 1), (quads[..., cb], 1, 2), (quads[..., cr], 1, 2)]
    if fmt is PixelFormat.GRAY8:
        return [(planes[0], 1, 1)] * 3
    pixels = planes[0].reshape(frame.height, width, -1)[..., :3]
    if fmt in (PixelFormat.BGR, PixelFormat.BGRA):
        pixels = pixels[..., ::-1]
    return [(pixels[..., k], 1, 1) for k in range(3)]


def _overlaps(offset: int, length: int, sub: int, samples: int) -> Floats:
    """[224, samples]: the share of each output interval that each sample's pixels cover."""
    edges = offset + length * np.arange(225) / 224
    low = sub * np.arange(samples)
    cover = np.minimum(edges[1:, None], low + sub) - np.maximum(edges[:-1, None], low)
    shares: Floats = np.maximum(cover, 0) * 224 / length
    return shares


def _patch_pixels(offset: int, length: int) -> NDArray[np.int64]:
    """[224] pixels along one axis: 32 around the centre of each of 7 cells, inside the region."""
    pixels = []
    for cell in range(7):
        first = int(np.floor((cell + 0.5) * length / 7)) - 16 if length >= 32 else (length - 32) // 2
        if length >= 32:
            first = min(max(first, 0), length - 32)
        pixels += [offset + min(max(first + k, 0), length - 1) for k in range(32)]
    return np.array(pixels)


def exact_rgb(samples: Floats, frame: Frame) -> Floats:
    """Code values [3, ...] to R, G, B of 0..255 by inverting the standards' equations."""
    bits = 10 if frame.format is PixelFormat.P010 else 8
    step, top = 2 ** (bits - 8), 2**bits - 1
    limited = frame.range is ColorRange.LIMITED
    # Quantisation: ITU-T H.273, 8.3, for both ranges.
    gain, black = (219 * step, 16 * step) if limited else (top, 0)
    chroma_gain = 224 * step if limited else top
    if not frame.format.is_yuv:
        return (255 * (samples - black) / gain).clip(0, 255)
    assert frame.matrix is not None
    kr, kb = {
        ColorMatrix.BT601: (0.299, 0.114),
        ColorMatrix.BT709: (0.2126, 0.0722),
        ColorMatrix.BT2020: (0.2627, 0.0593),
    }[frame.matrix]
    luma = np.array([kr, 1 - kr - kb, kb])
    blue = (np.array([0, 0, 1]) - luma) / (2 * (1 - kb))
    red = (np.array([1, 0, 0]) - luma) / (2 * (1 - kr))
    signal = np.stack(
        [
            (samples[0] - black) / gain,
            (samples[1] - 128 * step) / chroma_gain,
            (samples[2] - 128 * step) / chroma_gain,
        ]
    )
    rgb: Floats = np.tensordot(np.linalg.inv(np.stack([luma, blue, red])), signal, axes=1)
    return (255 * rgb).clip(0, 255)
