"""Bundles and calibration of the C library, built with sanitizers, and asked through a pipe."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from leaf_edge.bundle import Bundle, BundleError, Encoding, GoldenScore, Manifest, load_bundle
from leaf_edge.bundle.keys import PublicKey
from leaf_edge.bundle.load import _checked
from leaf_edge.contract import MOS_SCALE, MOS_SCALE_VERSION

ROOT = Path(__file__).parents[2]
PROGRAMS = ("bundle_test", "bundle_memory_test", "bundle_swap_test", "calibration_test", "bundle_pipe")
BUILD = Path(os.environ.get("LEAF_TEST_BUILD", ROOT / "build")) / "sanitize"

sys.path.insert(0, str(ROOT / "tests" / "bundle"))  # its attacks and fixtures are used here

_conftest = spec_from_file_location("bundle_conftest", ROOT / "tests" / "bundle" / "conftest.py")
assert _conftest is not None and _conftest.loader is not None
_module = module_from_spec(_conftest)
_conftest.loader.exec_module(_module)
outside, target = _module.outside, _module.target


def find(*names: str) -> str:
    """A program's path, with those beside this Python first. Skips the test where there is none."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    pytest.skip(f"needs {' or '.join(names)}")


def build() -> Path:
    """Builds the programs of this folder's tests, with sanitizers, and returns their folder."""
    find("c++", "g++", "clang++")
    cmake, ninja = find("cmake"), find("ninja")
    run([
        cmake, "-S", ROOT, "-B", BUILD, "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}",
        "-DLEAF_TESTS=ON", "-DLEAF_CUDA=OFF", "-DLEAF_SANITIZE=ON",
    ])  # fmt: skip
    log = run([cmake, "--build", BUILD, "--target", *PROGRAMS, "calibration_pipe"])
    assert b"warning:" not in log, log.decode()
    return BUILD / "runtime" / "tests"


def run(command: Sequence[str | Path], data: bytes = b"") -> bytes:
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    assert done.returncode == 0, (done.stdout[-4000:] + done.stderr[-8000:]).decode(errors="replace")
    return done.stdout


class Reader:
    """runtime/tests/bundle_pipe.cpp while it runs."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.message = ""
        """What the last refusal said."""

    def parse(self, text: bytes, keys: Sequence[PublicKey] = (), required: bool | None = None) -> str:
        """What the C library makes of a manifest's bytes: the name of its refusal, or what it read."""
        return self._ask(b"M", text, keys, required)

    def load(self, path: Path, keys: Sequence[PublicKey] = (), required: bool | None = None) -> str:
        """The same of a bundle on disk."""
        return self._ask(b"L", os.fsencode(path), keys, required)

    def _ask(self, kind: bytes, data: bytes, keys: Sequence[PublicKey], required: bool | None) -> str:
        assert self._process.stdin is not None and self._process.stdout is not None
        policy = 0 if required is None else 1 if required else -1
        raw = b"".join(key.raw for key in keys)
        self._process.stdin.write(
            kind + struct.pack("<bB", policy, len(keys)) + raw + struct.pack("<I", len(data)) + data
        )
        self._process.stdin.flush()
        line = self._process.stdout.readline().decode()
        assert line.endswith("\n"), f"bundle_pipe ended ({self._process.wait()}), asked with {data[:2000]!r}"
        code, name, rest = line.rstrip("\n").split(" ", 2)
        if code == "0":
            return rest
        self.message = bytes.fromhex(rest.split(":")[1]).decode()
        return name

    def close(self) -> None:
        self._process.communicate()
        assert self._process.returncode == 0


@pytest.fixture(scope="session")
def programs() -> Path:
    """Folder of the C++ programs, which stop at the first error of memory or arithmetic."""
    return build()


@pytest.fixture(scope="session")
def reader(programs: Path) -> Iterator[Reader]:
    running = Reader(programs / "bundle_pipe")
    yield running
    running.close()


def parsed(text: bytes, keys: Sequence[PublicKey] = (), required: bool | None = None) -> str:
    """What Python makes of a manifest's bytes, in the form of `Reader`."""
    try:
        manifest, key_id = _checked(text, keys, bool(keys) if required is None else required)
    except BundleError as error:
        return str(error.code.value)
    return _dump(manifest, key_id, {})


def loaded(path: Path, keys: Sequence[PublicKey] = (), required: bool | None = None) -> str:
    """What Python makes of a bundle on disk, in the form of `Reader`."""
    try:
        bundle = load_bundle(path, key=keys or None, require_signature=required)
    except BundleError as error:
        return str(error.code.value)
    return dump(bundle)


def dump(bundle: Bundle) -> str:
    return _dump(bundle.manifest, bundle.verified_by, bundle.contents)


def _text(value: str) -> str:
    data = value.encode()
    return f"{len(data)}:{data.hex()}"


def _double(value: float) -> str:
    return struct.pack(">d", value).hex()


def _encoding(encoding: Encoding | None) -> list[str]:
    if encoding is None:
        return ["0"]
    interval = encoding.interval
    numbers = [*encoding.curve.raw, *encoding.curve.mos, interval.coverage, interval.quantile]
    numbers += [interval.floor, interval.spread_cap or 0.0]
    head = ["1", _text(encoding.file), _text(encoding.quantisation), str(len(encoding.curve.raw))]
    return head + [_double(number) for number in numbers]


def _score(score: GoldenScore) -> list[str]:
    return [_double(number) for number in (score.mos, score.raw, *score.faults)]


def _dump(manifest: Manifest, key_id: str | None, contents: Mapping[str, bytes]) -> str:
    out = [str(manifest.schema), _text(manifest.name), _text(manifest.version), _text(MOS_SCALE)]
    out += [str(MOS_SCALE_VERSION), _text(key_id or "")]
    out += [str(int(manifest.acceptance is not None and manifest.acceptance.anyway))]
    tolerance = manifest.golden_tolerance
    out += [_double(v) for v in (manifest.reason_threshold, tolerance.mos, tolerance.faults)]
    for name in ("cpu", "trt"):
        out += _encoding(manifest.encodings.get(name))
    out.append(str(len(manifest.golden)))
    for golden in manifest.golden:
        matrix = -1 if golden.matrix is None else int(golden.matrix)
        numbers = (int(golden.format), golden.width, golden.height, matrix, int(golden.range))
        out += [_text(golden.file), *map(str, numbers)]
        for name in ("cpu", "trt"):
            out += _score(golden.scores[name]) if name in manifest.encodings else []
    out.append(str(len(manifest.engines)))
    for engine in manifest.engines:
        out += [_text(engine.file), _text(engine.tensorrt), _text(engine.sm), _text(engine.os)]
        out += [str(len(engine.flags)), *map(_text, engine.flags)]
    out.append(str(len(manifest.files)))
    for name, entry in manifest.files.items():
        data = contents.get(name, b"")
        found = hashlib.sha256(data).hexdigest()
        out += [_text(name), str(entry.size), str(len(data)), found, entry.sha256]
    return " ".join(out)
