"""The C library's preflight gives the answers of the Python one, word for word."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tensorrt_programs import OPTIONS, RUNTIME, SANITIZERS, compile_sources, compiler, run

from leaf_edge.bundle.manifest import EngineEntry
from leaf_edge.runtime.engine_fit import Misfit, dla_core, find_fit
from leaf_edge.runtime.preflight import Device, Driver, NoDriver, TensorRT

SOURCES = ("api/error", "api/names", "bundle/sha256", "engines/cuda_driver", "engines/engine_fit")
VERSIONS = ("10.3.0.26", "10.3.1", "10.16.1", "11.1.0", "11.4.0.106", "9.3.0", "12.0.0")
FLAGS = ((), ("version_compatible",), ("ampere_plus",), ("dla=0",), ("version_compatible", "ampere_plus"))

Case = tuple[Sequence[EngineEntry], Driver | NoDriver, Sequence[TensorRT], str, int]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fit")
    objects = compile_sources(folder, SOURCES, *SANITIZERS)
    target, source = folder / "fit", RUNTIME / "tests" / "tensorrt_fit_pipe.cpp"
    run([compiler(), *OPTIONS, *SANITIZERS, source, *objects, "-o", target, "-ldl", "-lpthread"])
    return target


def entry(file: str, tensorrt: str, sm: str, os: str, flags: Sequence[str]) -> EngineEntry:
    fields: dict[str, Any] = {"file": file, "tensorrt": tensorrt, "sm": sm, "os": os, "flags": tuple(flags)}
    return EngineEntry(**fields)


def described(case: Case) -> str:
    """A machine and a bundle as the program reads them."""
    entries, driver, packages, system, device = case
    lines = []
    if isinstance(driver, NoDriver):
        lines.append(f"none\t{driver.reason}")
    else:
        lines.append(f"driver\t{driver.cuda_version[0]}\t{driver.cuda_version[1]}")
        lines += [f"device\t{d.name}\t{d.capability[0]}\t{d.capability[1]}" for d in driver.devices]
    for p in packages:
        lines.append(f"library\t{p.kind}\t{p.version}\t{p.cuda_major or 0}\t{p.module} {p.version}")
    lines += [f"entry\t{e.file}\t{e.tensorrt}\t{e.sm}\t{e.os}\t{','.join(e.flags)}" for e in entries]
    return "\n".join([*lines, f"go\t{system}\t{device}"]) + "\n"


def expected(case: Case) -> str:
    entries, driver, packages, system, device = case
    found = find_fit(entries, driver, packages, system=system, device=device)
    if isinstance(found, Misfit):
        return f"{found.code.value}\t{found.text}"
    code = int("version_compatible" in found.entry.flags)
    core = dla_core(found.entry)
    label = f"{found.package.module} {found.package.version}"
    return f"fit\t{found.entry.file}\t{label}\t{code}\t{-1 if core is None else core}"


def some_case(rng: random.Random) -> Case:
    driver: Driver | NoDriver = NoDriver("cuInit failed with CUDA_ERROR_NO_DEVICE")
    if rng.random() < 0.95:
        kinds = [Device(f"gpu {n}", rng.choice([(7, 5), (8, 7), (9, 0), (12, 0)]), 1) for n in range(2)]
        driver = Driver(rng.choice([(12, 6), (13, 0)]), tuple(kinds[: rng.randint(1, 2)]))
    packages = [
        TensorRT(rng.choice(VERSIONS), kind, rng.choice([None, 12, 13]))
        for kind in ("full", "lean", "dispatch")
        if rng.random() < 0.6
    ]
    entries = [
        entry(
            f"engines/{n}.plan",
            rng.choice(VERSIONS),
            rng.choice(["sm75", "sm87", "sm90", "sm120"]),
            rng.choice(["linux-aarch64"] * 4 + ["linux-x86_64"]),
            rng.choice(FLAGS),
        )
        for n in range(rng.randint(0, 6))
    ]
    return entries, driver, packages, "linux-aarch64", rng.choice([0, 0, 0, 1, 2])


def test_random_machines_get_the_answers_of_the_python_preflight(program: Path) -> None:
    rng = random.Random(5)
    cases = [some_case(rng) for _ in range(3000)]
    wanted = [expected(case) for case in cases]
    found = subprocess.run(
        [program], input="".join(map(described, cases)), capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert len(found) == len(cases)
    for case, answer, right in zip(cases, found, wanted, strict=True):
        assert answer == right, described(case)
    # Every answer that there is came up.
    assert {line.split("\t")[0] for line in wanted} == {
        "fit", "LEAF_E_DEVICE_NO_DRIVER", "LEAF_E_DEVICE_NO_TENSORRT", "LEAF_E_ENGINE_NONE",
        "LEAF_E_ENGINE_OS", "LEAF_E_ENGINE_SM", "LEAF_E_ENGINE_TRT_VERSION",
    }  # fmt: skip
