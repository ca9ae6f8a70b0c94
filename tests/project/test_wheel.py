"""The wheel, built and installed into an empty folder: what a user gets from it."""

import importlib.util
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    for tool in ("scikit_build_core", "nanobind"):
        if importlib.util.find_spec(tool) is None:
            pytest.skip(f"{tool} is not installed; make test installs the build tools")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    # a build folder of its own: the editable install's must not change under a running test
    command += ["--config-settings", f"build-dir={folder / 'build'}", "-w", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    target = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target), str(wheel)]
    subprocess.run(command, check=True, capture_output=True)
    return target


def test_what_is_in_the_wheel(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.partition("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"leaf_edge"}
    assert any(name.startswith("leaf_edge/_native.") and name.endswith(".so") for name in names)
    for needed in ("leaf_edge/export/__init__.py", "leaf_edge/calibration/__init__.py"):
        assert needed in names


def test_every_shipped_model_is_in_the_wheel(wheel):
    models = ROOT / "leaf_edge" / "models"
    files = [path for path in models.glob("*.leaf/**/*") if path.is_file()]
    if not files:
        pytest.skip("no model bundle in leaf_edge/models yet")
    names = set(zipfile.ZipFile(wheel).namelist())
    missing = [p for p in files if p.relative_to(ROOT).as_posix() not in names]
    assert not missing
    assert not [name for name in names if name.endswith(".pt")]  # checkpoints are for training alone


def python_with(installed: Path, code: str) -> "subprocess.CompletedProcess[str]":
    """Run `code` with the wheel's folder and the dependencies, and without the checkout.

    -S: the path files of an editable install, which lead to the checkout, are not read.
    """
    path = [str(installed), sysconfig.get_path("purelib")]
    program = f"import sys\nsys.path += {path!r}\n{code}"
    return subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True)


@pytest.mark.parametrize(
    "module",
    ["leaf_edge", "leaf_edge._native", "leaf_edge.export", "leaf_edge.calibration", "leaf_edge.cli.main"],
)
def test_modules_come_from_the_wheel(installed, module):
    done = python_with(installed, f"import importlib\nprint(importlib.import_module({module!r}).__file__)")
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(installed)


@pytest.mark.parametrize("name", ["export", "calibration"])
def test_no_top_level_package_of_that_name(installed, name):
    assert not (installed / name).exists()
    done = python_with(installed, f"import {name}")
    assert f"No module named {name!r}" in done.stderr


def test_the_command_of_the_wheel_answers(installed):
    done = python_with(installed, "from leaf_edge.cli.main import main\nmain(['--version'])")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("leaf-edge ")
    assert (installed / "bin" / "leaf-edge").is_file()
