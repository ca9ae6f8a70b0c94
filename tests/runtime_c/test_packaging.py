"""The C library as it is installed: what it shows, how programs find it, its packages, its size."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from helpers_build import (
    HEADERS,
    ROOT,
    build_cpp,
    configured,
    declared,
    find,
    locked,
    onnxruntime_library,
    run,
)

EXAMPLE = ROOT / "runtime" / "examples"
MODEL = ROOT / "leaf_edge" / "models" / "leaf-s.leaf"
LIBRARIES = ("leaf_edge", "leaf_edge_static")
WIDTH, HEIGHT = 320, 180

pytestmark = pytest.mark.timeout(1200)  # the first of them compiles everything


def api_version(part: str) -> str:
    found = re.search(rf"#define LEAF_API_{part} (\d+)", (HEADERS / "api.h").read_text())
    assert found
    return found[1]


@pytest.fixture(scope="module")
def built() -> Path:
    return build_cpp("all")


@pytest.fixture(scope="module")
def prefix(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A temporary folder with everything installed in it, moved once: it must not know where it lies."""
    folder = tmp_path_factory.mktemp("installed")
    run([find("cmake"), "--install", built, "--prefix", folder / "before"])
    return (folder / "before").rename(folder / "after")


@pytest.fixture(scope="module")
def libdir(prefix: Path) -> Path:
    (library,) = prefix.rglob("libleaf_edge.a")
    return library.parent


def pkg_config(libdir: Path, *arguments: str) -> list[str]:
    environment = {**os.environ, "PKG_CONFIG_PATH": str(libdir / "pkgconfig")}
    return run([find("pkg-config"), *arguments], env=environment).decode().split()


