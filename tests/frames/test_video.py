"""Video files: samples as decoded, colour as stated, time stamps, damage."""

from __future__ import annotations

import threading
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from frame_inputs import fill, photograph, random_bytes, video_planes, write_video

from leaf_edge.frames import (
    ColorMatrix,
    ColorRange,
    Frame,
    PixelFormat,
    SourceError,
    SourceOptions,
    open_source,
    to_format,
)
from leaf_edge.frames.rgb import to_rgb
from leaf_edge.frames.source import Notices
from leaf_edge.frames.video_frame import NATIVE, FrameReader

FAIL = SourceOptions(on_error="fail")
BT709, BT470BG, SMPTE170M, SMPTE240M, BT2020 = 1, 5, 6, 7, 9  # AVColorSpace
LIMITED, FULL = 1, 2  # AVColorRange


def read(path: Path, options: SourceOptions = FAIL, said: list[str] | None = None) -> list[Frame]:
    with open_source(path, options, notice=None if said is None else said.append) as source:
        return list(source)


def moving(count: int, width: int = 96, height: int = 64) -> list[av.VideoFrame]:
    """Pictures that an encoder has something to do with, yuv420p."""
    large = photograph(width + count, height, noise=8)
    return [
        av.VideoFrame.from_ndarray(np.ascontiguousarray(large[:, i : i + width]), "rgb24").reformat(
            format="yuv420p"
        )
        for i in range(count)
    ]


def samples(picture: av.VideoFrame, plane: int, rows: int, row_bytes: int) -> np.ndarray:
    return video_planes(picture)[plane][:rows, :row_bytes]


def as_frame(picture: av.VideoFrame, options: SourceOptions = FAIL, said: list[str] | None = None) -> Frame:
    """What a source would make of one decoded picture."""
    notices = Notices(None if said is None else said.append)
    return FrameReader("clip", options, notices).frame(picture)


@pytest.mark.parametrize("size", [(64, 48), (65, 49)])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "gray", "bgra", "bgr0", "yuva420p"])
def test_lossless_video_gives_the_samples(tmp_path: Path, pix_fmt: str, size: tuple[int, int]) -> None:
    pictures = [fill(pix_fmt, *size, seed) for seed in range(3)]
    frames = read(write_video(tmp_path / "a.mkv", pictures))
    assert len(frames) == 3
    for frame, picture in zip(frames, pictures, strict=True):
        assert frame.format is NATIVE[pix_fmt]
        assert (frame.width, frame.height) == size
        for number, plane in enumerate(frame.planes):
            found, expected = plane, samples(picture, number, plane.shape[0], plane.shape[1])
            if pix_fmt == "bgr0":  # the codec does not keep the unused byte
                found, expected = (np.delete(part, np.s_[3::4], axis=1) for part in (found, expected))
            assert np.array_equal(found, expected)


@pytest.mark.parametrize("pix_fmt", sorted(NATIVE))
def test_native_formats_share_the_decoder_memory(pix_fmt: str) -> None:
    picture = fill(pix_fmt, 64, 48, 1)
    frame = as_frame(picture)
    assert frame.format is NATIVE[pix_fmt]
    # Row padding of the decoder's buffer stays: pitch, not a copy.
    assert [plane.strides[0] for plane in frame.planes] == [p.line_size for p in picture.planes][
        : len(frame.planes)
    ]
    assert not any(plane.flags.writeable for plane in frame.planes)
    first = [plane.copy() for plane in frame.planes]
    del picture
    for plane, before in zip(frame.planes, first, strict=True):
        assert np.array_equal(plane, before)


def test_422_becomes_yuyv_without_loss(tmp_path: Path) -> None:
    picture = fill("yuv422p", 33, 9, 1)
    (frame,) = read(write_video(tmp_path / "a.mkv", [picture]))
    assert frame.format is PixelFormat.YUYV
    row = frame.planes[0]
    assert np.array_equal(row[:, 0::2][:, :33], samples(picture, 0, 9, 33))
    assert np.array_equal(row[:, 1::4], samples(picture, 1, 9, 17))
    assert np.array_equal(row[:, 3::4], samples(picture, 2, 9, 17))


