#!/usr/bin/env python3
"""Type stubs of TensorRT's Python bindings, for mypy: no TensorRT, driver or GPU is needed.

    scripts/tensorrt_stubs.py [--into build/stubs]

NVIDIA ships the bindings without stubs, in wheels of their own. For each version in `BINDINGS` this
downloads the wheel, links three shared libraries whose only symbols are the ones that the bindings
import (each returns null), imports the bindings over them and has pybind11-stubgen write what it finds:
build/stubs/VERSION/tensorrt/*.pyi. Bindings and libraries stay beside it, in run/, for tests of what needs no
TensorRT behind them. What is there already is kept; nothing of it belongs in the repository.

Prints one line for each version. Exit code: 0 all are there; 3 skipped (no network, no compiler), with the
reason; anything else is a fault of this script or of the bindings.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import keyword
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SKIPPED = 3
STUBGEN = "pybind11-stubgen==2.5.5"
BINDINGS = {
    # version: requirement. The oldest that is supported (JetPack 6), the last of 10.x, and 11.x.
    "10.3": "tensorrt-cu12-bindings==10.3.0",
    "10.16": "tensorrt-cu12-bindings==10.16.1.11",
    "11.4": "tensorrt-cu13-bindings==11.4.0.106",
}
LIBRARIES = {
    "libnvinfer": (
        "createInferBuilder_INTERNAL",
        "createInferRefitter_INTERNAL",
        "createInferRuntime_INTERNAL",
        "getBuilderPluginRegistry",
        "getPluginRegistry",
    ),
    "libnvinfer_plugin": ("initLibNvInferPlugins",),
    "libnvonnxparser": (
        "createNvOnnxParser_INTERNAL",
        "createNvOnnxParserRefitter_INTERNAL",
        "getNvOnnxParserVersion",
    ),
}


class Skip(Exception):
    """The stubs cannot be made here; the text says why."""


def main() -> int:
    """Makes what is missing; see the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    default = Path(__file__).resolve().parents[1] / "build" / "stubs"
    parser.add_argument("--into", type=Path, default=default, metavar="FOLDER")
    into: Path = parser.parse_args().into
    into.mkdir(parents=True, exist_ok=True)
    recipe = hashlib.sha256(Path(__file__).read_bytes() + sys.version.encode()).hexdigest()
    try:
        for version, requirement in BINDINGS.items():
            made = into / version / "recipe"
            if made.is_file() and made.read_text() == recipe:
                continue
            with tempfile.TemporaryDirectory(dir=into, prefix=".making-") as folder:
                stubs = make(requirement, version.partition(".")[0], Path(folder))
                (stubs / "recipe").write_text(recipe)
                shutil.rmtree(into / version, ignore_errors=True)
                stubs.rename(into / version)
            print(f"stubs of {requirement}: {into / version}")
    except Skip as reason:
        print(f"skipped: {reason}")
        return SKIPPED
    return 0


def make(requirement: str, major: str, work: Path) -> Path:
    """The folder with the stubs of one version, inside `work`."""
    install(requirement, work / "bindings")
    install(STUBGEN, work / "stubgen")
    libraries = null_libraries(work / "lib", major)
    # the wheel's package, under the name by which programs import it
    (work / "bindings" / "tensorrt_bindings").rename(work / "bindings" / "tensorrt")
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(libraries),
        "PYTHONPATH": f"{work / 'bindings'}{os.pathsep}{work / 'stubgen'}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-m", "pybind11_stubgen", "tensorrt", "-o", str(work / "stubs")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"pybind11-stubgen failed on {requirement}:\n{done.stderr[-3000:]}")
    for path in (work / "stubs").rglob("*.pyi"):
        # the bindings' own annotations are full of what --strict refuses; ours are checked against them
        path.write_text("# mypy: ignore-errors\n" + repaired(path.read_text(), path.name))
    (work / "stubs" / "run").mkdir()
    for folder in ("bindings", "lib"):
        (work / folder).rename(work / "stubs" / "run" / folder)
    return work / "stubs"


def install(requirement: str, target: Path) -> None:
    """The wheel of one requirement, unpacked in `target`; raises `Skip` where pip has none."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q", "--no-deps"]
    command = [*pip, "--only-binary", ":all:", "--target", str(target), requirement]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["no output"]
        raise Skip(f"pip cannot install {requirement} ({reason[0][:200]})")


def null_libraries(folder: Path, major: str) -> Path:
    """Three shared libraries, by the names that the bindings of `major` ask for."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise Skip("no C compiler (cc, gcc, clang) on PATH")
    folder.mkdir()
    for name, symbols in LIBRARIES.items():
        source = folder / f"{name}.c"
        source.write_text("".join(f"void *{symbol}(void) {{ return 0; }}\n" for symbol in symbols))
        target = f"{name}.so.{major}"
        link = ["-shared", "-fPIC", f"-Wl,-soname,{target}", "-o", str(folder / target), str(source)]
        done = subprocess.run([compiler, *link], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{compiler} cannot link {target}:\n{done.stderr[-2000:]}")
    return folder


_DEFINITION = re.compile(r"^(\s*def \w+\()(.*)(\)(?: -> .*)?:.*)$")


def repaired(text: str, name: str) -> str:
    """`text` as valid Python: some signatures of the bindings are none.

    Parameters that are named like a keyword (`in`) get an underscore; one without a default after one
    with a default gets one too. Raises SystemExit where that is not enough.
    """
    lines = []
    for line in text.splitlines():
        found = _DEFINITION.match(line)
        if found:
            line = found[1] + _parameters(found[2]) + found[3]
        lines.append(line)
    result = "\n".join(lines) + "\n"
    try:
        ast.parse(result)
    except SyntaxError as error:
        raise SystemExit(
            f"{name} is not valid Python after repair: line {error.lineno}, {error.text}"
        ) from None
    return result


def _parameters(text: str) -> str:
    parts, default = _split(text), False
    for i, part in enumerate(parts):
        label = part.partition(":")[0].partition("=")[0].strip()
        if keyword.iskeyword(label):
            part = part.replace(label, f"{label}_", 1)
        if label.startswith("*"):
            default = False
        elif "=" in part:
            default = True
        elif default and label != "/":
            part += " = ..."
        parts[i] = part
    return ", ".join(parts)


def _split(text: str) -> list[str]:
    """At the commas outside of brackets and strings."""
    parts, depth, quote, start = [], 0, "", 0
    for i, c in enumerate(text):
        if quote:
            quote = "" if c == quote else quote
        elif c in "\"'":
            quote = c
        elif c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
        elif c == "," and not depth:
            parts.append(text[start:i].strip())
            start = i + 1
    last = text[start:].strip()
    return [*parts, last] if last else parts


if __name__ == "__main__":
    sys.exit(main())
