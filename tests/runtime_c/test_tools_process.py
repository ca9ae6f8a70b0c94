"""leaf-score and leaf-info as programs: pipes, signals, bad input, keys, exit codes."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import struct
import subprocess
import time
import zlib
from pathlib import Path

import cv2
import pytest
from tools_programs import MODEL, environment, picture, program, raw_frames, tool, y4m

from leaf_edge.bundle.keys import write_key_pair
from leaf_edge.cli.exit_codes import ExitCode
from leaf_edge.cli.main import main
from leaf_edge.frames import PixelFormat

RAW = ["--format", "nv12", "--size", "203x151", "--matrix", "bt709", "--range", "limited"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.y4m"
    path.write_bytes(y4m("420jpeg", count=4))
    return path


def numbers(text: bytes, source: str) -> list[bytes]:
    """Rows of a CSV without the source's name and the times."""
    rows = text.decode().splitlines()[1:]
    assert all(row.startswith(source + ",") for row in rows)
    return [b",".join(row.encode().split(b",")[1:-4]) for row in rows]


def test_pipes_give_what_files_give(clip, tmp_path):
    image = tmp_path / "a.png"
    image.write_bytes(cv2.imencode(".png", picture())[1].tobytes())
    raw = tmp_path / "raw.bin"
    raw.write_bytes(raw_frames(PixelFormat.NV12, 2))
    for path, options in ((clip, []), (image, []), (raw, RAW)):
        from_file = tool("leaf-score", MODEL, path, *options, "--csv")
        from_pipe = tool("leaf-score", MODEL, "-", *options, "--csv", data=path.read_bytes())
        assert from_file.returncode == from_pipe.returncode == 0, from_pipe.stderr.decode()
        assert numbers(from_pipe.stdout, "-") == numbers(from_file.stdout, str(path))


def test_queue_and_threads_change_no_score(clip):
    plain = tool("leaf-score", MODEL, clip, "--csv", "--queue", "0")
    for options in (["--queue", "1"], ["--queue", "7"], ["--threads", "2"]):
        other = tool("leaf-score", MODEL, clip, "--csv", *options)
        assert other.returncode == 0, other.stderr.decode()
        assert numbers(other.stdout, str(clip)) == numbers(plain.stdout, str(clip))
    batched = tool("leaf-score", MODEL, clip, "--csv", "--queue", "7", "--batch", "3")
    assert batched.returncode == 0, batched.stderr.decode()
    for one, other in zip(csv_rows(batched), csv_rows(plain), strict=True):
        # ONNX Runtime may add in another order in a batch
        assert abs(float(one["raw"]) - float(other["raw"])) < 1e-5
        assert one["frame"] == other["frame"]


def csv_rows(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, str]]:
    return list(csv.DictReader(done.stdout.decode().splitlines()))


def test_output_file_appears_whole(clip, tmp_path):
    out = tmp_path / "scores.csv"
    out.write_text("before")
    cut = tmp_path / "cut.y4m"
    cut.write_bytes(clip.read_bytes()[:-5])
    done = tool("leaf-score", MODEL, cut, "--output", out, "--on-error", "fail")
    assert done.returncode == ExitCode.INPUT
    assert out.read_text() == "before"
    done = tool("leaf-score", MODEL, clip, "--output", out, "--timings")
    assert done.returncode == 0
    assert len(out.read_text().splitlines()) == 5
    assert not done.stdout and b"4 frames in" in done.stderr and b"inference" in done.stderr
    assert not list(tmp_path.glob("*.part"))
    assert (
        tool("leaf-score", MODEL, clip, "--output", tmp_path / "no" / "a.csv").returncode == ExitCode.OUTPUT
    )


