"""docs/embedding.md and docs/hardening.md against what they speak of."""

from __future__ import annotations

import ctypes
import errno
import re
from pathlib import Path

import pytest
from helpers_build import HEADERS, ROOT, build_cpp

TEXT = (ROOT / "docs" / "embedding.md").read_text()


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    found = ctypes.CDLL(str(build_cpp("leaf_edge") / "runtime" / "libleaf_edge.so"))
    for name in ("leaf_error_name", "leaf_error_remedy", "leaf_version"):
        getattr(found, name).restype = ctypes.c_char_p
    return found


def test_the_program_is_the_example_that_is_built() -> None:
    assert re.findall(r"```c\n(.*?)```", TEXT, re.DOTALL) == [
        (ROOT / "runtime" / "examples" / "score_frame.c").read_text()
    ]


def test_the_table_of_errors_is_what_the_library_says(library: ctypes.CDLL) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (-\d+) \| (.+) \|$", TEXT, re.MULTILINE)
    for name, number, remedy in rows:
        assert library.leaf_error_name(int(number)).decode() == name
        assert library.leaf_error_remedy(int(number)).decode() == remedy
    refusals = re.findall(r"^  (LEAF_E_\w+) = -\d+", (HEADERS / "leaf.h").read_text(), re.MULTILINE)
    assert [row[0] for row in rows if row[0].startswith("LEAF_E_")] == refusals
    others = {row[0] for row in rows} - set(refusals)
    known = {name for code, name in errno.errorcode.items() if library.leaf_error_remedy(-code)}
    assert others == known


def test_the_packages_and_the_soname_are_named_as_they_are(library: ctypes.CDLL) -> None:
    major = library.leaf_api_version() >> 16
    version = library.leaf_version().decode()
    assert f"libleaf-edge{major}_{version}_amd64.deb" in TEXT
    assert f"libleaf_edge.so.{major}`" in TEXT
    assert f"leaf-edge-{version}-linux-x86_64.tar.gz" in TEXT
    assert f"find_package(LeafEdge {version.rpartition('.')[0]} " in TEXT


def test_every_name_of_the_interface_that_is_used_is_declared() -> None:
    headers = "\n".join(path.read_text() for path in HEADERS.glob("*.h"))
    words = set(re.findall(r"\b(?:leaf_[a-z_]+[a-z]|LEAF_[A-Z_]+[A-Z])\b", TEXT))
    tools = {"leaf_edge", "leaf_edge_static", "leaf_bench"}
    environment = {
        "LEAF_ONNXRUNTIME",
        "LEAF_TENSORRT",
        "LEAF_TESTS",
        "LEAF_CUDA",
        "LEAF_TENSORRT_INCLUDE_DIR",
    }
    unknown = {word for word in words - tools - environment if not re.search(rf"\b{word}\b", headers)}
    assert not unknown


@pytest.mark.parametrize("name", ["embedding.md", "hardening.md"])
def test_every_file_that_is_named_is_there(name: str) -> None:
    text = (ROOT / "docs" / name).read_text()
    paths = re.findall(r"`((?:runtime|scripts|tests|leaf_edge)/[\w./-]+\w)`", text)
    paths += [f"docs/{path}" for path in re.findall(r"\]\(([\w.]+\.md)[#)]", text)]
    paths = [path for path in paths if not path.startswith("leaf_edge/leaf.h")]
    assert paths and not [path for path in paths if not (ROOT / path).exists()]


def test_every_fuzz_target_has_inputs_and_is_explained() -> None:
    folder = ROOT / "runtime" / "tests" / "fuzz"
    text = (ROOT / "docs" / "hardening.md").read_text()
    names = [path.stem.removeprefix("fuzz_") for path in sorted(folder.glob("fuzz_*.cpp"))]
    assert {"frame", "manifest"} <= set(names)
    for name in names:
        assert any(path.is_file() for path in Path(folder / "corpus" / name).iterdir()), name
        assert f"`fuzz_{name}`" in text
