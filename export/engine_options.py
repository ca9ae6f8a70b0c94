"""How an engine is built: the options, what contradicts what, and the words that the bundle keeps of them."""

from __future__ import annotations

from dataclasses import dataclass

MAX_BATCH = 256
MAX_WORKSPACE_MIB = 1 << 20
MAX_DLA = 15
EFFORTS = range(6)

AMPERE_PLUS = "ampere_plus"
VERSION_COMPATIBLE = "version_compatible"
"""Words of `EngineEntry.flags` that say where an engine may run; preflight looks for them."""


class DeviceError(Exception):
    """This machine has no device or driver for what was asked; the text says which and why."""


class BuildError(Exception):
    """TensorRT did not build the engine, or the engine is not what it must be; the text says why."""


@dataclass(frozen=True)
class EngineOptions:
    """Options of one build.

    batch: least, usual and most frames in one call (cameras that are scored together). TensorRT picks kernels
    for the usual one; all of the range run.
    half: float16 for what is not INT8, else float32.
    workspace_mib: most device memory that a kernel may take for itself while it runs, MiB.
    ampere_plus: runs on every device of compute capability 8.0 and later, not only on this one's.
    version_compatible: runs on later versions of TensorRT too.
    dla: number of the DLA core that takes the layers it can; the GPU takes the others. None: GPU alone.
    effort: of the search for kernels, 0 to 5; 3 is TensorRT's own default.
    verbose: all that TensorRT has to say goes into the log, not only what it says anyway.
    Raises ValueError, which names the option of `leaf-edge build-engine`.
    """

    batch: tuple[int, int, int] = (1, 1, 1)
    half: bool = True
    workspace_mib: int = 256
    ampere_plus: bool = False
    version_compatible: bool = False
    dla: int | None = None
    effort: int = 3
    verbose: bool = False

    def __post_init__(self) -> None:
        least, usual, most = self.batch
        if not 1 <= least <= usual <= most <= MAX_BATCH:
            raise ValueError(
                f"--batch: expected LEAST <= USUAL <= MOST, each 1 to {MAX_BATCH}; "
                f"found {least}, {usual}, {most}"
            )
        if not 1 <= self.workspace_mib <= MAX_WORKSPACE_MIB:
            raise ValueError(
                f"--workspace: expected 1 to {MAX_WORKSPACE_MIB} MiB; found {self.workspace_mib}"
            )
        if self.effort not in EFFORTS:
            raise ValueError(f"--effort: expected {EFFORTS[0]} to {EFFORTS[-1]}; found {self.effort}")
        if self.dla is not None:
            self._check_dla(self.dla)

    def _check_dla(self, core: int) -> None:
        if not 0 <= core <= MAX_DLA:
            raise ValueError(f"--dla: expected a core, 0 to {MAX_DLA}; found {core}")
        if self.ampere_plus or self.version_compatible:
            raise ValueError(
                "--dla: its part of an engine is for this DLA alone; leave the compatibilities out"
            )
        least, _, most = self.batch
        if least != most:
            raise ValueError(
                f"--dla: a DLA runs one batch size; expected one number in --batch, found {least} to {most}"
            )
        if not self.half:
            raise ValueError("--dla: a DLA has no float32; use --float fp16")

    @property
    def flags(self) -> tuple[str, ...]:
        """What the manifest keeps of them (`EngineEntry.flags`), sorted."""
        least, _, most = self.batch
        words = ["fp16" if self.half else "fp32", f"batch={least}-{most}", f"workspace={self.workspace_mib}"]
        words += [AMPERE_PLUS] * self.ampere_plus + [VERSION_COMPATIBLE] * self.version_compatible
        words += [] if self.dla is None else [f"dla={self.dla}"]
        return tuple(sorted(words))
