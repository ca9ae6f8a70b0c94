"""Makes the files that the tests of the sources read."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def photograph(width: int, height: int, seed: int = 0, noise: float = 4) -> Picture:
    """A smooth coloured RGB picture with noise of its own in each channel, uint8 [height, width, 3]."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(50, 206, (5, 6, 3)).astype(np.float32)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth + rng.normal(0, noise, smooth.shape), 0, 255).astype(np.uint8)


def corners() -> Picture:
    """Grey 24 x 16 picture with another value in each quarter: 40 80 / 120 200."""
    picture = np.empty((16, 24), np.uint8)
    picture[:8, :12], picture[:8, 12:], picture[8:, :12], picture[8:, 12:] = 40, 80, 120, 200
    return picture


def encoded(suffix: str, picture: NDArray[Any], *parameters: int) -> bytes:
    """An image file of OpenCV's; colour pictures in its order B G R."""
    ok, data = cv2.imencode(suffix, picture, list(parameters))
    assert ok
    return data.tobytes()


def exif(orientation: int, order: str = "<") -> bytes:
    """A TIFF structure with the one tag Orientation (274)."""
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(order + "IHHHIHHI", 8, 1, 274, 3, 1, orientation, 0, 0)


def with_exif(suffix: str, data: bytes, orientation: int, order: str = "<") -> bytes:
    """The same JPEG or PNG with an Exif orientation."""
    block = exif(orientation, order)
    if suffix == ".jpg":
        block = b"Exif\0\0" + block
        return data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]
    assert suffix == ".png"
    return data[:33] + png_chunk(b"eXIf", block) + data[33:]


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, depth: int, color_type: int, rows: bytes) -> bytes:
    """A PNG of filtered `rows` as given."""
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(rows))
        + png_chunk(b"IEND", b"")
    )


def video_planes(picture: av.VideoFrame) -> list[NDArray[Any]]:
    """Writable bytes of the planes of a picture of FFmpeg's, rows with their padding."""
    return [np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size) for plane in picture.planes]


def fill(pix_fmt: str, width: int, height: int, seed: int, top: int = 255) -> av.VideoFrame:
    """A picture of random samples of at most `top`, 16-bit words where `top` is above 255."""
    rng = np.random.default_rng(seed)
    picture = av.VideoFrame(width, height, pix_fmt)
    for plane in picture.planes:
        count = plane.buffer_size
        if top > 255:
            plane.update(rng.integers(0, top + 1, count // 2).astype("<u2").tobytes())
        else:
            plane.update(rng.integers(0, top + 1, count).astype(np.uint8).tobytes())
    return picture


def write_video(
    path: Path,
    pictures: list[av.VideoFrame],
    codec: str = "ffv1",
    rate: int = 25,
    rotation: int = 0,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    **context: int,
) -> Path:
    """Encode pictures of one format; `context`: color_range, colorspace, ... as the file shall state."""
    first = pictures[0]
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = first.width, first.height, first.format.name
        for name, value in context.items():
            setattr(stream.codec_context, name, value)
        if rotation:
            stream.set_display_rotation(rotation)
        for number, picture in enumerate(pictures):
            picture.pts = number
            for name in ("color_range", "colorspace"):
                if name in context:
                    setattr(picture, name, context[name])
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def y4m(tags: str, frames: list[bytes], width: int = 6, height: int = 4, frame_tags: str = "") -> bytes:
    """A y4m stream of packed frames."""
    head = f"YUV4MPEG2 W{width} H{height} {tags}".rstrip().encode() + b"\n"
    return head + b"".join(b"FRAME" + frame_tags.encode() + b"\n" + frame for frame in frames)


def random_bytes(count: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).integers(0, 256, count).astype(np.uint8).tobytes()