def stated_large(image: bytes) -> bytes:
    """The same PNG or JPEG file with another size in its header, as if nothing were wrong."""
    side = struct.pack(">H", 16384)
    if image.startswith(b"\xff\xd8"):
        at = image.index(b"\xff\xc0") + 5
        return image[:at] + side * 2 + image[at + 4 :]
    header = image[12:16] + (b"\0\0" + side) * 2 + image[24:29]
    return image[:12] + header + struct.pack(">I", zlib.crc32(header)) + image[33:]


def cases(folder: Path) -> list[tuple[list[str], str]]:
    """Sources that cannot be read, and what is said of them."""
    good = y4m("420jpeg", count=1)
    jpeg = cv2.imencode(".jpg", picture())[1].tobytes()
    png = cv2.imencode(".png", picture())[1].tobytes()
    files = {
        "huge.y4m": (b"YUV4MPEG2 W999999999 H9 F25:1\nFRAME\n", "states W999999999; expected W1 to W16384"),
        "large.y4m": (b"YUV4MPEG2 W16384 H16384 C444p16\nFRAME\n", "a frame would take 1610612736 bytes"),
        "lies.y4m": (b"YUV4MPEG2 W16384 H16384 F25:1\nFRAME\nabc", "frame 0 is cut short: 3 of 402653184"),
        "endless.y4m": (b"YUV4MPEG2 " + b"W9 " * 9000, "does not end within 4096 bytes"),
        "chroma.y4m": (b"YUV4MPEG2 W8 H8 C410\n", "chroma C410 is not known"),
        "rate.y4m": (b"YUV4MPEG2 W8 H8 F30\n", "expected a ratio, as F30:1"),
        "side.y4m": (b"YUV4MPEG2 W8\n", "states H; expected H1 to H16384"),
        "empty.y4m": (b"", "is empty; expected y4m"),
        "none.y4m": (good.split(b"FRAME")[0], "holds no frame"),
        "frame.y4m": (good.replace(b"FRAME", b"FRAMES"), "frame 0 is damaged"),
        "cut.jpg": (jpeg[:-700], "no end marker (EOI)"),
        "hole.jpg": (jpeg[:900] + jpeg[2500:], "JPEG file is damaged"),
        "cut.png": (png[:-30], "no end (chunk IEND)"),
        "bits.png": (png[:200] + b"\0" + png[201:], "fails its checksum"),
        "size.ppm": (b"P6 99999 5 255\n" + bytes(99999 * 15), "99999x5 pixels; expected 1 to 16384"),
        "cut.ppm": (b"P6 30 30 255\n" + bytes(99), "99 of 2700 bytes of samples"),
        "text.ppm": (b"P3 3000 3000 255\n1 2 3", "samples are missing"),
        "a.bmp": (b"BM" + bytes(60), "convert it to PNG"),
        "a.mp4": (b"\0\0\0 ftyp", "ffmpeg"),
        "unknown": (b"what is this?", "of no known kind"),
        "room.png": (stated_large(png), "bytes cannot hold the 16384x16384 pixels"),
        "room.jpg": (stated_large(jpeg), "bytes cannot hold the 16384x16384 pixels"),
        "short.png": (b"\x89PNG\r\n\x1a\n", "cut short in its header"),
    }
    found = []
    for name, (data, text) in files.items():
        (folder / name).write_bytes(data)
        found.append(([str(folder / name)], text))
    found.append(([str(folder)], "is a folder"))
    found.append(([str(folder / "nowhere.y4m")], "no such file"))
    (folder / "raw").write_bytes(bytes(100))
    found.append(([str(folder / "raw"), *RAW], "frame 0 is cut short: 100 of"))
    found.append(([str(folder / "raw"), *RAW, "--pitch", "999999999"], "bytes; expected at most 1073741824"))
    found.append(([str(folder / "raw"), *RAW, "--pitch", "100"], "expected at least a row of 203"))
    found.append(([str(folder / "raw"), *RAW, "--pitch", "300,300,300"], "3 values of pitch were stated"))
    return found


