"""Programs of the TensorRT engine's tests, compiled with sanitizers, and TensorRT's headers to do it with."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "runtime"
SOURCES = (
    *("api/error", "api/logger", "api/memory", "api/names", "bundle/sha256"),
    *("views", "views_plan", "views_scalar", "engines/choose"),
    *(f"engines/cuda_{name}" for name in ("buffer", "driver", "fatbin", "frame")),
    *(f"engines/tensorrt_{name}" for name in ("device", "engine", "frames", "library", "open")),
    "engines/engine_fit",
)
"""All but the one file that needs TensorRT's headers."""

SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
OPTIONS = (
    *("-std=c++17", "-O1", "-g1", "-Wall", "-Wextra", "-Werror", "-DLEAF_BUILDING", '-DLEAF_VERSION="0"'),
    *(f"-I{RUNTIME / 'src'}", f"-I{RUNTIME / 'include'}"),
)
NO_ONNXRUNTIME = """
#include "engine.h"
namespace leaf { int open_onnxruntime(EnginePtr*, const EngineRequest&, int) { return -1; } }
"""


def compiler() -> str:
    """The C++ compiler. Skips the test where there is none."""
    found = shutil.which("g++") or shutil.which("c++")
    if found is None:
        pytest.skip("needs a C++ compiler")
    return found


def run(command: Sequence[str | Path], **environment: str) -> str:
    """Output of a program that must succeed."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-8000:]}"
    return done.stdout


def compile_sources(folder: Path, sources: Sequence[str], *options: str) -> list[Path]:
    """Objects of files of runtime/src, named without their suffix."""
    objects = []
    for source in sources:
        target = folder / (source.replace("/", "_") + ".o")
        extra = ["-ffp-contract=off"] if source == "views_plan" else []
        path = RUNTIME / "src" / f"{source}.cpp"
        run([compiler(), *OPTIONS, *options, *extra, "-c", path, "-o", target])
        objects.append(target)
    return objects


def header_folders() -> list[Path]:
    """Folders of NvInferRuntime.h: `LEAF_TENSORRT_HEADERS` (between colons), else the usual places."""
    named = os.environ.get("LEAF_TENSORRT_HEADERS")
    folders = named.split(":") if named else ["/usr/include/x86_64-linux-gnu", "/usr/local/tensorrt/include"]
    return [Path(folder) for folder in folders if (Path(folder) / "NvInferRuntime.h").is_file()]


def header_version(folder: Path) -> tuple[int, int]:
    """Major and minor version of TensorRT's headers."""
    text = (folder / "NvInferVersion.h").read_text()
    found = [
        re.search(rf"define (?:NV_TENSORRT_{part}|TRT_{part}_ENTERPRISE) (\d+)", text)
        for part in ("MAJOR", "MINOR")
    ]
    assert found[0] is not None and found[1] is not None
    return int(found[0][1]), int(found[1][1])
