"""The edge install stays lean: importing it, or its command line, loads none of the big extras."""

import subprocess
import sys

import pytest

from leaf_edge.cli.main import VERBS

HEAVY = ("torch", "onnx", "matplotlib", "scipy", "skimage", "sklearn", "tensorrt", "pycuda", "transformers")


def loaded(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has after `code`."""
    program = f"{code}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import leaf_edge",
        "import leaf_edge.cli.main as m; m.build_parser()",
        "import leaf_edge; leaf_edge.load",
        "import leaf_edge.frames, leaf_edge.views, leaf_edge.bundle, leaf_edge.runtime",
        "import leaf_edge.bench.stages, leaf_edge.bench.compare",
        "import leaf_edge.calibration",
    ],
)
def test_base_imports_load_no_extra(code):
    assert loaded(code).isdisjoint(HEAVY), loaded(code) & set(HEAVY)


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_each_verb_loads_no_extra(verb):
    code = f"from leaf_edge.cli.main import build_parser; build_parser({verb!r})"
    assert loaded(code).isdisjoint(HEAVY), loaded(code) & set(HEAVY)


def test_export_without_its_extra_says_what_to_install():
    code = "import sys; sys.modules['torch'] = None; from leaf_edge.export import build_bundle"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "MissingExtraError: torch is not installed" in done.stderr and "leaf-edge[train]" in done.stderr