def test_what_cannot_be_read_is_named(tmp_path):
    command = 'ulimit -v 1500000; exec "$@"'  # a header that lies takes no memory
    for arguments, text in cases(tmp_path):
        done = subprocess.run(
            ["bash", "-c", command, "bash", program("leaf-score"), MODEL, *arguments],
            capture_output=True,
            check=False,
            env=environment(),
            timeout=60,
        )
        said = done.stderr.decode()
        assert done.returncode == ExitCode.INPUT, (arguments, said)
        assert f"skipped {arguments[0]}: " in said and text in said, (arguments, said)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "name a BUNDLE"),
        (["--size", "8x8", "a"], "--size describes raw frames and needs --format"),
        (["--format", "nv12", "a"], "needs --size"),
        (["--format", "nv99", "--size", "8x8", "a"], "unknown pixel format 'nv99'; expected one of: nv12"),
        (["--format", "nv12", "--size", "8by8", "a"], "expected WIDTHxHEIGHT"),
        (["--format", "nv12", "--size", "0x8", "a"], "expected 1 to 16384"),
        (["--matrix", "bt1", "a"], "unknown colour matrix"),
        (["--range", "half", "a"], "unknown colour range"),
        (["--fps", "nan", "a"], "30000/1001"),
        (["--every", "0", "a"], "--every is '0'"),
        (["--roi", "1,2,3", "a"], "X,Y,WIDTH,HEIGHT"),
        (["--queue", "257", "a"], "0 to 256"),
        (["--engine", "cpu,gpu", "a"], "'gpu' is not an engine"),
        (["--engine", "cpu,cpu", "a"], "named twice"),
        (["--accept", "3", "a"], "give --gate too"),
        (["--gate", "--accept", "3", "--reject", "4", "a"], "the gate's"),
        (["--output", "a.txt", "a"], ".csv or .jsonl"),
        (["--csv", "--jsonl", "a"], "name one of them"),
        (["--csv=1", "a"], "takes no value"),
        (["a", "--key"], "--key needs a value"),
        (["--nonsense", "a"], "there is no option --nonsense"),
        (["-", "-"], "read once only"),
    ],
)
def test_wrong_options(arguments, text):
    done = tool("leaf-score", MODEL, *arguments)
    assert done.returncode == ExitCode.USAGE
    assert text in done.stderr.decode()
    assert not done.stdout


def test_region_outside_of_a_frame_is_the_frames_problem(clip, tmp_path):
    small = tmp_path / "small.ppm"
    small.write_bytes(b"P6 9 9 255\n" + bytes(243))
    for queue in ("0", "2"):
        done = tool("leaf-score", MODEL, small, clip, "--roi", "50,50,64,64", "--csv", "--queue", queue)
        assert done.returncode == ExitCode.SKIPPED
        assert f"skipped {small}: " in done.stderr.decode()
        assert len(done.stdout.splitlines()) == 5


def test_bundles_and_libraries_that_are_refused(clip, tmp_path):
    done = tool("leaf-score", tmp_path / "no.leaf", clip)
    assert done.returncode == ExitCode.BUNDLE
    assert "LEAF_E_BUNDLE_NOT_FOUND" in done.stderr.decode()
    done = tool("leaf-score", MODEL, clip, "--onnxruntime", tmp_path / "no.so")
    assert done.returncode == ExitCode.DEVICE
    assert "LEAF_E_DEVICE_NO_ONNXRUNTIME" in done.stderr.decode()
    done = tool("leaf-score", MODEL, clip, "--engine", "cuda,cpu")
    assert done.returncode == ExitCode.OK
    assert "LEAF_E_DEVICE_NO_" in done.stderr.decode()


