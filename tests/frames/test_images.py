"""Image files: every kind, depth and orientation; what is damaged is named."""

from __future__ import annotations

import itertools
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from frame_inputs import corners, encoded, exif, photograph, png, png_chunk, with_exif
from hypothesis import given, settings
from hypothesis import strategies as st

from leaf_edge.frames import (
    MAX_DIMENSION,
    ColorMatrix,
    ColorRange,
    Frame,
    FrameError,
    PixelFormat,
    SourceError,
    SourceOptions,
    decode_image,
    open_source,
    read_image,
)
from leaf_edge.frames.image_file import ImageFault
from leaf_edge.frames.rgb import to_rgb

BGR = photograph(37, 23)
LOSSLESS = [".png", ".bmp", ".tiff", ".ppm", ".pnm", ".webp"]
EXACT_WEBP = (cv2.IMWRITE_WEBP_QUALITY, 101)


def image(tmp_path: Path, name: str, data: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def fault(tmp_path: Path, name: str, data: bytes) -> str:
    """The message of the error that reading gives, without the path."""
    path = image(tmp_path, name, data)
    with pytest.raises(SourceError) as caught:
        read_image(path)
    assert caught.value.source == str(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_lossless_kinds_give_the_pixels(tmp_path: Path, suffix: str) -> None:
    parameters = EXACT_WEBP if suffix == ".webp" else ()
    frame = read_image(image(tmp_path, f"a{suffix}", encoded(suffix, BGR, *parameters)))
    assert (frame.format, frame.range, frame.matrix) == (PixelFormat.BGR, ColorRange.FULL, None)
    assert (frame.width, frame.height, frame.index, frame.time_s) == (37, 23, 0, None)
    assert np.array_equal(to_rgb(frame), BGR[:, :, ::-1])


@pytest.mark.parametrize(
    "parameters", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)]
)
def test_jpeg_is_close(tmp_path: Path, parameters: tuple[int, ...]) -> None:
    smooth = cv2.GaussianBlur(BGR, (0, 0), 3)
    frame = read_image(image(tmp_path, "a.jpg", encoded(".jpg", smooth, *parameters)))
    assert np.abs(to_rgb(frame).astype(int) - smooth[:, :, ::-1]).mean() < 2


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".tiff", ".pgm"])
def test_grey_stays_grey(tmp_path: Path, suffix: str) -> None:
    frame = read_image(image(tmp_path, f"a{suffix}", encoded(suffix, corners())))
    assert (frame.format, frame.range) == (PixelFormat.GRAY8, ColorRange.FULL)
    assert np.abs(frame.planes[0].astype(int) - corners()).max() <= 2


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tiff", ".bmp"])
def test_alpha_is_ignored_not_blended(tmp_path: Path, suffix: str) -> None:
    parameters = EXACT_WEBP if suffix == ".webp" else ()
    alpha = np.full((*BGR.shape[:2], 1), 3, np.uint8)
    frame = read_image(
        image(tmp_path, f"a{suffix}", encoded(suffix, np.concatenate([BGR, alpha], 2), *parameters))
    )
    assert frame.format is PixelFormat.BGR
    assert np.array_equal(to_rgb(frame), BGR[:, :, ::-1])


def test_grey_with_alpha(tmp_path: Path) -> None:
    data = png(3, 2, 8, 4, (b"\0" + bytes([100, 7] * 3)) * 2)
    assert np.all(to_rgb(read_image(image(tmp_path, "a.png", data))) == 100)


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".pgm"])
def test_16_bit_is_rounded_to_8(tmp_path: Path, suffix: str) -> None:
    samples = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    frame = read_image(image(tmp_path, f"a{suffix}", encoded(suffix, samples)))
    expected = (samples.astype(np.uint64) * 255 + 32767) // 65535
    assert frame.format is PixelFormat.GRAY8
    assert np.array_equal(frame.planes[0], expected)


