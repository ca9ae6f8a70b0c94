"""What can be told of an image file from its bytes, before and without decoding its pixels.

Decoders fill what is missing or damaged with grey or garbage and call it a picture. A quality score
of that would blame the camera, so every file is first walked by its own structure. Each check raises
`ImageFault` with what is wrong.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple

from leaf_edge.frames.frame import MAX_DIMENSION


class ImageFault(ValueError):
    """What is wrong with the bytes of an image, without the file's name."""


class ImageHeader(NamedTuple):
    """kind: of the file, for people. max_value: of a sample, where the file's own depth differs from
    the decoded one (PNM), else None."""

    kind: str
    width: int
    height: int
    max_value: int | None = None


def is_image(head: bytes) -> bool:
    """Whether the first bytes of a file (16 or more) are those of an image kind that is read here."""
    return any(re.match(magic, head, re.DOTALL) for magic, _, _ in _KINDS)


def read_header(data: bytes) -> ImageHeader:
    """Kind and size of an image file, its structure checked to the end.

    Raises `ImageFault` for files that are empty, of no known kind, cut short, damaged, or larger than
    `MAX_DIMENSION` a side.
    """
    if not data:
        raise ImageFault("is empty; expected an image")
    match = next((entry for entry in _KINDS if re.match(entry[0], data, re.DOTALL)), None)
    if match is None:
        known = ", ".join(kind for _, kind, _ in _KINDS)
        raise ImageFault(
            f"is not an image of a known kind ({known}); it begins with the bytes {data[:8].hex(' ')}"
        )
    _, kind, reader = match
    try:
        header = reader(data)
    except (struct.error, IndexError, OverflowError):
        raise ImageFault(f"{kind} file is cut short in its header, after {len(data)} bytes") from None
    if not (1 <= header.width <= MAX_DIMENSION and 1 <= header.height <= MAX_DIMENSION):
        raise ImageFault(
            f"{kind} file states {header.width}x{header.height} pixels; expected 1 to {MAX_DIMENSION} a side"
        )
    return header


# A marker that ends entropy-coded data: not a stuffed zero, a restart marker or fill.
_JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]", re.DOTALL)
_JPEG_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA


def _jpeg(data: bytes) -> ImageHeader:
    """ITU-T T.81 annex B: segments from SOI to EOI."""
    size: tuple[int, int] | None = None
    scans, at = 0, 2
    while True:
        while data[at : at + 2] == b"\xff\xff":
            at += 1
        if at + 2 > len(data):
            break
        if data[at] != 0xFF:
            raise ImageFault(f"JPEG file is damaged: expected a marker at byte {at}, found {data[at]:#04x}")
        marker = data[at + 1]
        at += 2
        if marker == _EOI:
            if size is None or not scans:
                raise ImageFault(f"JPEG file is damaged: it ends at byte {at} with no picture before")
            return ImageHeader("JPEG", *size)
        if marker == _SOI or marker == 0x01 or 0xD0 <= marker <= 0xD7:
            continue
        if at + 2 > len(data):
            break
        (length,) = struct.unpack_from(">H", data, at)
        if length < 2:
            raise ImageFault(
                f"JPEG file is damaged: segment of {length} bytes at byte {at}; expected 2 or more"
            )
        if marker in _JPEG_SOF and at + 7 <= len(data):
            height, width = struct.unpack_from(">HH", data, at + 3)
            size = width, height
        at += length
        if marker == _SOS:
            scans += 1
            found = _JPEG_MARKER.search(data, at)
            if found is None:
                break
            at = found.start()
    raise ImageFault(f"JPEG file is cut short: {len(data)} bytes with no end marker (EOI)")


def _png(data: bytes) -> ImageHeader:
    """PNG third edition, 5.3 and 5.6: chunks with checksums from IHDR to IEND."""
    at, has_pixels = 8, False
    width, height = struct.unpack_from(">II", data, 16)
    while at < len(data):
        if at + 12 > len(data):
            break
        (length,) = struct.unpack_from(">I", data, at)
        name = data[at + 4 : at + 8]
        if at + 12 + length > len(data):
            break
        (checksum,) = struct.unpack_from(">I", data, at + 8 + length)
        if zlib.crc32(memoryview(data)[at + 4 : at + 8 + length]) != checksum:
            raise ImageFault(f"PNG file is damaged: chunk {_text(name)} at byte {at} fails its checksum")
        if at == 8 and name != b"IHDR":
            raise ImageFault(f"PNG file is damaged: expected chunk IHDR first, found {_text(name)}")
        has_pixels |= name == b"IDAT"
        at += 12 + length
        if name == b"IEND":
            if not has_pixels:
                raise ImageFault("PNG file is damaged: it holds no pixels (chunk IDAT)")
            return ImageHeader("PNG", width, height)
    raise ImageFault(f"PNG file is cut short: {len(data)} bytes with no end (chunk IEND)")


