"""One line of the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

CPU = "cpu"
"""The need that always counts: scoring on the processor."""
GIVEN = "bundles"
"""The need that counts where bundles were given."""
DRIVER = "driver"
"""Key of the line about the CUDA driver, whose failure has an exit code of its own."""
NEEDS: dict[str, str] = {
    "train": "training, distilling and exporting students",
    "plot": "pictures of scores",
    "demo": "the demo clip",
    "cuda": "scoring with ONNX Runtime's CUDA provider",
    "tensorrt": "scoring with TensorRT engines",
    "build-engine": "building TensorRT engines",
    "nvcc": "compiling CUDA code, which pycuda and the CUDA kernel want",
    "signatures": "signing bundles and verifying their signatures",
    "gstreamer": "GStreamer pipelines",
    "jetson": "an NVIDIA Jetson",
}
"""What can be asked for beside scoring on the CPU, and what it is for."""


class Status(StrEnum):
    """ok: works. missing: not there. wrong: there, but not as it should be. not applicable: not a thing of
    this machine or this version, so that there is nothing to mend."""

    OK = "ok"
    MISSING = "missing"
    WRONG = "wrong"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    key: stable name for programs. name: for people. found: what is there, or why not, in one line.
    mend: the command, or the step, that mends it or makes it better; "" where there is none.
    needs: of `CPU`, `GIVEN` and `NEEDS`, those that do not work without it.
    """

    key: str
    name: str
    status: Status
    found: str
    mend: str = ""
    needs: frozenset[str] = field(default=frozenset())

    def fails(self, wanted: frozenset[str]) -> bool:
        """Whether something in `wanted` does not work because of this."""
        return self.status is not Status.OK and bool(self.needs & wanted)


def needs(*names: str) -> frozenset[str]:
    """`names` as a set; ValueError for one that does not exist."""
    unknown = set(names) - NEEDS.keys() - {CPU, GIVEN}
    if unknown:
        raise ValueError(f"no need is called {sorted(unknown)[0]}; known: {CPU}, {', '.join(NEEDS)}")
    return frozenset(names)