def test_16_bit_colour_with_alpha(tmp_path: Path) -> None:
    wide = np.dstack([BGR, BGR[:, :, 0]]).astype(np.uint16) * 257
    frame = read_image(image(tmp_path, "a.png", encoded(".png", wide)))
    assert np.array_equal(to_rgb(frame), BGR[:, :, ::-1])


@pytest.mark.parametrize("version", [b"P2", b"P5"])
@pytest.mark.parametrize("top", [1, 100, 255, 1023, 4095, 65535])
def test_pnm_is_scaled_by_its_largest_value(tmp_path: Path, version: bytes, top: int) -> None:
    values = sorted({0, 1, top // 3, top // 2, top})
    if version == b"P2":
        samples = " ".join(map(str, values)).encode() + b"\n"
    else:
        samples = b"".join(struct.pack(">H" if top > 255 else "B", value) for value in values)
    data = version + b"\n# a camera's 10 bits\n%d 1\n%d\n" % (len(values), top) + samples
    found = read_image(image(tmp_path, "a.pgm", data)).planes[0][0]
    exact = np.array(values) * 255 / top
    assert np.abs(found - exact).max() <= 1  # OpenCV truncates text samples of up to 8 bits


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_exif_orientation_is_applied(tmp_path: Path, suffix: str, order: str) -> None:
    stored = corners()
    upright = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.T,
        6: np.rot90(stored, -1),
        7: stored[::-1, ::-1].T,
        8: np.rot90(stored),
    }
    plain = encoded(suffix, stored, cv2.IMWRITE_JPEG_QUALITY, 100)
    for orientation, expected in upright.items():
        path = image(tmp_path, f"{orientation}{suffix}", with_exif(suffix, plain, orientation, order))
        frame = read_image(path)
        assert (frame.height, frame.width) == expected.shape
        assert np.abs(frame.planes[0].astype(int) - expected).max() <= 3, orientation


def test_orientation_of_webp_and_tiff(tmp_path: Path) -> None:
    inner = encoded(".webp", np.dstack([corners()] * 3), *EXACT_WEBP)[12:]
    size = (23).to_bytes(3, "little") + (15).to_bytes(3, "little")
    block = exif(6)
    chunks = b"VP8X" + struct.pack("<I", 10) + b"\x08\0\0\0" + size + inner
    chunks += b"EXIF" + struct.pack("<I", len(block)) + block
    webp = b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks
    rows = corners().tobytes()
    tags = [
        (256, 24),
        (257, 16),
        (258, 8),
        (259, 1),
        (262, 1),
        (273, 8),
        (274, 6),
        (278, 16),
        (279, len(rows)),
    ]
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    tiff = b"II*\0" + struct.pack("<I", 8 + len(rows)) + rows + struct.pack("<H", len(tags)) + directory
    for name, data in (("a.webp", webp), ("a.tif", tiff + bytes(4))):
        frame = read_image(image(tmp_path, name, data))
        assert np.array_equal(to_rgb(frame)[:, :, 0], np.rot90(corners(), -1)), name


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_unknown_orientation_is_as_none(tmp_path: Path, orientation: int) -> None:
    data = with_exif(".png", encoded(".png", corners()), orientation)
    assert np.array_equal(read_image(image(tmp_path, "a.png", data)).planes[0], corners())


@pytest.mark.parametrize("suffix", [".jpg", *LOSSLESS])
@pytest.mark.parametrize("name", ["été 写真 📷", "with space", "-dash", "a.b.c"])
def test_any_file_name(tmp_path: Path, name: str, suffix: str) -> None:
    path = image(tmp_path, name + suffix, encoded(suffix, BGR))
    with open_source(path) as source:
        frames = list(source)
    assert [frame.source for frame in frames] == [str(path)]
    assert source.problems == []


@pytest.mark.parametrize("suffix", [".jpg", *LOSSLESS])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.7, 0.95, 0.999])
def test_cut_short_is_reported(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str, part: float
) -> None:
    data = encoded(suffix, photograph(120, 90))
    message = fault(tmp_path, f"a{suffix}", data[: max(int(len(data) * part), 13)])
    assert "cut short" in message or "damaged" in message
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "parameters", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)]
)
@pytest.mark.parametrize("part", [0.5, 0.9, 0.99])
def test_jpeg_with_missing_data_but_an_end_marker(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], parameters: tuple[int, ...], part: float
) -> None:
    data = encoded(".jpg", photograph(120, 90), *parameters)
    message = fault(tmp_path, "a.jpg", data[: int(len(data) * part)] + b"\xff\xd9")
    assert message == "JPEG file is damaged: its compressed data breaks off or cannot be decoded"
    assert capfd.readouterr().err == ""