def test_10_bit_420_becomes_p010_without_loss(tmp_path: Path) -> None:
    picture = fill("yuv420p10le", 32, 10, 1, top=1023)
    (frame,) = read(write_video(tmp_path / "a.mkv", [picture]))
    assert frame.format is PixelFormat.P010
    luma, cb, cr = (
        np.ascontiguousarray(samples(picture, i, rows, 2 * columns)).view("<u2")
        for i, (rows, columns) in enumerate([(10, 32), (5, 16), (5, 16)])
    )
    assert np.array_equal(frame.planes[0], luma << 6)
    assert np.array_equal(frame.planes[1][:, 0::2], cb << 6)
    assert np.array_equal(frame.planes[1][:, 1::2], cr << 6)


@pytest.mark.parametrize("colorspace", [BT709, BT470BG, BT2020])
@pytest.mark.parametrize("color_range", [LIMITED, FULL])
@pytest.mark.parametrize(
    "pix_fmt", ["yuv444p", "yuv444p10le", "nv24", "yuv440p", "yuv411p", "yuv410p", "nv16"]
)
def test_other_subsamplings_keep_flat_colours(pix_fmt: str, color_range: int, colorspace: int) -> None:
    """By the stated matrix and range, whether this project or FFmpeg repacks the samples."""
    color = np.array([200, 60, 30])
    matrix = {BT709: ColorMatrix.BT709, BT470BG: ColorMatrix.BT601, BT2020: ColorMatrix.BT2020}[colorspace]
    range_ = {LIMITED: ColorRange.LIMITED, FULL: ColorRange.FULL}[color_range]
    codes = to_format(np.full((2, 2, 3), color, np.uint8), PixelFormat.I420, matrix, range_).planes
    shift = 2 if "p10" in pix_fmt else 0
    picture = av.VideoFrame(48, 32, pix_fmt)
    values = [int(plane[0, 0]) << shift for plane in codes]
    for number, plane in enumerate(picture.planes):
        unit = values[1:] if pix_fmt.startswith("nv") and number else values[number : number + 1]
        dtype = "<u2" if shift else "u1"
        plane.update(
            np.resize(np.array(unit, dtype), plane.buffer_size // np.dtype(dtype).itemsize).tobytes()
        )
    picture.color_range, picture.colorspace = color_range, colorspace
    said: list[str] = []
    frame = as_frame(picture, said=said)
    assert said == []
    assert np.abs(to_rgb(frame).astype(int) - color).max() <= (4 if shift else 3)


@pytest.mark.parametrize("pix_fmt", ["gbrp", "gbrp10le", "rgb48le", "argb", "0bgr"])
def test_other_rgb_layouts_become_rgb(pix_fmt: str) -> None:
    rgb = photograph(40, 30)
    picture = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format=pix_fmt)
    frame = as_frame(picture)
    assert (frame.format, frame.range, frame.matrix) == (PixelFormat.RGB, ColorRange.FULL, None)
    assert np.abs(to_rgb(frame).astype(int) - rgb).max() <= 1


