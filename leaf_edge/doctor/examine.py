"""All checks, by topic, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leaf_edge.doctor.bundles import bundle_checks
from leaf_edge.doctor.check import CPU, DRIVER, GIVEN, Check, Status
from leaf_edge.doctor.gstreamer import gstreamer_checks
from leaf_edge.doctor.hardware import clock_check, cpu_checks, disk_check, resource_checks
from leaf_edge.doctor.host import Host
from leaf_edge.doctor.jetson import jetson_checks
from leaf_edge.doctor.nvidia import nvidia_checks
from leaf_edge.doctor.software import (
    core_checks,
    extra_checks,
    library_checks,
    python_checks,
    signature_check,
)
from leaf_edge.doctor.versions import project_requirements
from leaf_edge.runtime.preflight import Driver, NoDriver, TensorRT, installed_tensorrt, probe_driver

if TYPE_CHECKING:
    from leaf_edge.bundle.keys import PublicKey


@dataclass(frozen=True)
class Report:
    """groups: checks by topic, in order. wanted: `CPU` and what was asked for beside it."""

    groups: Mapping[str, Sequence[Check]]
    wanted: frozenset[str]

    @property
    def checks(self) -> list[Check]:
        """All checks in order."""
        return [check for group in self.groups.values() for check in group]

    @property
    def failures(self) -> list[Check]:
        """Those because of which something that is wanted does not work."""
        return [check for check in self.checks if check.fails(self.wanted)]

    @property
    def driver_lacks(self) -> bool:
        """Whether the CPU and all bundles do what they should, and the driver that is wanted does not."""
        failures = self.failures
        return any(c.key == DRIVER for c in failures) and not any(c.needs & {CPU, GIVEN} for c in failures)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "ok": not self.failures,
            "wanted": sorted(self.wanted),
            "failures": [check.key for check in self.failures],
            "checks": [
                {
                    "topic": topic,
                    "key": check.key,
                    "name": check.name.strip(),
                    "status": check.status.value,
                    "found": check.found,
                    "mend": check.mend,
                    "needed_for": sorted(check.needs),
                    "required": bool(check.needs & self.wanted),
                }
                for topic, group in self.groups.items()
                for check in group
            ],
        }


def examine(
    host: Host | None = None,
    *,
    wanted: Sequence[str] = (),
    bundles: Sequence[str] = (),
    key: Sequence[PublicKey] | None = None,
    probe: Callable[[], Driver | NoDriver] = probe_driver,
    tensorrt: Callable[[], tuple[TensorRT, ...]] = installed_tensorrt,
) -> Report:
    """Look at a machine. Takes a few seconds, most of it imports; never raises for what it finds.

    wanted: of `NEEDS`, beside scoring on the CPU. bundles: names or paths to check beside the shipped ones;
    key: public keys for their signatures. host: where to look. probe, tensorrt: what answers for the
    driver and for TensorRT.
    """
    host = host or Host()
    needs = frozenset({CPU, *wanted, *([GIVEN] if bundles else [])})
    pins = project_requirements()
    core_lines, core = core_checks(host)
    library_lines, providers = library_checks(host, pins)
    obstacle = next(
        (f"{c.name}: {c.found}" for c in (*core_lines, *library_lines)
         if c.key in ("core", "onnxruntime", "numpy", "opencv-python-headless") and _unusable(c)),
        None,
    )  # fmt: skip
    return Report(
        {
            "scoring on the CPU": [*python_checks(), *core_lines, *library_lines],
            "models": bundle_checks(bundles, key, obstacle, probe(), tensorrt()),
            "machine": [
                *cpu_checks(host, core),
                *resource_checks(host),
                disk_check(),
                clock_check(),
            ],
            "packages that some verbs want": [
                signature_check(host, pins),
                *extra_checks(host, pins, needs),
            ],
            "NVIDIA": nvidia_checks(host, pins, providers, probe, tensorrt),
            "Jetson": jetson_checks(host),
            "GStreamer": gstreamer_checks(host),
        },
        needs,
    )


def _unusable(check: Check) -> bool:
    """Whether a library cannot be used at all: another version than the pinned one can."""
    return check.status is Status.MISSING or "does not" in check.found or "not among them" in check.found