def _bmp(data: bytes) -> ImageHeader:
    pixels_at, header_size = struct.unpack_from("<II", data, 10)
    width, height = struct.unpack_from("<HH" if header_size == 12 else "<ii", data, 18)
    if pixels_at >= len(data):
        raise ImageFault(f"BMP file is cut short: pixels begin at byte {pixels_at}, file has {len(data)}")
    return ImageHeader("BMP", width, abs(height))  # negative height: rows from the top


def _webp(data: bytes) -> ImageHeader:
    """RFC 9649: RIFF container; sizes of VP8 (RFC 6386, 9.1), VP8L and VP8X."""
    (size,) = struct.unpack_from("<I", data, 4)
    if size + 8 > len(data):
        raise ImageFault(f"WebP file is cut short: {len(data)} of {size + 8} bytes")
    kind = data[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(data[24:27], "little") + 1
        height = int.from_bytes(data[27:30], "little") + 1
    elif kind == b"VP8L":
        (packed,) = struct.unpack_from("<I", data, 21)
        width, height = (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    else:
        raise ImageFault(f"WebP file is damaged: expected chunk VP8, VP8L or VP8X, found {_text(kind)}")
    return ImageHeader("WebP", width, height)


def _tiff(data: bytes) -> ImageHeader:
    """TIFF 6.0 section 2: first image file directory; strips and tiles inside the file."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    at = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
    entry, count_code, value_size = ("HHQ", "Q", 8) if big else ("HHI", "H", 4)
    (count,) = struct.unpack_from(order + count_code, data, at)
    at += struct.calcsize(order + count_code)
    sides: dict[int, int] = {}
    for number in range(min(count, 4096)):
        start = at + number * (4 + 2 * value_size)
        tag, kind, _ = struct.unpack_from(order + entry, data, start)
        if tag in (256, 257):
            code = {1: "B", 3: "H", 4: "I", 16: "Q"}.get(kind, "I")
            (sides[tag],) = struct.unpack_from(order + code, data, start + 4 + value_size)
    if len(sides) != 2:
        raise ImageFault("TIFF file is damaged: its first directory states no width and height")
    return ImageHeader("TIFF", sides[256], sides[257])


_PNM_TOKEN = re.compile(rb"(?:\s|#[^\n]*\n)+(\d{1,9})")


def _pnm(data: bytes) -> ImageHeader:
    """Netpbm pbm(5), pgm(5), ppm(5): numbers in text, comments between, then the samples."""
    version, numbers, at = data[1] - ord("0"), [], 2
    for _ in range(2 if version in (1, 4) else 3):
        token = _PNM_TOKEN.match(data, at)
        if token is None:
            raise ImageFault(f"PNM file is damaged: expected a number in its header at byte {at}")
        numbers.append(int(token[1]))
        at = token.end()
    width, height = numbers[:2]
    top = numbers[2] if len(numbers) == 3 else 1
    if not 1 <= top <= 65535:
        raise ImageFault(f"PNM file is damaged: largest value is {top}; expected 1 to 65535")
    channels = 3 if version in (3, 6) else 1
    if version >= 4:
        row = (width + 7) // 8 if version == 4 else width * channels * (2 if top > 255 else 1)
        need, found = row * height, max(len(data) - at - 1, 0)
        if found < need:
            raise ImageFault(f"PNM file is cut short: {found} of {need} bytes of samples")
    # OpenCV scales the text form of up to 8 bits itself.
    scaled = version in (1, 4) or (version in (2, 3) and top <= 255)
    return ImageHeader("PNM", width, height, None if scaled else top)


def _text(name: bytes) -> str:
    return ascii(name.decode("latin-1"))


_KINDS: tuple[tuple[bytes, str, Callable[[bytes], ImageHeader]], ...] = (
    (rb"\xff\xd8\xff", "JPEG", _jpeg),
    (rb"\x89PNG\r\n\x1a\n", "PNG", _png),
    (rb"BM", "BMP", _bmp),
    (rb"RIFF....WEBP", "WebP", _webp),
    (rb"II[*+]\0|MM\0[*+]", "TIFF", _tiff),
    (rb"P[1-6][\s#]", "PNM", _pnm),
)
