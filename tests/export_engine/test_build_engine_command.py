"""`leaf-edge build-engine`: what it says, how it ends, and what it writes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from leaf_edge.bundle import load_bundle
from leaf_edge.bundle.manifest import EngineEntry
from leaf_edge.cli.exit_codes import ExitCode
from leaf_edge.cli.main import main
from leaf_edge.export import engine_build
from leaf_edge.export.engine_options import BuildError
from leaf_edge.runtime.preflight import NoDriver

TINY = ["--tensorrt", "10.3.0", "--sm", "sm87", "--os", "linux-aarch64"]


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the tiny bundle that may be changed."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "tiny.leaf"))


def installed(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    """A package of that name and source, first on the path."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text(text)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, name, raising=False)


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    return captured.err


def test_without_a_driver_one_line_and_a_code_of_its_own(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engine_build, "probe_driver", lambda: NoDriver("libcuda.so.1 cannot be loaded"))
    assert main(["build-engine", str(bundle)]) == ExitCode.DEVICE
    assert "libcuda.so.1 cannot be loaded" in one_line(capsys)


def test_the_process_ends_with_that_code_and_no_crash(bundle: Path) -> None:
    if not isinstance(engine_build.probe_driver(), NoDriver):
        pytest.skip("this machine has a CUDA driver")
    command = [sys.executable, "-m", "leaf_edge.cli.main", "build-engine", str(bundle)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == ExitCode.DEVICE
    assert done.stderr.startswith("leaf-edge: no engine can be built here: ") and done.stderr.count("\n") == 1
    assert load_bundle(bundle).manifest.engines == ()


@pytest.mark.skipif(
    any(package.kind == "full" for package in engine_build.installed_tensorrt()),
    reason="TensorRT is installed",
)
def test_without_the_package_the_extra_is_named(
    bundle: Path, with_driver: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    with_driver()
    assert main(["build-engine", str(bundle)]) == ExitCode.EXTRA
    assert "leaf-edge[tensorrt]" in one_line(capsys)


def test_the_lean_runtime_is_told_from_the_builder(
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    with_driver: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with_driver()
    installed(tmp_path / "site", monkeypatch, "tensorrt_lean", '__version__ = "11.4.0.106"\n')
    assert main(["build-engine", str(bundle)]) == ExitCode.EXTRA
    assert "tensorrt_lean 11.4.0.106 runs engines, it builds none" in one_line(capsys)


def test_a_package_without_its_libraries_is_named(
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    with_driver: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with_driver()
    source = '__version__ = "10.3.0"\nraise ImportError("libnvinfer.so.10: cannot open shared object file")\n'
    installed(tmp_path / "site", monkeypatch, "tensorrt", source)
    assert main(["build-engine", str(bundle), "--float", "fp32"]) == ExitCode.EXTRA
    assert "libnvinfer.so.10" in one_line(capsys)


def test_without_onnx_float32_is_offered(
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    with_driver: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with_driver()
    installed(tmp_path / "site", monkeypatch, "tensorrt", '__version__ = "10.3.0"\n')
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert main(["build-engine", str(bundle)]) == ExitCode.EXTRA
    assert "--float fp32" in one_line(capsys)


def test_an_unsupported_version_and_an_old_device_are_refused(
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    with_driver: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with_driver(capability=(7, 5))
    installed(tmp_path / "a", monkeypatch, "tensorrt", '__version__ = "10.3.0"\n')
    assert main(["build-engine", str(bundle), "--ampere-plus"]) == ExitCode.DEVICE
    assert "sm75" in one_line(capsys)
    installed(tmp_path / "b", monkeypatch, "tensorrt", '__version__ = "8.6.1"\n')
    assert main(["build-engine", str(bundle)]) == ExitCode.EXTRA
    assert "8.6.1 is not supported" in one_line(capsys)


def test_an_engine_of_trtexec_goes_into_the_bundle_with_hash_and_log(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "camera.plan").write_bytes(b"a plan")
    (tmp_path / "trtexec.log").write_bytes(b"line one\n\x1b[31mline two\n")
    extra = ["--add", str(tmp_path / "camera.plan"), "--log", str(tmp_path / "trtexec.log"), *TINY]
    assert main(["build-engine", str(bundle), *extra, "--batch", "1-4", "--json"]) == ExitCode.OK
    facts = json.loads(capsys.readouterr().out)
    loaded = load_bundle(bundle)
    (engine,) = loaded.manifest.engines
    name = "engines/10.3.0-sm87-linux-aarch64"
    flags = ("batch=1-4", "fp16", "workspace=256")
    assert engine == EngineEntry(f"{name}.plan", "10.3.0", "sm87", "linux-aarch64", flags, f"{name}.log")
    assert loaded.contents[engine.file] == b"a plan"
    assert loaded.contents[f"{name}.log"] == b"line one\n?[31mline two\n"
    assert facts["sha256"] == loaded.manifest.files[engine.file].sha256


def test_a_new_bundle_leaves_the_old_one_as_it_was(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "camera.plan").write_bytes(b"a plan")
    before = (bundle / "manifest.json").read_bytes()
    new = tmp_path / "new.leaf"
    command = [
        "build-engine",
        str(bundle),
        "--output",
        str(new),
        "--add",
        str(tmp_path / "camera.plan"),
        *TINY,
    ]
    assert main(command) == ExitCode.OK
    assert (bundle / "manifest.json").read_bytes() == before
    assert len(load_bundle(new).manifest.engines) == 1
    assert main(command) == ExitCode.OUTPUT
    assert main([*command, "--overwrite"]) == ExitCode.OK


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--batch", "4-2"], "--batch"),
        (["--batch", "x"], "--batch"),
        (["--batch", "1-2-3-4"], "--batch"),
        (["--effort", "9"], "--effort"),
        (["--dla", "0", "--batch", "1-2"], "--dla"),
        (["--sm", "sm87"], "--add"),
        (["--add", "x.plan", "--onnx", "x.onnx"], "--onnx"),
        (["--add", "x.plan"], "--tensorrt"),
        (["--add", "x.plan", "--tensorrt", "9.0.0", "--sm", "sm87", "--os", "linux-aarch64"], "9.0.0"),
    ],
)
def test_options_that_contradict_are_refused(
    bundle: Path, options: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build-engine", str(bundle), *options]) == ExitCode.USAGE
    assert reason in one_line(capsys)


def test_a_shipped_model_is_not_written_into(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build-engine", "leaf-s"]) == ExitCode.USAGE
    assert "--output leaf-s.leaf" in one_line(capsys)


def test_an_empty_or_absent_engine_is_refused(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.plan").write_bytes(b"")
    assert main(["build-engine", str(bundle), "--add", str(tmp_path / "empty.plan"), *TINY]) == ExitCode.USAGE
    assert main(["build-engine", str(bundle), "--add", str(tmp_path / "none.plan"), *TINY]) == ExitCode.INPUT


def test_the_network_for_trtexec_is_written_without_a_device(tmp_path: Path) -> None:
    assert main(["build-engine", "leaf-s", "--onnx", str(tmp_path / "half.onnx")]) == ExitCode.OK
    assert main(["build-engine", "leaf-s", "--onnx", str(tmp_path / "full.onnx"), "--float", "fp32"]) == 0
    half: Any = onnx.load(tmp_path / "half.onnx")
    assert {prop.key: prop.value for prop in half.metadata_props}["float"] == "float16"
    assert onnx.load(tmp_path / "full.onnx").opset_import[0].version == 17
    assert not list(tmp_path.glob("*.part"))


def test_a_graph_that_is_no_student_is_refused_before_tensorrt(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build-engine", str(bundle), "--onnx", str(tmp_path / "x.onnx")]) == ExitCode.REFUSED
    assert one_line(capsys).startswith("refused: ") and not (tmp_path / "x.onnx").exists()


def test_the_timing_cache_is_replaced_whole(tmp_path: Path) -> None:
    cache = tmp_path / "trt.cache"
    assert engine_build.read_cache(None) == engine_build.read_cache(cache) == b""
    engine_build.write_cache(cache, b"one")
    engine_build.write_cache(cache, b"two")
    assert engine_build.read_cache(cache) == b"two" and [cache] == list(tmp_path.iterdir())
    with cache.open("r+b") as file:
        file.truncate(1 << 30)
    with pytest.raises(BuildError, match="no timing cache"):
        engine_build.read_cache(cache)