def test_deep_grey_and_grey_with_alpha() -> None:
    deep = fill("gray10le", 32, 8, 1, top=1023)
    expected = np.ascontiguousarray(samples(deep, 0, 8, 64)).view("<u2").astype(int)
    found = as_frame(deep)
    assert (found.format, found.range) == (PixelFormat.GRAY8, ColorRange.FULL)
    assert np.array_equal(found.planes[0], (expected * 255 + 511) // 1023)
    assert as_frame(fill("ya8", 32, 8, 1)).format is PixelFormat.GRAY8


@pytest.mark.parametrize(
    ("colorspace", "matrix"),
    [
        (BT709, ColorMatrix.BT709),
        (BT470BG, ColorMatrix.BT601),
        (SMPTE170M, ColorMatrix.BT601),
        (BT2020, ColorMatrix.BT2020),
    ],
)
@pytest.mark.parametrize(("code", "range_"), [(LIMITED, ColorRange.LIMITED), (FULL, ColorRange.FULL)])
def test_stated_colour_is_taken_in_silence(
    tmp_path: Path, colorspace: int, matrix: ColorMatrix, code: int, range_: ColorRange
) -> None:
    path = write_video(tmp_path / "a.mp4", moving(3), "libx264", color_range=code, colorspace=colorspace)
    said: list[str] = []
    frames = read(path, said=said)
    assert {(frame.matrix, frame.range) for frame in frames} == {(matrix, range_)}
    assert said == []


@pytest.mark.parametrize(("height", "matrix"), [(718, ColorMatrix.BT601), (720, ColorMatrix.BT709)])
def test_unstated_colour_takes_the_default_and_says_so_once(
    tmp_path: Path, height: int, matrix: ColorMatrix
) -> None:
    pictures = [av.VideoFrame(64, height, "yuv420p") for _ in range(4)]
    path = write_video(tmp_path / "a.mp4", pictures, "libx264", options={"preset": "ultrafast"})
    said: list[str] = []
    frames = read(path, said=said)
    assert {(frame.matrix, frame.range) for frame in frames} == {(matrix, ColorRange.LIMITED)}
    assert len(said) == 1
    assert f"taken as {matrix.name.lower()}" in said[0] and "taken as limited" in said[0]
    said.clear()
    stated = SourceOptions(matrix=ColorMatrix.BT2020, range=ColorRange.FULL)
    frames = read(path, stated, said)
    assert {(frame.matrix, frame.range) for frame in frames} == {(ColorMatrix.BT2020, ColorRange.FULL)}
    assert said == []


def test_the_user_overrules_the_file_and_is_told(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", moving(2), "libx264", color_range=LIMITED, colorspace=BT709)
    said: list[str] = []
    options = SourceOptions(matrix=ColorMatrix.BT601, range=ColorRange.LIMITED)
    assert read(path, options, said)[0].matrix is ColorMatrix.BT601
    assert said == [f"{path}: states bt709, read as bt601 because you state it"]


def test_a_matrix_that_cannot_be_had_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", moving(2), "libx264", color_range=LIMITED, colorspace=SMPTE240M)
    with pytest.raises(
        SourceError, match="states the colour matrix SMPTE 240M; expected bt601, bt709 or bt2020"
    ):
        read(path)
    source = open_source(path)
    assert list(source) == [] and len(source.problems) == 1
    assert len(read(path, SourceOptions(matrix=ColorMatrix.BT709, on_error="fail"))) == 2


def test_motion_jpeg_is_full_range(tmp_path: Path) -> None:
    pictures = [picture.reformat(format="yuvj420p") for picture in moving(2)]
    said: list[str] = []
    frames = read(write_video(tmp_path / "a.avi", pictures, "mjpeg"), said=said)
    assert {(frame.matrix, frame.range) for frame in frames} == {(ColorMatrix.BT601, ColorRange.FULL)}
    assert said == []


def test_rgb_video_without_a_range_is_full(tmp_path: Path) -> None:
    said: list[str] = []
    (frame,) = read(write_video(tmp_path / "a.mov", [fill("rgb24", 32, 16, 1)], "rawvideo"), said=said)
    assert (frame.format, frame.matrix, frame.range) == (PixelFormat.RGB, None, ColorRange.FULL)
    assert len(said) == 1 and "taken as full" in said[0]


def test_hdr_and_interlaced_are_announced(tmp_path: Path) -> None:
    picture = fill("yuv420p10le", 32, 16, 1, top=1023)
    picture.color_trc, picture.colorspace, picture.color_range = 16, BT2020, LIMITED
    said: list[str] = []
    as_frame(picture, said=said)
    assert said == ["clip: is HDR (PQ); its codes are scored as if SDR"]
    options = {"x264-params": "tff=1"}
    path = write_video(
        tmp_path / "a.mp4", moving(4), "libx264", options=options, color_range=LIMITED, colorspace=BT709
    )
    said.clear()
    read(path, said=said)
    assert len(said) == 1 and "is interlaced" in said[0]


def test_index_time_rate_and_length(tmp_path: Path) -> None:
    path = write_video(tmp_path / "été.mp4", moving(10), "libx264", rate=10)
    with open_source(path) as source:
        assert (source.kind, source.fps, source.length, source.name) == ("video", 10.0, 10, str(path))
        frames = list(source)
    assert [frame.index for frame in frames] == list(range(10))
    assert [frame.time_s for frame in frames] == [pytest.approx(i / 10) for i in range(10)]
    assert {frame.source for frame in frames} == {str(path)}


def test_time_starts_at_the_start_of_the_stream(tmp_path: Path) -> None:
    """Transport streams begin at any time."""
    frames = read(write_video(tmp_path / "a.ts", moving(5), "mpeg2video"))
    assert [frame.time_s for frame in frames] == [pytest.approx(i / 25) for i in range(5)]


def test_time_of_frames_that_are_not_evenly_spaced(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    times = [0, 1, 5, 6, 30]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
        for pts in times:
            picture = fill("yuv420p", 32, 16, pts)
            picture.pts = pts
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    assert [frame.time_s for frame in read(path)] == [pytest.approx(t / 25, abs=1e-3) for t in times]


@pytest.mark.parametrize("every", [1, 2, 3, 7, 20])
def test_every_is_slicing(tmp_path: Path, every: int) -> None:
    path = write_video(tmp_path / "a.mp4", moving(10), "libx264")
    everything = read(path)
    options = SourceOptions(every=every, on_error="fail")
    some = read(path, options)
    assert open_source(path, options).length == len(everything[::every])
    assert [frame.index for frame in some] == [frame.index for frame in everything[::every]]
    assert [frame.time_s for frame in some] == [frame.time_s for frame in everything[::every]]
    for found, expected in zip(some, everything[::every], strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(found.planes, expected.planes, strict=True))


def test_it_can_be_read_twice_and_from_another_thread(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", moving(6), "libx264")
    source = open_source(path, FAIL)
    counts: list[int] = [len(list(source))]
    worker = threading.Thread(target=lambda: counts.append(len(list(source))))
    worker.start()
    worker.join()
    assert counts == [6, 6]


def test_leaving_early_closes_the_file(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", moving(6), "libx264")
    with open_source(path) as source:
        frame = next(iter(source))
    first = [plane.copy() for plane in frame.planes]
    read(path)
    assert all(np.array_equal(a, b) for a, b in zip(frame.planes, first, strict=True))


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_stated_rotation_is_applied(tmp_path: Path, rotation: int) -> None:
    """As OpenCV's reader turns it."""
    path = write_video(tmp_path / "a.mp4", moving(2), "libx264", rotation=rotation, options={"qp": "4"})
    capture = cv2.VideoCapture(str(path))
    ok, expected = capture.read()
    capture.release()
    assert ok
    frame = read(path)[0]
    assert frame.format is PixelFormat.I420
    assert (frame.height, frame.width) == expected.shape[:2]
    assert np.abs(to_rgb(frame).astype(int) - expected[:, :, ::-1]).mean() < 2


def faststart(tmp_path: Path, count: int = 30) -> bytes:
    path = write_video(
        tmp_path / "whole.mp4",
        moving(count),
        "libx264",
        options={"g": "5", "bf": "0"},
        container_options={"movflags": "faststart"},
        color_range=LIMITED,
        colorspace=BT709,
    )
    return path.read_bytes()


def test_a_file_that_is_cut_short_gives_its_frames_then_the_problem(tmp_path: Path) -> None:
    data = faststart(tmp_path)
    whole = read(tmp_path / "whole.mp4")
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: int(len(data) * 0.6)])
    source = open_source(path)
    frames = list(source)
    assert 5 <= len(frames) < 30
    for found, expected in zip(frames[:-1], whole, strict=False):
        assert np.array_equal(found.planes[0], expected.planes[0])
    assert len(source.problems) == 1 and str(source.problems[0]).startswith(f"{path}: ")
    count = 0
    with pytest.raises(SourceError, match=r"cut\.mp4: "):
        for _ in open_source(path, FAIL):
            count += 1
    assert 5 <= count <= len(frames)


def test_a_matroska_file_that_is_cut_short(tmp_path: Path) -> None:
    data = write_video(tmp_path / "whole.mkv", moving(60), "libx264", options={"g": "5"}).read_bytes()
    path = tmp_path / "cut.mkv"
    path.write_bytes(data[: len(data) // 2])
    source = open_source(path)
    frames = list(source)
    assert 5 <= len(frames) < 60
    assert len(source.problems) == 1 and "is cut short: it ends at" in str(source.problems[0])
    whole = open_source(tmp_path / "whole.mkv")
    assert len(list(whole)) == 60 and whole.problems == []


def test_damage_inside_leaves_the_good_frames(tmp_path: Path) -> None:
    data = bytearray(faststart(tmp_path))
    whole = {frame.index: frame for frame in read(tmp_path / "whole.mp4")}
    middle = len(data) // 2
    data[middle : middle + 1500] = bytes(1500)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    source = open_source(path)
    frames = list(source)
    assert 10 <= len(frames) < 30 and len(source.problems) == 1
    # Whatever is given at the two ends is what the camera gave.
    assert np.array_equal(frames[0].planes[0], whole[0].planes[0])
    assert np.array_equal(frames[-1].planes[0], whole[29].planes[0])


@pytest.mark.parametrize(
    "data", [b"", b"text, not video", random_bytes(3000), b"\0\0\0\x18ftypmp42" + random_bytes(500)]
)
def test_what_is_no_video_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str], data: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    source = open_source(path)
    assert list(source) == []
    assert len(source.problems) == 1 and str(source.problems[0]).startswith(f"{path}: ")
    with pytest.raises(SourceError, match=r"a\.mp4: "):
        list(open_source(path, FAIL))
    assert capfd.readouterr().err == ""


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        for _ in range(4):
            sound = av.AudioFrame(format="fltp", layout="mono", samples=1024)
            sound.rate = 48000
            sound.planes[0].update(bytes(4096))
            container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with pytest.raises(SourceError, match="holds no video stream"):
        open_source(path, FAIL)


def test_mutated_files_never_crash(tmp_path: Path) -> None:
    data = faststart(tmp_path, 12)
    rng = np.random.default_rng(0)
    path = tmp_path / "mutated.mp4"
    for number in range(25):
        mutated = bytearray(data)
        last = 1200 if number % 2 else len(data)
        for place in rng.integers(0, last, 8):
            mutated[place] = rng.integers(256)
        path.write_bytes(mutated)
        with open_source(path) as source:
            for frame in source:
                assert frame.width >= 1


@pytest.mark.parametrize(("name", "count"), [("parkjoy_480x270.y4m", 10), ("udacity_lane_960x540.mp4", 221)])
def test_real_clips(shared: Path, name: str, count: int) -> None:
    """Camera clips decode to the end without a problem."""
    source = open_source(shared / "data" / "clips" / name, SourceOptions(every=5))
    frames = list(source)
    assert source.problems == []
    assert [frame.index for frame in frames] == list(range(0, count, 5))
    assert all(frame.matrix is ColorMatrix.BT601 for frame in frames)
