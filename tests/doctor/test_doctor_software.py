"""Python, the compiled core, libraries and their versions; tried in interpreters of their own."""

from __future__ import annotations

import pytest
from doctor_inputs import by_key, host, write

from leaf_edge.doctor import Host, Status
from leaf_edge.doctor.check import needs
from leaf_edge.doctor.software import core_checks, extra_checks, library_checks, python_checks
from leaf_edge.doctor.versions import BASE, Requirement, by_extra, parse_requirement, project_requirements

CRASH = (
    "import os, signal, sys\nif 'doctor' in ''.join(sys.orig_argv):\n    os.kill(os.getpid(), signal.{})\n"
)


@pytest.mark.parametrize(
    ("text", "extra", "versions", "good", "bad"),
    [
        ("onnxruntime==1.32.0", BASE, "==1.32.0", ["1.32.0", "1.32", "1.32.0+cuda"], ["1.31.9", "1.32.1"]),
        ("numpy<3,>=2.0", BASE, "<3,>=2.0", ["2.0", "2.4.6"], ["1.26.4", "3.0.0"]),
        (
            'tensorrt<12,>=10.3; extra == "tensorrt"',
            "tensorrt",
            "<12,>=10.3",
            ["10.3.0.26"],
            ["10.2", "12.0"],
        ),
        ("rich (>=13) ; extra == 'x'", "x", ">=13", ["15.0"], ["12"]),
        ("a-b[c]!=2", BASE, "!=2", ["1", "3"], ["2", "2.0"]),
    ],
)
def test_requirements_are_read_and_judge_versions(text, extra, versions, good, bad):
    found, requirement = parse_requirement(text)
    assert (found, requirement.versions) == (extra, versions)
    assert all(map(requirement.allows, good)) and not any(map(requirement.allows, bad))


def test_what_is_no_requirement_is_refused():
    with pytest.raises(ValueError, match="not a requirement"):
        parse_requirement("==1")
    with pytest.raises(ValueError, match="clause"):
        Requirement("x", "~=1.0").allows("1.0")


def test_the_projects_own_pins_are_read_from_the_checkout(tmp_path):
    pins = project_requirements()
    assert {r.name for r in pins[BASE]} >= {"numpy", "onnxruntime", "av", "opencv-python-headless"}
    assert {"train", "plot", "demo", "tensorrt"} <= pins.keys()
    write(tmp_path, "pyproject.toml", '[project]\nname = "other"\ndependencies = []\n')
    assert project_requirements(tmp_path / "leaf_edge")[BASE]  # of another project: the metadata counts


@pytest.mark.parametrize(
    ("version", "implementation", "status"),
    [((3, 11, 0), "CPython", "ok"), ((3, 10, 9), "CPython", "wrong"), ((3, 12, 1), "PyPy", "wrong")],
)
def test_an_old_or_another_python_is_wrong(version, implementation, status):
    assert python_checks(version, implementation)[0].status == status


@pytest.mark.parametrize("signal", ["SIGILL", "SIGSEGV"])
def test_a_core_that_crashes_on_this_processor_is_wrong_and_the_doctor_lives(tmp_path, signal):
    write(tmp_path, "site/sitecustomize.py", CRASH.format(signal))
    checks, core = core_checks(host(tmp_path, python_path=tmp_path / "site"))
    broken = by_key(checks)["core"]
    assert core is None and broken.status is Status.WRONG and signal in broken.found
    assert broken.fails(needs("cpu")) and "pip install" in broken.mend


def test_a_core_that_is_not_there_is_wrong(tmp_path):
    write(tmp_path, "site/sitecustomize.py", "import sys\nsys.modules['leaf_edge._native'] = None\n")
    checks, core = core_checks(host(tmp_path, python_path=tmp_path / "site"))
    assert core is None and "ModuleNotFoundError" in by_key(checks)["core"].found


def libraries(tmp_path, files):
    for name, text in files.items():
        write(tmp_path, f"site/{name}", text)
    pins = by_extra(["onnxruntime==1.32.0", "numpy<3,>=2.0"])
    checks, providers = library_checks(host(tmp_path, python_path=tmp_path / "site"), pins)
    return by_key(checks), providers


def test_an_old_onnxruntime_is_wrong_with_the_version_to_install(tmp_path):
    old = "__version__ = '1.17.0'\ndef get_available_providers(): return ['CPUExecutionProvider']\n"
    checks, providers = libraries(tmp_path, {"onnxruntime/__init__.py": old})
    check = checks["onnxruntime"]
    assert check.status is Status.WRONG and "1.17.0" in check.found and providers == ("CPUExecutionProvider",)
    assert check.mend == "pip install 'onnxruntime==1.32.0'"
    assert checks["numpy"].status is Status.OK


def test_libraries_that_do_not_import_say_why(tmp_path):
    broken = {
        "onnxruntime/__init__.py": "raise ImportError('libstdc++.so.6: version GLIBCXX_3.4.30 not found')\n",
        "av/__init__.py": "import nothing_of_that_name\n",
        "cv2/__init__.py": "import sys\nprint('noise')\nsys.exit(0)\n",
    }
    checks, providers = libraries(tmp_path, broken)
    assert "GLIBCXX_3.4.30" in checks["onnxruntime"].found and providers == ()
    assert "nothing_of_that_name" in checks["av"].found and checks["av"].status is Status.WRONG
    assert checks["opencv-python-headless"].status is Status.WRONG


def test_extras_name_what_is_missing_and_what_has_another_version(tmp_path):
    pins = by_extra(
        [f"{line}; extra == 'train'" for line in ("torch==2.13.0", "onnx==1.23.2", "scipy==1.17.1")]
    )

    def train(**versions):
        machine = Host(root=tmp_path, installed=versions.get)
        return extra_checks(machine, pins, frozenset({"cpu"}))[0]

    assert train().status is Status.MISSING and train().found == "not installed"
    partly = train(torch="2.13.0+cpu", onnx="1.20.0")
    assert partly.status is Status.MISSING and "scipy" in partly.found and "onnx 1.20.0" in partly.found
    assert train(torch="2.12.0", onnx="1.23.2", scipy="1.17.1").status is Status.WRONG
    assert train(torch="2.13.0+cpu", onnx="1.23.2", scipy="1.17.1").status is Status.OK


def test_an_extra_that_is_needed_is_imported_too(tmp_path):
    write(tmp_path, "site/matplotlib/__init__.py", "raise OSError('no fonts')\n")
    pins = {"plot": [Requirement("matplotlib", "==3.11.2")]}
    machine = host(tmp_path, python_path=tmp_path / "site", installed={"matplotlib": "3.11.2"}.get)
    assert by_key(extra_checks(machine, pins, needs("cpu")))["extra-plot"].status is Status.OK
    asked = by_key(extra_checks(machine, pins, needs("cpu", "plot")))["extra-plot"]
    assert asked.status is Status.WRONG and "no fonts" in asked.found and asked.fails(needs("plot"))
