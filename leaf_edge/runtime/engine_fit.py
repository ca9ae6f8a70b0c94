"""Whether a TensorRT engine of a bundle fits this machine. Compared before a byte of the plan is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leaf_edge.bundle.engines import VERSION_COMPATIBLE
from leaf_edge.bundle.errors import BundleCode, BundleError
from leaf_edge.bundle.manifest import EngineEntry
from leaf_edge.runtime.preflight import (
    Device,
    Driver,
    NoDriver,
    TensorRT,
    driver_too_old,
    os_name,
    version_numbers,
)

AMPERE_PLUS = "ampere_plus"
"""Flag of an engine that was built for every device from compute capability 8.0 on."""


@dataclass(frozen=True)
class Misfit:
    """Why an engine cannot run: a code, and expected and found in one line."""

    code: BundleCode
    text: str

    def error(self) -> BundleError:
        """As an exception."""
        return BundleError(self.code, self.text)


@dataclass(frozen=True)
class Fit:
    """An engine that fits, and the TensorRT package that runs it."""

    entry: EngineEntry
    package: TensorRT


def find_fit(
    entries: Sequence[EngineEntry],
    driver: Driver | NoDriver,
    packages: Sequence[TensorRT],
    *,
    system: str | None = None,
    device: int = 0,
) -> Fit | Misfit:
    """The engine to run, or why there is none.

    entries: of the bundle. driver, packages: what `probe_driver` and `installed_tensorrt` found. system:
    name of the operating system, this one's by default. device: number of the CUDA device. An engine for
    exactly this TensorRT and device is preferred to one that is compatible, which is slower. Where several
    do not fit, the reason is that of the one that came furthest.
    """
    if isinstance(driver, NoDriver):
        return Misfit(BundleCode.DEVICE_NO_DRIVER, driver.reason)
    if not 0 <= device < len(driver.devices):
        count = len(driver.devices)
        return Misfit(BundleCode.DEVICE_NO_DRIVER, f"no CUDA device {device}: the driver has {count}")
    usable = [package for package in packages if driver_too_old(package, driver) is None]
    if not usable:
        reasons = [reason for package in packages if (reason := driver_too_old(package, driver))]
        text = "; ".join(reasons) or "no TensorRT package is installed"
        return Misfit(BundleCode.DEVICE_NO_TENSORRT, text)
    if not entries:
        return Misfit(BundleCode.ENGINE_NONE, "the bundle has no TensorRT engine")
    system = os_name() if system is None else system
    here = driver.devices[device]
    fits: list[Fit] = []
    misfits: list[Misfit] = []
    for entry in entries:
        found = system_misfit(entry, system) or capability_misfit(entry, here) or package_for(entry, usable)
        if isinstance(found, Misfit):
            misfits.append(found)
        else:
            fits.append(Fit(entry, found))
    if fits:
        return min(
            fits,
            key=lambda fit: (
                VERSION_COMPATIBLE in fit.entry.flags,
                fit.entry.sm != here.sm or AMPERE_PLUS in fit.entry.flags,
                dla_core(fit.entry) is not None,
                fit.entry.file,
            ),
        )
    order = (BundleCode.ENGINE_OS, BundleCode.ENGINE_SM, BundleCode.ENGINE_TRT_VERSION)
    return max(misfits, key=lambda misfit: order.index(misfit.code))


def system_misfit(entry: EngineEntry, system: str) -> Misfit | None:
    """Engines do not move across operating systems or processors."""
    if entry.os == system:
        return None
    return Misfit(BundleCode.ENGINE_OS, f"{entry.file} is for {entry.os}; this system is {system}")


def capability_misfit(entry: EngineEntry, device: Device) -> Misfit | None:
    """The compute capability must be the same, or 8.0 and above for an engine for Ampere and later."""
    if entry.sm == device.sm:
        return None
    wide = AMPERE_PLUS in entry.flags
    if wide and device.capability >= (8, 0):
        return None
    wanted = "Ampere or later" if wide else entry.sm
    return Misfit(
        BundleCode.ENGINE_SM, f"{entry.file} is for {wanted}; the device ({device.name}) is {device.sm}"
    )


def package_for(entry: EngineEntry, packages: Sequence[TensorRT]) -> TensorRT | Misfit:
    """The package that runs the engine, as far as versions tell.

    Full TensorRT runs a plan of its own major.minor.patch. A version-compatible plan carries the lean
    runtime that it needs, which a full or dispatch runtime of the same version or a later one loads, within
    a major version or from 10 to 11; the lean runtime runs plans of its own version.
    """
    built = version_numbers(entry.tensorrt)
    compatible = VERSION_COMPATIBLE in entry.flags
    for kind in ("full", "dispatch", "lean"):
        for package in packages:
            if package.kind != kind:
                continue
            if package.numbers == built and (kind == "full" or compatible):
                return package
            if compatible and kind != "lean" and reaches(built, package.numbers):
                return package
    there = ", ".join(f"{package.module} {package.version}" for package in packages)
    wanted = ".".join(map(str, built)) + (" or a later one that runs its plans" if compatible else "")
    return Misfit(
        BundleCode.ENGINE_TRT_VERSION, f"{entry.file} needs TensorRT {wanted}; this machine has {there}"
    )


def reaches(built: tuple[int, int, int], runs: tuple[int, int, int]) -> bool:
    """Whether a version-compatible plan of version `built` runs on version `runs`.

    Source: TensorRT 11.4 support matrix, engine portability: the same major version or newer within it, and
    from 10 to 11; no other pair of major versions.
    """
    return runs >= built and (runs[0] == built[0] or (built[0], runs[0]) == (10, 11))


def dla_core(entry: EngineEntry) -> int | None:
    """The DLA core that the engine was built for (flag `dla=0`), None where it runs on the GPU alone."""
    cores = [flag.removeprefix("dla=") for flag in entry.flags if flag.startswith("dla=")]
    return int(cores[0]) if cores and cores[0].isdecimal() else None
