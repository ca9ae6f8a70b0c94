"""One decoded picture of FFmpeg as a `Frame`: without a copy where the format allows, and never with
a colour that nobody stated."""

from __future__ import annotations

import re
from typing import Any, cast

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from numpy.typing import NDArray

from leaf_edge.frames.color import resolve_color
from leaf_edge.frames.frame import ColorMatrix, ColorRange, Frame, PixelFormat, plane_shapes
from leaf_edge.frames.planar import frame_from_gray, frame_from_yuv
from leaf_edge.frames.source import Notices, SourceError, SourceOptions

NATIVE: dict[str, PixelFormat] = {
    "yuv420p": PixelFormat.I420,
    "yuvj420p": PixelFormat.I420,
    "yuva420p": PixelFormat.I420,  # alpha, a fourth plane, is left out
    "nv12": PixelFormat.NV12,
    "nv21": PixelFormat.NV21,
    "yuyv422": PixelFormat.YUYV,
    "uyvy422": PixelFormat.UYVY,
    "p010le": PixelFormat.P010,
    "rgb24": PixelFormat.RGB,
    "bgr24": PixelFormat.BGR,
    "rgba": PixelFormat.RGBA,
    "rgb0": PixelFormat.RGBA,
    "bgra": PixelFormat.BGRA,
    "bgr0": PixelFormat.BGRA,
    "gray": PixelFormat.GRAY8,
}
"""FFmpeg's pixel formats that a frame takes as they are."""

_PLANAR_YUV = re.compile(r"yuv[aj]?(420|422|444|440|411|410)p(?:(9|10|12|14|16)le)?")
_DEEP_GRAY = re.compile(r"gray(9|10|12|14|16)le")
_SUBSAMPLING = {"420": (2, 2), "422": (2, 1), "444": (1, 1), "440": (1, 2), "411": (4, 1), "410": (4, 4)}

# AVColorSpace (ITU-T H.273, table 4). 0 is RGB, 2 unspecified.
_MATRIX = {1: ColorMatrix.BT709, 5: ColorMatrix.BT601, 6: ColorMatrix.BT601, 9: ColorMatrix.BT2020}
_UNKNOWN_MATRIX = {
    4: "FCC",
    7: "SMPTE 240M",
    8: "YCgCo",
    10: "BT.2020 constant luminance",
    11: "SMPTE 2085",
    12: "chromaticity-derived",
    13: "chromaticity-derived constant luminance",
    14: "ICtCp",
    15: "IPT-C2",
    16: "YCgCo-Re",
    17: "YCgCo-Ro",
}
_RANGE = {1: ColorRange.LIMITED, 2: ColorRange.FULL}  # AVColorRange
_HDR = {16: "PQ", 18: "HLG"}  # AVColorTransferCharacteristic


