"""leaf-score writes what `leaf-edge score` writes, character by character but for the times."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import pytest
from tools_programs import HEIGHT, MODEL, WIDTH, exif, picture, png, raw_frames, tool, with_exif, y4m

from leaf_edge.cli.main import main
from leaf_edge.frames import PixelFormat
from leaf_edge.runtime.score import COLUMNS

TIMES = COLUMNS[-4:]
CHROMA = [
    *("420jpeg", "420mpeg2", "420paldv", "422", "444", "411", "mono", "444alpha"),
    *("420p9", "420p10", "420p12", "422p10", "422p14", "422p16", "444p10", "444p16", "411p12"),
    *("mono9", "mono10", "mono16"),
]


def same(capfd: pytest.CaptureFixture[str], *arguments: str | Path, rows: int) -> list[dict[str, Any]]:
    """Score with both commands as CSV and JSON Lines; compare all but the times. Returns the records."""
    words = [str(argument) for argument in arguments]
    records: list[dict[str, Any]] = []
    for kind in ("csv", "jsonl"):
        ours = tool("leaf-score", MODEL, *words, f"--{kind}")
        capfd.readouterr()
        status = main(["score", *words, "--threads", "1", "--output", "-", "--output-format", kind])
        theirs, said = capfd.readouterr()
        assert ours.returncode == status, ours.stderr.decode()
        found = ours.stdout.decode("utf-8", "surrogateescape")
        if kind == "csv":
            tables = [list(csv.reader(io.StringIO(text))) for text in (found, theirs)]
            assert tables[0][0] == list(COLUMNS)
            assert len(tables[0]) == rows + 1
            assert [row[: -len(TIMES)] for row in tables[0]] == [row[: -len(TIMES)] for row in tables[1]]
        else:
            lines = [[line.split(', "stages"')[0] for line in text.splitlines()] for text in (found, theirs)]
            assert len(lines[0]) == rows
            assert lines[0] == lines[1]
            records = [json.loads(line) for line in found.splitlines()]
        notices = ours.stderr.decode().replace("leaf-score: ", "leaf-edge: ")
        assert [line for line in notices.splitlines() if "skipped" not in line] == [
            line for line in said.splitlines() if line.startswith("leaf-edge: ") and "skipped" not in line
        ]
    return records


def test_y4m_of_every_chroma(tmp_path, capfd):
    files = []
    for chroma in CHROMA:
        path = tmp_path / f"{chroma}.y4m"
        path.write_bytes(y4m(chroma))
        files.append(path)
    records = same(capfd, *files, rows=2 * len(CHROMA))
    assert len({record["raw"] for record in records}) > len(CHROMA)
    assert records[1]["time_s"] == 0.033367


@pytest.mark.parametrize("color", [["--range", "full"], ["--matrix", "709", "--range", "tv"]])
def test_y4m_with_stated_colour(color, tmp_path, capfd):
    files = []
    for chroma in ("420jpeg", "444", "mono12", "422p10"):
        path = tmp_path / f"{chroma}.y4m"
        path.write_bytes(y4m(chroma, tags=" XCOLORRANGE=LIMITED"))
        files.append(path)
    same(capfd, *files, *color, rows=8)


@pytest.mark.parametrize("fmt", list(PixelFormat))
def test_raw_frames_of_every_format(fmt, tmp_path, capfd):
    path = tmp_path / "frames.bin"
    path.write_bytes(raw_frames(fmt, 2))
    color = ["--matrix", "bt2020", "--range", "limited"] if fmt.is_yuv else ["--range", "full"]
    layout = ["--format", fmt.name.lower(), "--size", f"{WIDTH}x{HEIGHT}"]
    same(capfd, path, *layout, *color, "--fps", "30000/1001", rows=2)


@pytest.mark.parametrize("fmt", ["nv12", "i420", "p010", "rgb"])
def test_raw_frames_with_padded_rows(fmt, tmp_path, capfd):
    kind = PixelFormat.parse(fmt)
    path = tmp_path / "frames"
    path.write_bytes(raw_frames(kind, 3, padding=21))
    row = {"p010": 2, "rgb": 3}.get(fmt, 1) * WIDTH + 21
    pitch = str(row)
    if fmt in ("nv12", "p010"):  # their chroma rows are one sample longer
        pitch += f",{row + (2 if fmt == 'p010' else 1)}"
    elif fmt == "i420":
        pitch += f",{(WIDTH + 1) // 2 + 11},{(WIDTH + 1) // 2 + 11}"
    same(
        capfd, path, "--format", fmt, "--size", f"{WIDTH}x{HEIGHT}", "--pitch", pitch, "--every", "2", rows=2
    )


def test_region_of_every_frame(tmp_path, capfd):
    (tmp_path / "a.y4m").write_bytes(y4m("420jpeg"))
    cv2.imwrite(str(tmp_path / "b.png"), picture())
    same(capfd, tmp_path / "a.y4m", tmp_path / "b.png", "--roi", "11,7,101,99", rows=3)


def test_png_of_every_kind(tmp_path, capfd):
    rgb = picture()
    wide = rgb.astype(np.uint16) * 257 + np.random.default_rng(5).integers(-90, 90, rgb.shape)
    wide = np.clip(wide, 0, 65535).astype(np.uint16)
    big = wide.astype(">u2")
    row = lambda samples: samples.reshape(HEIGHT, -1)  # noqa: E731
    palette = (b"PLTE", bytes(range(256)) * 3)
    alpha = np.full((HEIGHT, WIDTH, 1), 90, np.uint8)
    grey = rgb[:, :, 1:2]
    files = {
        "rgb": png(2, 8, row(rgb)),
        "grey": png(0, 8, row(grey)),
        "grey-alpha": png(4, 8, row(np.concatenate([grey, alpha], 2))),
        "rgba": png(6, 8, row(np.concatenate([rgb, alpha], 2))),
        "rgb16": png(2, 16, row(big.view(np.uint8))),
        "grey16": png(0, 16, row(np.ascontiguousarray(big[:, :, :1]).view(np.uint8))),
        "palette": png(3, 8, row(grey), [palette]),
        "palette-alpha": png(3, 8, row(grey), [palette, (b"tRNS", bytes(range(0, 256, 2)))]),
        "grey1": png(0, 1, np.packbits(row(grey) > 120, axis=1)[:, :24]),
        "grey4": png(0, 4, row(grey)[:, :100]),
        "grey-keyed": png(0, 8, row(grey), [(b"tRNS", b"\0\x80")]),
        "gamma": png(2, 8, row(rgb), [(b"gAMA", b"\0\0\xb1\x8f"), (b"sBIT", b"\5\6\5")]),
        "turned": png(2, 8, row(rgb), [(b"eXIf", exif(6))]),
    }
    paths = []
    for name, data in files.items():
        paths.append(tmp_path / f"{name}.png")
        paths[-1].write_bytes(data)
    same(capfd, *paths, rows=len(files))


def test_pnm_of_every_kind(tmp_path, capfd):
    rgb, grey = picture(), picture()[:, :, 0]
    size = f"{WIDTH} {HEIGHT}"
    wide = np.clip(grey.astype(np.uint16) * 4, 0, 1000)
    text = lambda samples: "\n".join(" ".join(map(str, row)) for row in samples.reshape(HEIGHT, -1))  # noqa: E731
    files = {
        "p6.ppm": f"P6\n# made here\n{size} 255\n".encode() + rgb.tobytes(),
        "p6-100.ppm": f"P6 {size} 100\n".encode() + np.minimum(rgb, 100).tobytes(),
        "p6-wide.ppm": f"P6 {size} 1000\n".encode() + np.stack([wide] * 3, 2).astype(">u2").tobytes(),
        "p5.pgm": f"P5 {size} 255\n".encode() + grey.tobytes(),
        "p5-200.pgm": f"P5 {size} 200\n".encode() + grey.tobytes(),
        "p5-wide.pgm": f"P5 {size} 1000\n".encode() + wide.astype(">u2").tobytes(),
        "p5-full.pgm": f"P5 {size} 65535\n".encode() + (grey.astype(">u2") * 255).tobytes(),
        "p4.pbm": f"P4 {size}\n".encode() + np.packbits(grey > 120, axis=1).tobytes(),
        "p3.ppm": f"P3 {size} 255\n{text(rgb)}\n".encode(),
        "p3-100.ppm": f"P3 {size} 100\n{text(np.minimum(rgb, 100))}\n".encode(),
        "p2.pgm": f"P2 {size}\n# a comment\n77\n{text(np.minimum(grey, 90))}\n".encode(),
        "p2-wide.pgm": f"P2 {size} 1000\n{text(wide)}\n".encode(),
        "p1.pbm": f"P1 {size}\n{text((grey > 120).astype(int))}\n".encode(),
    }
    paths = []
    for name, data in files.items():
        paths.append(tmp_path / name)
        paths[-1].write_bytes(data)
    same(capfd, *paths, rows=len(files))


def test_jpeg_where_the_decoders_agree(tmp_path, capfd):
    """Both are libjpeg-turbo with its exact integer transform; other decoders may differ by a level."""
    rgb = picture()
    plain = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
    factor = cv2.IMWRITE_JPEG_SAMPLING_FACTOR
    files = {
        "plain": plain,
        "grey": cv2.imencode(".jpg", rgb[:, :, 0])[1].tobytes(),
        "progressive": cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes(),
        "444": cv2.imencode(".jpg", rgb, [factor, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444])[1].tobytes(),
        "422": cv2.imencode(".jpg", rgb, [factor, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422])[1].tobytes(),
        "restarts": cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_RST_INTERVAL, 4])[1].tobytes(),
        **{f"turned{n}": with_exif(plain, n, "<>"[n % 2]) for n in range(1, 10)},
    }
    paths = []
    for name, data in files.items():
        paths.append(tmp_path / f"{name}.jpg")
        paths[-1].write_bytes(data)
    records = same(capfd, *paths, rows=len(files))
    raw = {path.stem: record["raw"] for path, record in zip(paths, records, strict=True)}
    assert raw["turned1"] == raw["turned9"] == raw["plain"]  # 9 is no orientation
    assert len({raw[f"turned{n}"] for n in range(1, 9)}) == 8


def test_names_that_need_quotes_or_escapes(tmp_path, capfd):
    image = cv2.imencode(".png", picture())[1].tobytes()
    names = ['comma, and "quotes".png', "line\nend.png", "tab\tand \\ and \x7f.png", "grün 写真 😀.png"]
    paths = []
    for name in names:
        paths.append(tmp_path / name)
        paths[-1].write_bytes(image)
    paths.append(tmp_path / b"not \xff utf-8.png".decode("utf-8", "surrogateescape"))
    paths[-1].write_bytes(image)
    same(capfd, *paths, rows=len(paths))


def test_skipped_and_scored_sources_together(tmp_path, capfd):
    good, bad, cut = tmp_path / "good.y4m", tmp_path / "bad.png", tmp_path / "cut.y4m"
    good.write_bytes(y4m("420jpeg"))
    bad.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    cut.write_bytes(y4m("420jpeg", count=3)[:-100])
    same(capfd, bad, good, tmp_path / "missing.png", cut, good, rows=6)
    for option in ([], ["--on-error", "fail"]):
        words = [str(path) for path in (good, cut)]
        ours = tool("leaf-score", MODEL, *words, *option)
        capfd.readouterr()
        assert main(["score", *words, *option]) == ours.returncode == (4 if option else 3)
        wanted = [line for line in capfd.readouterr().err.splitlines() if "cut short" in line]
        assert [line.replace("leaf-score", "leaf-edge") for line in ours.stderr.decode().splitlines()][
            -1:
        ] == wanted


def test_decisions_of_the_gate(tmp_path, capfd):
    clip, image = tmp_path / "clip.y4m", tmp_path / "a.png"
    clip.write_bytes(y4m("420jpeg", count=9))
    image.write_bytes(cv2.imencode(".png", picture())[1].tobytes())
    sources = [str(clip), str(image), str(clip)]
    middle = median(record["mos"] for record in same(capfd, clip, rows=9))
    common = ["--accept", str(middle), "--reject", str(middle - 0.02), "--window", "2", "--dwell", "1"]
    for more in ([], ["--best"], ["--pool", "low", "--percentile", "50", "--initial", "accept"]):
        ours = tool("leaf-score", MODEL, *sources, "--gate", *common, *more, "--jsonl")
        assert ours.returncode == 0, ours.stderr.decode()
        capfd.readouterr()
        assert main(["gate", *sources, *common, *more, "--decisions", "-"]) == 0
        theirs = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
        found = [json.loads(line) for line in ours.stdout.decode().splitlines()]
        for record in (*found, *theirs):
            del record["stages"]
        assert found == theirs
        assert len(found) == 19
        assert len({record["accepted"] for record in found}) == 2
