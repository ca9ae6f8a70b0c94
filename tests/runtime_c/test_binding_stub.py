"""The stub of leaf_edge._native is that of the module, and docs/python.md speaks of what is there."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from helpers_build import ROOT

from leaf_edge import _native
from leaf_edge.runtime import native, native_context

TEXT = (ROOT / "docs" / "python.md").read_text()


@pytest.fixture(scope="module")
def stub() -> ModuleType:
    """runtime/binding/stub.py, which writes the stub."""
    pytest.importorskip("nanobind", reason="needs nanobind's stubgen (`make test` installs it)")
    pytest.importorskip("ruff", reason="needs ruff for the house format (leaf-edge[dev])")
    spec = importlib.util.spec_from_file_location("stub", ROOT / "runtime" / "binding" / "stub.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_stub_is_what_stubgen_writes_of_the_installed_module(stub: ModuleType) -> None:
    assert stub.STUB.read_text() == stub.generate(), "run: python runtime/binding/stub.py"


def test_a_stub_of_another_module_is_told(stub: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "runtime" / "binding"
    folder.mkdir(parents=True)
    (tmp_path / "leaf_edge").mkdir()
    program = Path(shutil.copy(stub.__file__ or "", folder))
    written = tmp_path / "leaf_edge" / "_native.pyi"
    written.write_text(stub.STUB.read_text().replace("queue: int = 0", "queue: int = 1"))
    command = [sys.executable, str(program), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 1 and "is not of the module" in done.stderr


def test_every_name_of_the_module_has_types() -> None:
    tree = ast.parse((ROOT / "leaf_edge" / "_native.pyi").read_text())
    typed: dict[str, set[str]] = {"": set()}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            typed[node.name] = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
            typed[""].add(node.name)
        elif isinstance(node, ast.FunctionDef):
            typed[""].add(node.name)
            assert node.returns is not None
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            typed[""].add(node.target.id)
    assert typed[""] == {name for name in vars(_native) if not name.startswith("_")}
    for name, members in typed.items():
        if name:
            found = {item for item in vars(getattr(_native, name)) if not item.startswith("_")}
            assert members - {"__init__"} == found


USER = """
from leaf_edge import _native
from leaf_edge.frames import Frame
from leaf_edge.runtime import native
from leaf_edge.runtime.native_context import Context, Polled
from leaf_edge.runtime.stream import score_stream

def use(frame: Frame, path: str) -> float:
    with Context(path, engines="tensorrt,cpu", queue=2) as context:
        context.submit(frame)
        done: Polled | None = context.poll(1.0)
        fields = _native.Context(b"", engines=["cpu"]).poll(1)
        number: int = "" if fields is None else fields[0]
    for _, score in score_stream(native.load(), [frame]):
        return score.mos
    return 0.0 if done is None or done.score is None else done.score.mos + number
"""


@pytest.mark.slow
def test_a_program_with_types_is_checked_by_mypy_and_only_its_mistake_is_found(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="needs mypy (leaf-edge[dev])")
    package = tmp_path / "view" / "leaf_edge"  # the package as it is installed
    package.mkdir(parents=True)
    for entry in [*(ROOT / "leaf_edge").iterdir(), ROOT / "export", ROOT / "calibration"]:
        (package / entry.name).symlink_to(entry)
    (tmp_path / "user.py").write_text(USER)
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "user.py"]
    environment = os.environ | {"MYPYPATH": str(package.parent)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    errors = [line for line in done.stdout.splitlines() if "error:" in line]
    assert len(errors) == 1 and errors[0].startswith("user.py:13:") and "str | int" in errors[0], done.stdout


def test_the_document_names_what_there_is() -> None:
    names = set(re.findall(r"`(?:Context\.)?(\w+)\(", TEXT))
    known = {name for kind in (native_context.Context, native.NativeScorer) for name in vars(kind)}
    assert names and names <= known | {"load"}
    settings = set(re.findall(r"^\| `(\w+)`", TEXT, re.MULTILINE))
    assert settings <= set(inspect.signature(native_context.Context).parameters) | {
        "Scorer", "NativeScorer", "Context",
        "BundleError", "FrameError", "ValueError", "MemoryError",
        "BlockingIOError", "TimeoutError", "RuntimeError",
    }  # fmt: skip
    for path in re.findall(r"\]\(([\w.]+\.md)", TEXT):
        assert (ROOT / "docs" / path).exists()


def test_the_examples_of_the_document_run(tiny_bundle: Path) -> None:
    pytest.importorskip("torch", reason="one example is of torch (leaf-edge[train])")
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(blocks) == 3
    names: dict[str, object] = {"path": tiny_bundle, "print": lambda *values: None}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