class FrameReader:
    """Turns the pictures of one stream into frames, and says once what had to be assumed."""

    def __init__(self, source: str, options: SourceOptions, notices: Notices) -> None:
        self._source = source
        self._options = options
        self._notices = notices

    def frame(self, picture: VideoFrame) -> Frame:
        """A frame that shares the picture's memory where its format is in `NATIVE`.

        Raises `SourceError` for a stated colour matrix that is none of `ColorMatrix`.
        """
        if picture.interlaced_frame:
            self._notices.once(
                self._source, "is interlaced; fields are not separated, so that motion shows combing"
            )
        if picture.color_trc in _HDR:
            self._notices.once(
                self._source, f"is HDR ({_HDR[picture.color_trc]}); its codes are scored as if SDR"
            )
        name = picture.format.name
        upright = all(plane.line_size > 0 for plane in picture.planes)
        if name in NATIVE and upright:
            return self._native(picture, NATIVE[name])
        planar = _PLANAR_YUV.fullmatch(name)
        if planar and upright:
            return self._planar(picture, _SUBSAMPLING[planar[1]], int(planar[2] or 8))
        gray = _DEEP_GRAY.fullmatch(name)
        if gray and upright:
            _, range_ = self._color(picture, is_yuv=False)
            return frame_from_gray(
                _array(picture.planes[0], picture, (1, 1), np.uint16), int(gray[1]), range_
            )
        return self._by_swscale(picture)

    def _native(self, picture: VideoFrame, format: PixelFormat) -> Frame:
        matrix, range_ = self._color(picture, is_yuv=format.is_yuv)
        dtype = np.dtype(np.uint16 if format is PixelFormat.P010 else np.uint8)
        shapes = plane_shapes(format, picture.width, picture.height)
        planes = tuple(
            _rows(plane, shape, dtype) for plane, shape in zip(picture.planes, shapes, strict=False)
        )
        return Frame(planes, picture.width, picture.height, format, range_, matrix)

    def _planar(self, picture: VideoFrame, sub: tuple[int, int], bits: int) -> Frame:
        matrix, range_ = self._color(picture, is_yuv=True)
        assert matrix is not None
        dtype = np.uint8 if bits == 8 else np.uint16
        luma = _array(picture.planes[0], picture, (1, 1), dtype)
        cb, cr = (_array(plane, picture, sub, dtype) for plane in picture.planes[1:3])
        return frame_from_yuv((luma, cb, cr), bits, *sub, matrix, range_)

    def _by_swscale(self, picture: VideoFrame) -> Frame:
        """Rarer formats: repacked by FFmpeg, RGB to RGB and YUV to YUV, so that no matrix comes in."""
        parts = picture.format.components
        deep = max(part.bits for part in parts) > 8
        if picture.format.is_rgb or picture.format.has_palette:
            target = "rgb24"
        elif len([part for part in parts if not part.is_alpha]) == 1:
            target = "gray"
        else:
            target = "yuv444p16le" if deep else "yuv444p"
        _, range_ = self._color(picture, is_yuv=target.startswith("yuv"))
        code = 2 if range_ is ColorRange.FULL else 1
        colorspace, stated, trc = picture.colorspace, picture.color_range, picture.color_trc
        try:
            picture = picture.reformat(format=target, src_color_range=code, dst_color_range=code)
        except (av.FFmpegError, ValueError) as error:
            raise SourceError(
                self._source, f"pixel format {picture.format.name} cannot be converted: {error}"
            ) from None
        picture.colorspace, picture.color_range, picture.color_trc = colorspace, stated, trc
        if target.startswith("yuv"):
            return self._planar(picture, (1, 1), 16 if deep else 8)
        return self._native(picture, NATIVE[target])

    def _color(self, picture: VideoFrame, is_yuv: bool) -> tuple[ColorMatrix | None, ColorRange]:
        code = int(picture.colorspace)
        if is_yuv and code in _UNKNOWN_MATRIX and self._options.matrix is None:
            raise SourceError(
                self._source,
                f"states the colour matrix {_UNKNOWN_MATRIX[code]}; expected bt601, bt709 or bt2020. "
                "State the nearest one to read it as that (--matrix)",
            )
        range_ = _RANGE.get(int(picture.color_range))
        if range_ is None and picture.format.name.startswith("yuvj"):
            range_ = ColorRange.FULL
        return resolve_color(
            self._source,
            self._options,
            self._notices,
            is_yuv=is_yuv,
            size=(picture.width, picture.height),
            matrix=_MATRIX.get(code),
            range=range_,
        )


def _array(
    plane: VideoPlane, picture: VideoFrame, sub: tuple[int, int], dtype: type[np.unsignedinteger[Any]]
) -> NDArray[Any]:
    shape = (-(-picture.height // sub[1]), -(-picture.width // sub[0]))
    return _rows(plane, shape, np.dtype(dtype))


def _rows(plane: VideoPlane, shape: tuple[int, int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The samples of a plane, in place; the array keeps the picture alive."""
    rows: NDArray[Any] = np.ndarray(
        shape, dtype, buffer=cast(Any, plane), strides=(plane.line_size, dtype.itemsize)
    )
    rows.flags.writeable = False
    return rows
