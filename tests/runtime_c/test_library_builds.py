"""The C library in other builds: with sanitizers by name, and for 64-bit Arm under qemu."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from helpers_build import ROOT, build, configure, configured, declared, find, run

EXAMPLE = ROOT / "runtime" / "examples"
MODEL = ROOT / "leaf_edge" / "models" / "leaf-s.leaf"
TOOLCHAIN = ROOT / "runtime" / "cmake" / "aarch64-linux-gnu.cmake"
WIDTH, HEIGHT = 320, 180

pytestmark = pytest.mark.timeout(1200)  # the first of them compiles everything


@pytest.mark.parametrize(
    ("wanted", "flags"),
    [
        ("ON", "-fsanitize=address,undefined"),
        ("address", "-fsanitize=address"),
        ("undefined", "-fsanitize=undefined"),
        ("thread", "-fsanitize=thread"),
        ("OFF", None),
    ],
)
def test_sanitizers_are_chosen_by_name(tmp_path: Path, wanted: str, flags: str | None) -> None:
    configure(tmp_path, "-DLEAF_CUDA=OFF", f"-DLEAF_SANITIZE={wanted}", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON")
    commands = (tmp_path / "compile_commands.json").read_text()
    assert set(re.findall(r"-fsanitize=\S+", commands)) == ({flags} if flags else set())


def refusal(folder: Path, option: str) -> str:
    """What CMake says where it refuses to configure with `option`."""
    command = [find("cmake"), "-S", ROOT, "-B", folder, option, "-DLEAF_CUDA=OFF"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    return " ".join(done.stderr.split())


def test_a_sanitizer_that_is_not_known_is_refused(tmp_path: Path) -> None:
    said = refusal(tmp_path, "-DLEAF_SANITIZE=addres")
    assert "LEAF_SANITIZE is 'addres': give address, undefined, thread" in said


def test_a_compiler_that_is_too_old_is_told_before_it_compiles(tmp_path: Path) -> None:
    # <charconv> is taken for included already: what GCC 9 has of it lacks the same function
    said = refusal(tmp_path, "-DCMAKE_CXX_FLAGS=-D_GLIBCXX_CHARCONV=1")
    assert "has no std::from_chars of double: take GCC 11 or later, as on JetPack 6" in said


@pytest.fixture(scope="module")
def arm() -> Path:
    """The whole project for 64-bit Arm, with its tests."""
    find("aarch64-linux-gnu-g++")
    find("qemu-aarch64-static", "qemu-aarch64")
    return build("aarch64", (), f"-DCMAKE_TOOLCHAIN_FILE={TOOLCHAIN}")


def test_the_tests_pass_on_arm(arm: Path) -> None:
    # the kernels' own test has a shorter run in tests/views
    command = [
        find("ctest"),
        "--test-dir",
        arm,
        "--output-on-failure",
        "--no-tests=error",
        "-E",
        "^checkviews$",
    ]
    environment = {name: value for name, value in os.environ.items() if name != "LEAF_ONNXRUNTIME"}
    output = run(command, env=environment).decode()
    assert "100% tests passed" in output
    for name in ("views", "gate", "header", "bundle", "core_size"):
        assert re.search(rf" {name} \.+ +Passed", output), output


def test_the_library_for_arm_shows_the_same_functions(arm: Path) -> None:
    tool, library = find("aarch64-linux-gnu-nm"), arm / "runtime" / "libleaf_edge.so"
    lines = run([tool, "-D", "--defined-only", library]).decode().splitlines()
    assert {line.split()[-1].partition("@")[0] for line in lines if " T " in line} == declared()


def test_the_example_is_built_for_arm_and_run(arm: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    run([find("cmake"), "--install", arm, "--prefix", prefix])
    options = [f"-DCMAKE_TOOLCHAIN_FILE={TOOLCHAIN}", f"-DLeafEdge_ROOT={prefix}"]
    configured(EXAMPLE, tmp_path / "build", *options, "-DCMAKE_FIND_ROOT_PATH_MODE_PACKAGE=BOTH")
    run([find("cmake"), "--build", tmp_path / "build"])
    emulator = [find("qemu-aarch64-static", "qemu-aarch64"), "-L", "/usr/aarch64-linux-gnu"]
    for name in ("score_frame", "score_frame_static"):
        command = [*emulator, "-E", f"LD_LIBRARY_PATH={prefix / 'lib'}", tmp_path / "build" / name]
        frame = bytes(WIDTH * HEIGHT * 3 // 2)
        done = subprocess.run(
            [*command, MODEL, str(WIDTH), str(HEIGHT)], input=frame, capture_output=True, check=False
        )
        # no ONNX Runtime for this processor here: the bundle is read and verified, and the engine refused
        assert done.returncode == 1, done.stderr
        assert done.stderr.startswith(b"LEAF_E_DEVICE_NO_ONNXRUNTIME: ")