def test_jpeg_with_a_thumbnail_is_read_to_its_own_end(tmp_path: Path) -> None:
    """The end marker of an embedded picture does not stand for the file's."""
    thumbnail = encoded(".jpg", corners())
    data = encoded(".jpg", BGR)
    segment = b"\xff\xe2" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    whole = data[:2] + segment + data[2:]
    assert read_image(image(tmp_path, "a.jpg", whole)).width == 37
    assert "no end marker" in fault(tmp_path, "b.jpg", whole[:-2])


def test_bytes_after_the_end_do_not_matter(tmp_path: Path) -> None:
    for suffix in (".jpg", ".png"):
        assert read_image(image(tmp_path, f"a{suffix}", encoded(suffix, BGR) + b"motion photo")).width == 37


def test_damaged_png_names_the_chunk(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray(encoded(".png", BGR))
    data[len(data) // 2] ^= 1
    assert "chunk 'IDAT' at byte 33 fails its checksum" in fault(tmp_path, "a.png", bytes(data))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.jpg", b"", "is empty; expected an image"),
        ("a.jpg", b"just some text", "is not an image of a known kind (JPEG, PNG, BMP, WebP, TIFF, PNM)"),
        ("a.jpg", b"\xff\xd8\xff", "JPEG file is cut short"),
        ("a.jpg", b"\xff\xd8\xff\xd9", "with no picture before"),
        ("a.png", b"\x89PNG\r\n\x1a\n", "PNG file is cut short in its header, after 8 bytes"),
        ("a.pgm", b"P5 4 4 255\nshort", "PNM file is cut short: 5 of 16 bytes of samples"),
        ("a.pgm", b"P5 4 x", "expected a number in its header at byte 4"),
        ("a.pgm", b"P5 4 4 70000\n" + bytes(99), "largest value is 70000"),
        ("a.ppm", b"P6 0 4 255\n", "states 0x4 pixels; expected 1 to 16384 a side"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, name: str, data: bytes, expected: str) -> None:
    assert expected in fault(tmp_path, name, data)


def test_content_counts_not_the_extension(tmp_path: Path) -> None:
    frame = read_image(image(tmp_path, "png inside.jpg", encoded(".png", BGR)))
    assert np.array_equal(to_rgb(frame), BGR[:, :, ::-1])
    nameless = image(tmp_path, "no_extension", encoded(".png", BGR))
    assert open_source(nameless).kind == "image"


def jpeg_of_size(width: int, height: int) -> bytes:
    data = bytearray(encoded(".jpg", BGR))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.png", png(MAX_DIMENSION + 1, 1, 8, 0, bytes(9))),
        ("a.png", png(100000, 100000, 8, 0, bytes(9))),
        ("a.jpg", jpeg_of_size(20, MAX_DIMENSION + 1)),
        ("a.pgm", b"P5 20000 1 255\n" + bytes(20000)),
        ("a.bmp", encoded(".bmp", BGR)[:18] + struct.pack("<ii", 70000, 70000) + encoded(".bmp", BGR)[26:]),
    ],
)
def test_oversize_is_refused_before_decoding(tmp_path: Path, name: str, data: bytes) -> None:
    assert f"expected 1 to {MAX_DIMENSION} a side" in fault(tmp_path, name, data)