def score(program: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Runs the example on a grey frame with a gradient."""
    luma = bytes(16 + (x + y) % 200 for y in range(HEIGHT) for x in range(WIDTH))
    return subprocess.run(
        [program, MODEL, str(WIDTH), str(HEIGHT)],
        input=luma + bytes([128]) * (len(luma) // 2),
        capture_output=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_the_library_shows_the_functions_of_the_headers_and_nothing_else(libdir: Path) -> None:
    lines = run([find("nm"), "-D", "--defined-only", libdir / "libleaf_edge.so"]).decode().splitlines()
    kinds = {line.split()[-1].partition("@")[0]: line.split()[-2] for line in lines}
    version = f"LEAF_EDGE_{api_version('MAJOR')}"
    assert kinds.pop(version) == "A"
    assert set(kinds) == declared()
    assert set(kinds.values()) == {"T"}


def test_the_static_library_leaves_only_the_interface_visible_in_what_it_is_linked_into(
    libdir: Path, tmp_path: Path
) -> None:
    whole = ["-Wl,--whole-archive", str(libdir / "libleaf_edge.a"), "-Wl,--no-whole-archive"]
    run([find("g++", "c++"), "-shared", "-o", tmp_path / "mine.so", *whole, "-pthread", "-ldl"])
    lines = run([find("nm"), "-D", "--defined-only", "-C", tmp_path / "mine.so"]).decode().splitlines()
    names = {line.split(maxsplit=2)[2] for line in lines}
    assert {name for name in names if name.startswith("leaf_")} == declared()
    # templates of the standard library are visible by its own wish; nothing of the project is
    assert not {name for name in names if re.match(r"(\w+ for )?leaf::", name)}


def test_the_soname_is_the_major_number_of_the_interface(libdir: Path) -> None:
    text = run([find("objdump"), "-p", libdir / "libleaf_edge.so"]).decode()
    soname = f"libleaf_edge.so.{api_version('MAJOR')}"
    assert re.search(r"SONAME\s+(\S+)", text)[1] == soname  # type: ignore[index]
    assert (libdir / soname).is_symlink()
    assert (libdir / f"{soname}.{api_version('MINOR')}").is_file()


def test_the_library_needs_nothing_but_the_language_s_own_libraries(libdir: Path) -> None:
    text = run([find("objdump"), "-p", libdir / "libleaf_edge.so"]).decode()
    needed = {name.partition(".so")[0] for name in re.findall(r"NEEDED\s+(\S+)", text)}
    assert needed <= {
        "libstdc++",
        "libm",
        "libgcc_s",
        "libc",
        "libdl",
        "libpthread",
        "ld-linux-x86-64",
        "ld-linux-aarch64",
    }


UNLOAD = """
import ctypes, _ctypes, pathlib, sys
for _ in range(2):
    _ctypes.dlclose(ctypes.CDLL(sys.argv[1])._handle)
sys.exit(pathlib.Path(sys.argv[1]).name not in pathlib.Path("/proc/self/maps").read_text())
"""


def test_the_library_stays_where_engines_know_its_functions(libdir: Path) -> None:
    run([sys.executable, "-c", UNLOAD, (libdir / "libleaf_edge.so").resolve()])


def test_every_header_is_installed_and_no_other(prefix: Path) -> None:
    installed = {
        path.relative_to(prefix / "include") for path in (prefix / "include").rglob("*") if path.is_file()
    }
    assert installed == {path.relative_to(HEADERS.parent) for path in HEADERS.glob("*.h")}


@pytest.mark.parametrize("wanted", ["0.1", "0.1.0"])
def test_cmake_finds_a_version_that_fits(prefix: Path, tmp_path: Path, wanted: str) -> None:
    assert "found 0.1.0" in find_package(prefix, tmp_path, wanted)


@pytest.mark.parametrize("wanted", ["0.2", "1.0", "0.0.9"])
def test_cmake_refuses_a_version_that_does_not(prefix: Path, tmp_path: Path, wanted: str) -> None:
    output = find_package(prefix, tmp_path, wanted)
    assert "found" not in output and "none" in output


def find_package(prefix: Path, folder: Path, version: str) -> str:
    (folder / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.20)\nproject(p LANGUAGES C)\n"
        f"find_package(LeafEdge {version} QUIET)\n"
        'if(LeafEdge_FOUND)\nmessage(STATUS "found ${LeafEdge_VERSION}")\n'
        "else()\nmessage(STATUS none)\nendif()\n"
    )
    return configured(folder, folder / "b", f"-DCMAKE_PREFIX_PATH={prefix}").decode()


@pytest.fixture(scope="module")
def programs(prefix: Path, libdir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The example, built in each of the four ways that it can be, from a copy of its folder."""
    folder = tmp_path_factory.mktemp("example")
    source = Path(shutil.copytree(EXAMPLE, folder / "source"))
    warnings = "-DCMAKE_C_FLAGS=-Wall -Wextra -Wconversion -pedantic -Werror"
    configured(source, folder / "cmake", f"-DCMAKE_PREFIX_PATH={prefix}", warnings)
    run([find("cmake"), "--build", folder / "cmake"])
    found = {
        "cmake": folder / "cmake" / "score_frame",
        "cmake static": folder / "cmake" / "score_frame_static",
    }
    for library in LIBRARIES:
        flags = pkg_config(libdir, "--cflags", "--libs", library)
        program = folder / library
        compiler = find("gcc", "cc")
        run([compiler, "-std=c11", "-Wall", "-Werror", source / "score_frame.c", "-o", program, *flags])
        found[f"pkg-config {library}"] = program
    return found


HOW = ("cmake", "cmake static", *(f"pkg-config {library}" for library in LIBRARIES))


@pytest.mark.parametrize("how", HOW)
def test_the_example_scores_a_frame(programs: dict[str, Path], libdir: Path, how: str) -> None:
    runtime = str(onnxruntime_library())
    done = score(programs[how], LD_LIBRARY_PATH=str(libdir), LEAF_ONNXRUNTIME=runtime)
    assert done.returncode == 0, done.stderr.decode()
    found = re.fullmatch(r"MOS (\d\.\d\d) \((\d\.\d\d) to (\d\.\d\d)\) [a-z_ -]*\n", done.stdout.decode())
    assert found, done.stdout
    assert float(found[2]) <= float(found[1]) <= float(found[3])


@pytest.mark.parametrize("how", HOW)
def test_the_example_says_what_is_missing(programs: dict[str, Path], libdir: Path, how: str) -> None:
    done = score(programs[how], LD_LIBRARY_PATH=str(libdir), LEAF_ONNXRUNTIME="/nowhere/libonnxruntime.so")
    assert done.returncode == 1 and done.stdout == b""
    assert b"LEAF_E_DEVICE_NO_ONNXRUNTIME: " in done.stderr and done.stderr.count(b"\n") == 1


def test_the_static_example_needs_no_installed_library(programs: dict[str, Path]) -> None:
    for how in HOW:
        text = run([find("objdump"), "-p", programs[how]]).decode()
        assert ("libleaf_edge" in text) == ("static" not in how), how


def test_the_core_without_engines_is_below_500_kilobytes(built: Path) -> None:
    output = run([find("cmake"), "--build", built, "--target", "core_size"]).decode()
    found = re.search(
        r"core without engines: (\d+) KB of stripped objects \((\d+) files\), limit 500 KB", output
    )
    assert found, output
    print(found[0])
    assert 50 < int(found[1]) < 500 and int(found[2]) >= 8


def packaged(built: Path, folder: Path, generator: str) -> list[Path]:
    environment = {**os.environ, "PATH": f"{Path(find('cmake')).parent}:{os.environ['PATH']}"}
    config = built / "CPackConfig.cmake"
    with locked(built):
        run([find("cpack"), "--config", config, "-G", generator, "-B", folder], env=environment)
    return sorted(path for path in folder.iterdir() if path.is_file())


def test_the_archive_holds_the_whole_library(built: Path, prefix: Path, tmp_path: Path) -> None:
    (archive,) = packaged(built, tmp_path, "TGZ")
    assert re.fullmatch(r"leaf-edge-0\.1\.0-linux-\w+\.tar\.gz", archive.name)
    with tarfile.open(archive) as tar:
        files = {Path(*Path(m.name).parts[1:]) for m in tar.getmembers() if not m.isdir()}
    expected = {path.relative_to(prefix) for path in prefix.rglob("*") if not path.is_dir()}
    assert files == expected


def test_the_debian_packages_state_what_they_are_and_need(built: Path, tmp_path: Path) -> None:
    dpkg = find("dpkg-deb")
    found = {}
    for package in packaged(built, tmp_path, "DEB"):
        text = run([dpkg, "--field", package]).decode()
        fields = dict(re.findall(r"^([A-Z][\w-]*): (.*)$", text, flags=re.MULTILINE))
        listing = run([dpkg, "--contents", package]).decode()
        found[fields["Package"]] = (fields, re.findall(r"\./(\S*[^/\s])(?: -> \S+)?$", listing, re.MULTILINE))
        assert fields["Version"] == "0.1.0"
        assert fields["Architecture"] == run([find("dpkg"), "--print-architecture"]).decode().strip()
        assert package.name == f"{fields['Package']}_0.1.0_{fields['Architecture']}.deb"
        assert fields["Description"].startswith("Real-time image quality")
        assert ";" not in text and re.search(r"^ [A-Z].+\w$", text, flags=re.MULTILINE), text
    runtime = f"libleaf-edge{api_version('MAJOR')}"
    assert set(found) == {runtime, "libleaf-edge-dev", "leaf-edge-tools"}

    fields, files = found[runtime]
    assert any(name.endswith(f"libleaf_edge.so.{api_version('MAJOR')}") for name in files)
    assert not any(name.endswith((".h", ".a", ".so")) for name in files)
    if shutil.which("dpkg-shlibdeps"):
        assert re.search(r"libstdc\+\+6 \(>= [\d.]+\)", fields["Depends"])
    fields, files = found["libleaf-edge-dev"]
    assert f"{runtime} (= 0.1.0)" in fields["Depends"]
    assert any(name.endswith("include/leaf_edge/leaf.h") for name in files)
    assert any(name.endswith("LeafEdgeConfig.cmake") for name in files)
    fields, files = found["leaf-edge-tools"]
    assert f"{runtime} (= 0.1.0)" in fields["Depends"]
    assert {"usr/bin/leaf-score", "usr/bin/leaf-info"} <= set(files)
