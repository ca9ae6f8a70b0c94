"""Image files as frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from leaf_edge.frames.frame import ColorRange, Frame, PixelFormat
from leaf_edge.frames.image_file import ImageFault, ImageHeader, read_header
from leaf_edge.frames.source import DEFAULTS, Notice, Notices, Source, SourceError, SourceOptions

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".webp", ".tif", ".tiff"}
    | {".pgm", ".ppm", ".pnm", ".pbm"}
)

MAX_IMAGE_BYTES = 1 << 30
"""Largest image file that is read."""

# Colour and depth as the file has them, Exif orientation applied, alpha dropped.
_FLAGS = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH

_NOT_FOR_IMAGES = "images are full-range RGB by definition; the stated matrix or range is not used for them"


def read_image(path: str | Path, options: SourceOptions = DEFAULTS, notice: Notice | None = None) -> Frame:
    """One image file as a frame: BGR or GRAY8, full range. Safe to call from many threads at once.

    Exif orientation is applied; alpha is ignored, not blended; 16-bit samples become
    (v * 255 + 32767) // 65535; of several pictures in a file, the first is read.
    Raises `SourceError` for files that cannot be read, are no image, are cut short or damaged, or are
    larger than `MAX_DIMENSION` a side, whatever `options.on_error` says.
    """
    name = str(path)
    if notice is not None and (options.matrix is not None or options.range is not None):
        notice(f"{name}: {_NOT_FOR_IMAGES}")
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_IMAGE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise SourceError(name, f"cannot be read: {_reason(error)}") from None
    if len(data) > MAX_IMAGE_BYTES:
        raise SourceError(name, f"is larger than {MAX_IMAGE_BYTES} bytes; no image file is expected to be")
    try:
        pixels = decode_image(data)
    except ImageFault as fault:
        raise SourceError(name, str(fault)) from None
    return Frame.from_array(
        pixels, PixelFormat.GRAY8 if pixels.ndim == 2 else PixelFormat.BGR, ColorRange.FULL, source=name
    )


def decode_image(data: bytes) -> NDArray[np.uint8]:
    """Pixels of an image file: uint8, [height, width, 3] in order B G R, or grey [height, width].

    Raises `ImageFault`.
    """
    header = read_header(data)
    if header.kind == "JPEG":
        _check_jpeg_scans(data)
    level = cv2.utils.logging.getLogLevel()
    if level != cv2.utils.logging.LOG_LEVEL_SILENT:
        # What OpenCV would print is reported as an error with the file's name.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS)
    except (cv2.error, MemoryError) as error:
        raise ImageFault(
            f"{header.kind} file cannot be decoded: {str(error).strip() or 'no memory'}"
        ) from None
    if pixels is None:
        raise ImageFault(f"{header.kind} file is cut short, damaged, or of a kind that OpenCV does not read")
    if sorted(pixels.shape[:2]) != sorted((header.height, header.width)):
        raise ImageFault(
            f"{header.kind} file is damaged: it states {header.width}x{header.height} pixels, "
            f"{pixels.shape[1]}x{pixels.shape[0]} were decoded"
        )
    return _to_8_bits(pixels, header)


def _to_8_bits(pixels: NDArray[np.generic], header: ImageHeader) -> NDArray[np.uint8]:
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ImageFault(f"{header.kind} file has {pixels.dtype} samples; expected 8 or 16 bits, unsigned")
    natural = 255 if pixels.dtype == np.uint8 else 65535
    top = header.max_value or natural
    if top == 255 and pixels.dtype == np.uint8:
        return pixels  # type: ignore[return-value]
    codes = np.arange(natural + 1, dtype=np.int64)
    table = np.minimum((codes * 255 + top // 2) // top, 255).astype(np.uint8)
    return np.asarray(table[pixels])


def _check_jpeg_scans(data: bytes) -> None:
    """Raise `ImageFault` where the entropy-coded data of a Huffman JPEG breaks off or is not decodable.

    libjpeg fills what is missing with grey and only prints a warning. FFmpeg's decoder, told not to
    conceal, reports it; without the inverse transform it costs about half of libjpeg's time.
    """
    import av

    context = av.CodecContext.create("mjpeg", "r")
    context.thread_count = 1
    context.options = {"err_detect": "explode", "skip_idct": "all"}
    try:
        context.decode(av.Packet(data))
        context.decode(None)
    except av.error.InvalidDataError:
        raise ImageFault(
            "JPEG file is damaged: its compressed data breaks off or cannot be decoded"
        ) from None
    except av.FFmpegError:
        return  # a variant that FFmpeg does not decode (arithmetic coding, CMYK, 12 bits): not checked


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


class ImageSource(Source):
    """One image file."""

    kind = "image"

    def __init__(self, path: Path, name: str, options: SourceOptions, notices: Notices) -> None:
        super().__init__(name, options)
        self.length = 1
        self._path = path
        announce_stated_color(name, options, notices)

    def _frames(self) -> Iterator[Frame]:
        try:
            frame = read_image(self._path)
        except SourceError as error:
            self._problem(error)
            return
        yield frame.with_capture(index=0, time_s=None, source=self.name)


def announce_stated_color(name: str, options: SourceOptions, notices: Notices) -> None:
    """Say once that a stated matrix or range has no meaning for images."""
    if options.matrix is not None or options.range is not None:
        notices.once(name, _NOT_FOR_IMAGES)
