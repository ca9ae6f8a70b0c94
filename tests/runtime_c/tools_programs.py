"""leaf-score and leaf-info as programs, and the sources that their tests read."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import zlib
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from helpers_build import ROOT, build_cpp, onnxruntime_library
from numpy.typing import NDArray

from leaf_edge.frames import ColorMatrix, ColorRange, PixelFormat
from leaf_edge.frames.convert import to_format

MODEL = ROOT / "leaf_edge" / "models" / "leaf-s.leaf"
WIDTH, HEIGHT = 203, 151
"""Of the frames: odd, so that chroma planes round up."""


@cache
def program(name: str) -> Path:
    """The tool `name`, built as `make test-cpp` does."""
    return build_cpp("leaf-score", "leaf-info") / "runtime" / "tools" / name


def environment() -> dict[str, str]:
    """Variables with which a tool finds the libonnxruntime that Python uses."""
    return {**os.environ, "LEAF_ONNXRUNTIME": str(onnxruntime_library()), "OMP_NUM_THREADS": "1"}


def tool(
    name: str, *arguments: str | Path, data: bytes = b"", cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Runs a tool to its end."""
    command = [program(name), *arguments]
    return subprocess.run(
        command, input=data, capture_output=True, check=False, env=environment(), cwd=cwd, timeout=120
    )


def picture(seed: int = 0, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """Coarse colour patches with noise, uint8 [height, width, 3]."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float64)
    noisy = smooth + rng.normal(0, 4 + 6 * (seed % 3), smooth.shape)
    return np.asarray(np.clip(noisy, 0, 255).astype(np.uint8))


def raw_frames(fmt: PixelFormat, count: int, padding: int = 0) -> bytes:
    """`count` frames of `fmt`, rows followed by `padding` bytes (half of it for the chroma of I420)."""
    data = b""
    for seed in range(count):
        frame = to_format(
            picture(seed), fmt, ColorMatrix.BT709, ColorRange.LIMITED if fmt.is_yuv else ColorRange.FULL
        )
        for number, plane in enumerate(frame.planes):
            filler = b"\xa5" * ((padding + 1) // 2 if number and fmt is PixelFormat.I420 else padding)
            data += b"".join(row.tobytes() + filler for row in plane)
    return data


CHROMA = re.compile(r"(?:(mono)(\d*)|(\d{3})(?:jpeg|mpeg2|paldv)?(?:p(\d+))?(alpha)?)")
SUBSAMPLING = {"420": (2, 2), "422": (2, 1), "444": (1, 1), "411": (4, 1)}


def y4m(chroma: str, count: int = 2, tags: str = "") -> bytes:
    """A y4m file with any chroma tag: `420jpeg`, `422p10`, `mono12`, ..."""
    match = CHROMA.fullmatch(chroma)
    assert match is not None
    bits = int(match[2] or match[4] or 8)
    sub = SUBSAMPLING.get(match[3] or "")
    shapes = [(HEIGHT, WIDTH)]
    if sub:
        shapes += [(-(-HEIGHT // sub[1]), -(-WIDTH // sub[0]))] * 2
    if match[5]:
        shapes += [(HEIGHT, WIDTH)]
    data = f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F30000:1001 Ip C{chroma}{tags}\n".encode()
    for frame in range(count):
        data += b"FRAME Ip\n" if frame % 2 else b"FRAME\n"
        for number, (rows, columns) in enumerate(shapes):
            plane = cv2.resize(picture(7 * frame + number)[:, :, 0], (columns, rows)).astype(np.float64)
            codes = np.clip(np.rint(plane / 255 * ((1 << bits) - 1)), 0, (1 << bits) - 1)
            data += codes.astype(np.uint8 if bits == 8 else "<u2").tobytes()
    return data


def png(
    color: int,
    bits: int,
    samples: NDArray[np.generic],
    more: list[tuple[bytes, bytes]] | None = None,
) -> bytes:
    """A PNG of any colour type, not interlaced.

    samples: [height, bytes of a row]; more: chunks before IDAT.
    """

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    height, row = samples.shape
    width = row * 8 // (bits * channels)
    lines = b"".join(b"\0" + line.tobytes() for line in samples.astype(np.uint8))
    head = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    parts = [(b"IHDR", head), *(more or []), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, body) for name, body in parts)


def exif(orientation: int, order: str = "<") -> bytes:
    """Exif data that states an orientation, after another entry."""
    mark = b"II" if order == "<" else b"MM"
    entries = struct.pack(order + "HHII", 0x0100, 4, 1, WIDTH)
    entries += struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return mark + struct.pack(order + "HIH", 42, 8, 2) + entries + struct.pack(order + "I", 0)


def with_exif(jpeg: bytes, orientation: int, order: str = "<") -> bytes:
    """A JPEG file with Exif data put in front."""
    body = b"Exif\0\0" + exif(orientation, order)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]
