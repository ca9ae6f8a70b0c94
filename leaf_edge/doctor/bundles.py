"""Model bundles: hashes, signature, engines that fit this machine, golden frames scored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from leaf_edge.doctor.check import CPU, Check, Status, needs
from leaf_edge.runtime.preflight import Driver, NoDriver, TensorRT, os_name, version_numbers

if TYPE_CHECKING:
    from leaf_edge.bundle import Bundle
    from leaf_edge.bundle.manifest import EngineEntry


def bundle_checks(
    given: Sequence[str],
    key: Path | None,
    obstacle: str | None,
    driver: Driver | NoDriver,
    packages: Sequence[TensorRT],
) -> list[Check]:
    """The shipped bundles, and those that were `given`, all of which are needed.

    key: file with the public keys that one of must have signed the given ones; the shipped are not signed.
    obstacle: why nothing can be scored here (compiled core, ONNX Runtime), None where it can.
    """
    if obstacle is not None:
        found = f"cannot be tested: {obstacle}"
        return [
            Check(f"bundle:{name}", name, Status.WRONG, found, "mend that first", needs(CPU))
            for name in (*_shipped(), *given)
        ]
    checks = [bundle_check(name, None) for name in _shipped()]
    for name in given:
        check = bundle_check(name, key)
        checks.append(check)
        if check.status is Status.OK:
            checks += _engine_checks(name, driver, packages)
    return checks


def _shipped() -> tuple[str, ...]:
    from leaf_edge.bundle.shipped import SHIPPED

    return SHIPPED


def bundle_check(name: str, key: Path | None) -> Check:
    """Load a bundle with all checks and score its golden frames. name: of a shipped one, or a path."""
    from leaf_edge.bundle import BundleError, load_bundle, locate
    from leaf_edge.runtime.scorer import from_bundle, run_self_test

    try:
        bundle = load_bundle(locate(name), key=key)
        scorer = from_bundle(bundle)
        run_self_test(scorer, bundle)
    except BundleError as error:
        found = f"{error.code.value}: {error.message.removeprefix(f'{name}: ')}"
        return Check(f"bundle:{name}", name, Status.WRONG, found, error.remedy, needs(CPU))
    found = (
        f"version {bundle.manifest.version}, {len(bundle.contents)} files as hashed, "
        f"{len(bundle.manifest.golden)} golden frames score as they should; {signature_state(bundle)}"
    )
    acceptance = bundle.manifest.acceptance
    if acceptance is not None and acceptance.anyway:
        found += "; exported although the acceptance check failed (--accept-anyway)"
    return Check(f"bundle:{name}", name, Status.OK, found, "", needs(CPU))


def signature_state(bundle: Bundle) -> str:
    """Unsigned, signed but not verified, or verified, in words."""
    signature = bundle.manifest.signature
    if signature is None:
        return "not signed"
    if bundle.verified_by is None:
        return f"signed by {signature.key_id}, not verified (--key FILE verifies)"
    return f"signature of {bundle.verified_by} verified"


def _engine_checks(name: str, driver: Driver | NoDriver, packages: Sequence[TensorRT]) -> list[Check]:
    """One line for each engine in the bundle: whether it runs here, else why not."""
    from leaf_edge.bundle import load_bundle, locate

    bundle = load_bundle(locate(name))
    checks = []
    for entry in bundle.manifest.engines:
        reason = engine_obstacle(entry, driver, packages)
        status = Status.OK if reason is None else Status.NOT_APPLICABLE
        stated = f"TensorRT {entry.tensorrt}, {entry.sm}, {entry.os}"
        found = f"{stated}: {'made for this machine' if reason is None else reason}"
        mend = "" if reason is None or isinstance(driver, NoDriver) else f"leaf-edge build-engine {name}"
        checks.append(Check(f"engine:{name}:{entry.file}", f"  {Path(entry.file).name}", status, found, mend))
    return checks


def engine_obstacle(
    entry: EngineEntry, driver: Driver | NoDriver, packages: Sequence[TensorRT]
) -> str | None:
    """Why an engine does not run on this machine, by what it states; None where it should."""
    if entry.os != os_name():
        return f"this machine is {os_name()}"
    if isinstance(driver, NoDriver):
        return "there is no CUDA driver that works"
    if entry.sm not in {device.sm for device in driver.devices} and not any(
        flag.startswith("hardware_compat") for flag in entry.flags
    ):
        return f"this machine has {', '.join(device.sm for device in driver.devices)}"
    portable = any(flag.startswith("version_compat") for flag in entry.flags)
    built = version_numbers(entry.tensorrt)
    for package in packages:
        same = package.numbers == built
        if (same and package.kind == "full") or (portable and package.numbers >= built):
            return None
    there = ", ".join(f"{p.module} {p.version}" for p in packages) or "none"
    return f"no installed TensorRT runs it (there is: {there})"