def test_keys(clip, tmp_path):
    key = write_key_pair(tmp_path / "private.pem", tmp_path / "public.pem")
    done = tool("leaf-score", MODEL, clip, "--key", tmp_path / "public.pem")
    assert done.returncode == ExitCode.BUNDLE
    assert "LEAF_E_SIGNATURE_MISSING" in done.stderr.decode()

    signed = tmp_path / "signed.leaf"
    shutil.copytree(MODEL, signed)
    assert main(["bundle", "sign", str(signed), "--private-key", str(tmp_path / "private.pem")]) == 0
    done = tool("leaf-info", signed, "--key", tmp_path / "public.pem", "--engine", "cpu", "--json")
    if b"NO_LIBRARY" in done.stdout:
        pytest.skip("needs OpenSSL's libcrypto")
    assert json.loads(done.stdout)["contents"]["key_id"] == key.id
    write_key_pair(tmp_path / "p2.pem", tmp_path / "other.pem")
    both = tmp_path / "both.pem"
    both.write_bytes((tmp_path / "other.pem").read_bytes() + (tmp_path / "public.pem").read_bytes())
    assert tool("leaf-info", signed, "--key", both, "--engine", "cpu").returncode == 0
    done = tool("leaf-info", signed, "--key", tmp_path / "other.pem", "--engine", "cpu")
    assert done.returncode == ExitCode.BUNDLE
    assert "LEAF_E_SIGNATURE_KEY" in done.stdout.decode()

    rsa = tmp_path / "rsa.pem"
    rsa.write_text("-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEB\n-----END PUBLIC KEY-----\n")
    bad = tmp_path / "bad.pem"
    bad.write_text("-----BEGIN PUBLIC KEY-----\n!!\n-----END PUBLIC KEY-----\n")
    for path, text in (
        (rsa, "another kind; expected Ed25519"),
        (bad, "is not a PEM of a public key"),
        (tmp_path / "private.pem", "holds a private key"),
        (clip, "expected a PEM of a key"),
        (tmp_path / "none.pem", "No such file"),
    ):
        done = tool("leaf-score", MODEL, clip, "--key", path)
        assert done.returncode == ExitCode.USAGE
        assert text in done.stderr.decode()