def test_float_samples_are_refused(tmp_path: Path) -> None:
    data = encoded(".tiff", np.zeros((4, 5, 3), np.float32))
    assert "float32 samples; expected 8 or 16 bits" in fault(tmp_path, "a.tiff", data)


def test_missing_and_unreadable(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.png: cannot be read: No such file"):
        read_image(tmp_path / "none.png")
    with pytest.raises(SourceError, match="cannot be read: Is a directory"):
        read_image(tmp_path)
    with pytest.raises(SourceError, match="cannot be read"):
        read_image("a\0b.png")


def test_skip_collects_and_fail_raises(tmp_path: Path) -> None:
    path = image(tmp_path, "a.png", b"nothing")
    source = open_source(path)
    assert list(source) == [] and list(source) == []
    assert [problem.source for problem in source.problems] == [str(path)]
    with pytest.raises(SourceError, match="not an image"):
        list(open_source(path, SourceOptions(on_error="fail")))


def test_stated_colour_is_announced_as_unused(tmp_path: Path) -> None:
    path = image(tmp_path, "a.png", encoded(".png", BGR))
    said: list[str] = []
    options = SourceOptions(matrix=ColorMatrix.BT709, range=ColorRange.LIMITED)
    frames = list(open_source(path, options, notice=said.append))
    assert frames[0].range is ColorRange.FULL
    assert len(said) == 1 and said[0].startswith(f"{path}: images are full-range RGB by definition")
    list(open_source(path, notice=said.append))
    assert len(said) == 1


SEEDS = [
    *(encoded(suffix, BGR) for suffix in (".jpg", ".png", ".bmp", ".tiff", ".webp", ".ppm")),
    with_exif(".jpg", encoded(".jpg", corners()), 6),
    encoded(".jpg", BGR, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    encoded(".png", BGR.astype(np.uint16) * 257),
    b"P2\n3 2\n1023\n1 2 3 4 5 6\n",
]


@settings(max_examples=300, deadline=None)
@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    in_header=st.booleans(),
    cut=st.floats(0, 1),
)
def test_no_bytes_crash_the_reader(
    seed: bytes, edits: list[tuple[float, int]], in_header: bool, cut: float
) -> None:
    """Mutated files give a whole frame or the one kind of error."""
    data = bytearray(seed if cut < 0.5 else seed[: int(len(seed) * cut)])
    for place, value in edits:
        if data:
            data[int(place * (min(len(data), 80 if in_header else len(data)) - 1))] = value
    try:
        pixels = decode_image(bytes(data))
    except ImageFault as error:
        assert str(error)
    else:
        Frame.from_array(pixels, PixelFormat.GRAY8 if pixels.ndim == 2 else PixelFormat.BGR)


@settings(max_examples=200, deadline=None)
@given(
    head=st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0+", b"P5 ", b"BM", b""]),
    rest=st.binary(max_size=200),
)
def test_no_header_crashes_the_reader(head: bytes, rest: bytes) -> None:
    try:
        decode_image(head + rest)
    except ImageFault as error:
        assert str(error)


def test_png_chunk_helper_is_a_valid_chunk() -> None:
    """Guards the tests above: the inputs that they call valid are valid."""
    for depth, color_type in itertools.product((8,), (0, 4)):
        decode_image(png(2, 1, depth, color_type, b"\0" + bytes(4 if color_type else 2)))
    assert png_chunk(b"IEND", b"") == bytes.fromhex("0000000049454e44ae426082")


def test_error_passes_between_processes() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(SourceError("a.png", "is empty")))
    assert (str(error), error.source) == ("a.png: is empty", "a.png")
    assert isinstance(error, FrameError)
