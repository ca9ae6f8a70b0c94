"""Python, the package itself, its compiled core, and the packages that it stands on."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leaf_edge import __version__
from leaf_edge.doctor.check import CPU, Check, Status, needs
from leaf_edge.doctor.host import Host
from leaf_edge.doctor.versions import BASE, Requirement

OLDEST_PYTHON = (3, 11)
_REINSTALL = "pip install --force-reinstall --no-deps leaf-edge (in a source checkout: make)"
_MODULES: dict[str, tuple[str, str]] = {
    # distribution: (module, name for people)
    "onnxruntime": ("onnxruntime", "ONNX Runtime"),
    "opencv-python-headless": ("cv2", "OpenCV"),
    "av": ("av", "PyAV"),
    "numpy": ("numpy", "NumPy"),
}
_EXTRAS = ("train", "plot", "demo")
_IMPORTS = {"train": "torch, onnx, transformers", "plot": "matplotlib", "demo": "skimage, sklearn"}
"""What is imported too where an extra is needed: being installed is not yet working."""

Pins = Mapping[str, Sequence[Requirement]]


def python_checks(version: tuple[int, ...] = sys.version_info[:3], implementation: str = "") -> list[Check]:
    """The interpreter: `version` as in sys.version_info."""
    implementation = implementation or platform.python_implementation()
    text = ".".join(map(str, version))
    good = tuple(version[:2]) >= OLDEST_PYTHON and implementation == "CPython"
    wanted = ".".join(map(str, OLDEST_PYTHON))
    return [
        Check(
            "python",
            "Python",
            Status.OK if good else Status.WRONG,
            f"{implementation} {text}" + ("" if good else f"; expected CPython {wanted} or later"),
            "" if good else f"install Python {wanted} or later and make the environment with it",
            needs(CPU),
        )
    ]


@dataclass(frozen=True)
class Core:
    """What the compiled core said: instruction sets that it can use here, and the one that it takes."""

    isas: tuple[str, ...]
    chosen: str


def core_checks(host: Host) -> tuple[list[Check], Core | None]:
    """The package and its compiled core, loaded in a process of its own."""
    outcome = host.ask_python(
        "import json, leaf_edge\n"
        "from leaf_edge import _native\n"
        "core = {'isas': _native.available_isas(), 'chosen': _native.ViewContext('auto').isa}\n"
        "print(MARK + json.dumps(core))"
    )
    package = Check("package", "leaf-edge", Status.OK, f"version {__version__}", "", needs(CPU))
    if outcome.error is not None:
        found = f"the compiled core does not load: {outcome.error}"
        return [package, Check("core", "compiled core", Status.WRONG, found, _REINSTALL, needs(CPU))], None
    answer = json.loads(outcome.output)
    core = Core(tuple(answer["isas"]), answer["chosen"])
    found = f"loads; kernels that run here: {', '.join(core.isas)}"
    return [package, Check("core", "compiled core", Status.OK, found, "", needs(CPU))], core


def library_checks(host: Host, pins: Pins) -> tuple[list[Check], tuple[str, ...]]:
    """The packages that scoring stands on, imported; and ONNX Runtime's providers."""
    wanted = {requirement.name: requirement for requirement in pins.get(BASE, ())}
    checks: list[Check] = []
    providers: tuple[str, ...] = ()
    for name, (module, people) in _MODULES.items():
        code = f"import json, {module}\nfound = {{'version': {module}.__version__}}\n"
        if module == "onnxruntime":
            code += "found['providers'] = onnxruntime.get_available_providers()\n"
        outcome = host.ask_python(code + "print(MARK + json.dumps(found))")
        requirement = wanted.get(name, Requirement(name, ""))
        install = f"pip install '{requirement}'"
        if outcome.error is not None:
            absent = outcome.error.startswith(f"ModuleNotFoundError: No module named '{module}'")
            status = Status.MISSING if absent else Status.WRONG
            found = "not installed" if absent else f"does not import: {outcome.error}"
            checks.append(Check(name, people, status, found, install, needs(CPU)))
            continue
        answer = json.loads(outcome.output)
        # An OpenCV version of its module is shorter than that of its distribution, 5.0.0 of 5.0.0.93.
        version = (host.installed(name) or answer["version"]) if module == "cv2" else answer["version"]
        found = version
        if "providers" in answer:
            providers = tuple(answer["providers"])
            found += f"; providers: {', '.join(p.removesuffix('ExecutionProvider') for p in providers)}"
        good = requirement.allows(version)
        if not good:
            found += f"; this leaf-edge was made for {requirement.versions}"
        if module == "onnxruntime" and "CPUExecutionProvider" not in providers:
            good, found = False, f"{found}; the CPU provider is not among them"
        status = Status.OK if good else Status.WRONG
        checks.append(Check(name, people, status, found, "" if good else install, needs(CPU)))
    return checks, providers


def signature_check(host: Host, pins: Pins) -> Check:
    """The package that signs and verifies."""
    requirement = next((r for r in pins.get(BASE, ()) if r.name == "cryptography"), None)
    requirement = requirement or Requirement("cryptography", "")
    status, found = _judge(host, [requirement])
    mend = "" if status is Status.OK else f"pip install '{requirement}'"
    version = host.installed("cryptography")
    if status is Status.OK:
        found = str(version)
    return Check("cryptography", "cryptography", status, found, mend, needs("signatures"))


def extra_checks(host: Host, pins: Pins, wanted: frozenset[str]) -> list[Check]:
    """The optional extras: versions of all their packages, and imports where `wanted` names the extra."""
    checks = []
    for extra in _EXTRAS:
        requirements = pins.get(extra)
        if not requirements:
            found = "the list of its packages is not there: leaf-edge is not installed by pip"
            checks.append(
                Check(
                    f"extra-{extra}",
                    f"extra {extra}",
                    Status.WRONG,
                    found,
                    "pip install leaf-edge",
                    needs(extra),
                )
            )
            continue
        status, found = _judge(host, requirements)
        if status is Status.OK and extra in wanted:
            outcome = host.ask_python(f"import {_IMPORTS[extra]}\nprint(MARK)")
            if outcome.error is not None:
                status, found = Status.WRONG, f"does not import: {outcome.error}"
        mend = "" if status is Status.OK else f"pip install 'leaf-edge[{extra}]'"
        checks.append(Check(f"extra-{extra}", f"extra {extra}", status, found, mend, needs(extra)))
    return checks


def _judge(host: Host, requirements: Sequence[Requirement]) -> tuple[Status, str]:
    """Status and one line for the packages of an extra."""
    versions = {requirement: host.installed(requirement.name) for requirement in requirements}
    absent = [r.name for r, version in versions.items() if version is None]
    off = [f"{r.name} {version} (expected {r.versions})" for r, version in versions.items()
           if version is not None and not r.allows(version)]  # fmt: skip
    if len(absent) == len(requirements):
        return Status.MISSING, "not installed"
    parts = [f"missing: {', '.join(absent)}"] if absent else []
    parts += [f"other versions: {', '.join(off)}"] if off else []
    if parts:
        return Status.MISSING if absent else Status.WRONG, "; ".join(parts)
    count = len(requirements)
    return Status.OK, "1 package as pinned" if count == 1 else f"{count} packages as pinned"