@pytest.mark.parametrize("queue", ["0", "3"])
def test_scores_of_a_live_pipe_come_at_once_and_ctrl_c_ends_it(queue, clip, tmp_path):
    command = [program("leaf-score"), MODEL, "-", "--csv", "--queue", queue]
    data = clip.read_bytes()
    first = data[: data.index(b"FRAME", data.index(b"FRAME") + 5)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    assert process.stdin and process.stdout and process.stderr
    process.stdin.write(first)
    process.stdin.flush()
    assert process.stdout.readline().startswith(b"source,frame")
    assert process.stdout.readline().startswith(b"-,0,0.0,")  # though no other frame has come
    process.send_signal(signal.SIGINT if queue == "0" else signal.SIGTERM)
    assert process.wait(20) == ExitCode.INTERRUPTED
    assert process.stderr.read().endswith(b"leaf-score: interrupted\n")
    process.stdin.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_interrupted_run_leaves_the_output_as_it_was(number, clip, tmp_path):
    out, pipe = tmp_path / "scores.csv", tmp_path / "pipe.y4m"
    out.write_text("before")
    os.mkfifo(pipe)
    process = subprocess.Popen(
        [program("leaf-score"), MODEL, clip, pipe, "--output", out],
        stderr=subprocess.PIPE,
        env=environment(),
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # not as under nohup
    )
    part = tmp_path / "scores.csv.part"
    until = time.monotonic() + 60
    while not (part.exists() and len(part.read_bytes().splitlines()) == 5):
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(number)  # while it waits for somebody to write to the pipe
    assert process.wait(30) == ExitCode.INTERRUPTED
    assert out.read_text() == "before"
    assert not part.exists()


def test_closed_output_ends_the_run(clip):
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [program("leaf-score"), MODEL, *[clip] * 5, "--jsonl"],
        stdout=writer,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    os.close(writer)
    os.read(reader, 1)
    os.close(reader)
    assert process.wait(60) == ExitCode.PIPE


def test_full_disk_is_the_outputs_fault(clip):
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    done = tool("leaf-score", MODEL, clip, "--csv", "--output", "/dev/full")
    assert done.returncode == ExitCode.OUTPUT
    assert "/dev/full: cannot be written: No space left on device" in done.stderr.decode()


@pytest.mark.parametrize("arguments", [["leaf-info", str(MODEL)], ["leaf-score", "--help"]])
def test_what_is_printed_to_a_full_disk_is_missed(arguments):
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    done = redirected(">/dev/full", *arguments)
    assert done.returncode == ExitCode.OUTPUT
    assert "standard output: cannot be written: No space left on device" in done.stderr.decode()


def redirected(how: str, name: str, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    """Runs a tool with its streams changed by the shell."""
    command = ["sh", "-c", f'exec "$@" {how}', "sh", program(name), *arguments]
    return subprocess.run(command, capture_output=True, check=False, env=environment(), timeout=60)


def test_streams_that_are_closed_are_not_taken_for_files(clip, tmp_path):
    done = redirected("<&-", "leaf-score", MODEL, "-")
    assert done.returncode == ExitCode.INPUT and b"-: cannot be read: Bad file descriptor" in done.stderr
    done = redirected("<&- >&-", "leaf-score", MODEL, clip)
    assert done.returncode == ExitCode.OUTPUT and b"standard output: cannot be written" in done.stderr
    out = tmp_path / "scores.csv"
    assert redirected("<&- >&- 2>&-", "leaf-score", MODEL, clip, "--output", out).returncode == 0
    assert out.read_bytes().startswith(b"source,")
    assert len(out.read_bytes().splitlines()) == 5


def test_a_file_at_its_limit_is_the_outputs_fault(clip, tmp_path):
    out = tmp_path / "scores.csv"
    command = ["sh", "-c", 'ulimit -f 1; exec "$@"', "sh", program("leaf-score"), MODEL, *[clip] * 4]
    done = subprocess.run(
        [*command, "--output", out], capture_output=True, check=False, env=environment(), timeout=60
    )
    assert done.returncode == ExitCode.OUTPUT and b"File too large" in done.stderr
    assert not list(tmp_path.glob("scores*"))


def test_messages_are_a_line_each_whatever_a_name_holds():
    done = tool("leaf-score", MODEL, "no\nsuch\x1b[31m.png")
    assert done.returncode == ExitCode.INPUT
    assert b"skipped no\\x0asuch\\x1b[31m.png: no such file" in done.stderr.splitlines()[0]


def test_what_leaf_info_tells(tmp_path):
    plain = json.loads(tool("leaf-info", "--json").stdout)
    assert plain["isa"][0] == "scalar" and "pnm" in plain["images"] and "bundle" not in plain
    done = tool("leaf-info", MODEL, "--json", "--self-test")
    assert done.returncode == 0
    told = json.loads(done.stdout)
    assert told["contents"]["model"] == "leaf-s" and told["contents"]["accepted"] is True
    engines = {entry["engine"]: entry for entry in told["engines"]}
    assert list(engines) == ["cpu", "cuda", "tensorrt"]
    assert engines["cpu"]["runs"] and engines["cpu"]["self_test"]["passed"]
    for name in ("cuda", "tensorrt"):
        if not engines[name]["runs"]:
            assert engines[name]["code"].startswith("LEAF_E_") and engines[name]["remedy"]
    text = tool("leaf-info", MODEL).stdout.decode()
    assert "model      leaf-s" in text and "cpu        yes: ONNX Runtime" in text
    done = tool("leaf-info", tmp_path)
    assert done.returncode == ExitCode.BUNDLE and b"refused" in done.stdout


def test_help_and_versions():
    for name in ("leaf-score", "leaf-info"):
        done = tool(name, "--help")
        assert done.returncode == 0 and b"examples:" in done.stdout and b"exit codes:" in done.stdout
        assert tool(name, "--version").stdout.startswith(name.encode())
