"""Model bundles: hashes, signature, engines that fit this machine, golden frames scored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from leaf_edge.doctor.check import CPU, GIVEN, Check, Status, needs
from leaf_edge.runtime.preflight import Driver, NoDriver, TensorRT

if TYPE_CHECKING:
    from leaf_edge.bundle import Bundle
    from leaf_edge.bundle.keys import PublicKey


def bundle_checks(
    given: Sequence[str],
    keys: Sequence[PublicKey] | None,
    obstacle: str | None,
    driver: Driver | NoDriver,
    packages: Sequence[TensorRT],
) -> list[Check]:
    """The shipped bundles, and those that were `given`, all of which are needed.

    keys: one of which must have signed the given ones; the shipped are not signed.
    obstacle: why nothing can be scored here (compiled core, ONNX Runtime), None where it can.
    """
    if obstacle is not None:
        found = f"cannot be tested: {obstacle}"
        return [
            Check(f"bundle:{name}", name, Status.WRONG, found, "mend that first", needs(need))
            for need, names in ((CPU, _shipped()), (GIVEN, given))
            for name in names
        ]
    checks = [bundle_check(name, None) for name in _shipped()]
    for name in given:
        check = bundle_check(name, keys, GIVEN)
        checks.append(check)
        if check.status is Status.OK:
            checks += _engine_checks(name, keys, driver, packages)
    return checks


def _shipped() -> tuple[str, ...]:
    from leaf_edge.bundle.shipped import SHIPPED

    return SHIPPED


def bundle_check(name: str, keys: Sequence[PublicKey] | None, need: str = CPU) -> Check:
    """Load a bundle with all checks and score its golden frames. name: of a shipped one, or a path.

    need: what does not work without it.
    """
    from leaf_edge.bundle import BundleError, load_bundle, locate
    from leaf_edge.runtime.scorer import from_bundle, run_self_test

    try:
        bundle = load_bundle(locate(name), key=keys)
        scorer = from_bundle(bundle)
        run_self_test(scorer, bundle)
    except BundleError as error:
        found = f"{error.code.value}: {error.message.removeprefix(f'{name}: ')}"
        return Check(f"bundle:{name}", name, Status.WRONG, found, error.remedy, needs(need))
    found = (
        f"version {bundle.manifest.version}, {len(bundle.contents)} files as hashed, "
        f"{len(bundle.manifest.golden)} golden frames score as they should; {signature_state(bundle)}"
    )
    acceptance = bundle.manifest.acceptance
    if acceptance is not None and acceptance.anyway:
        found += "; exported although the acceptance check failed (--accept-anyway)"
    return Check(f"bundle:{name}", name, Status.OK, found, "", needs(need))


def signature_state(bundle: Bundle) -> str:
    """Unsigned, signed but not verified, or verified, in words."""
    signature = bundle.manifest.signature
    if signature is None:
        return "not signed"
    if bundle.verified_by is None:
        return f"signed by {signature.key_id}, not verified (--key FILE verifies)"
    return f"signature of {bundle.verified_by} verified"


def _engine_checks(
    name: str, keys: Sequence[PublicKey] | None, driver: Driver | NoDriver, packages: Sequence[TensorRT]
) -> list[Check]:
    """One line for each engine in the bundle: whether it runs here, else why not."""
    from leaf_edge.bundle import BundleError, load_bundle, locate
    from leaf_edge.bundle.engines import engine_bytes
    from leaf_edge.runtime.engine_fit import Misfit, find_fit

    bundle = load_bundle(locate(name), key=keys)
    checks = []
    for entry in bundle.manifest.engines:
        fit = find_fit([entry], driver, packages)
        found, mend, status = "fits this machine", "", Status.OK
        if isinstance(fit, Misfit):
            found, status = f"{fit.code.value}: {fit.text}", Status.NOT_APPLICABLE
            mend = "" if isinstance(driver, NoDriver) else f"leaf-edge build-engine {name}"
        else:
            try:
                engine_bytes(bundle, entry)
            except BundleError as error:  # it fits, and holds code of nobody known
                found, status = f"{error.code.value}: {error.message}", Status.NOT_APPLICABLE
                mend = f"leaf-edge doctor {name} --key FILE, with the key of its maker"
        found = f"TensorRT {entry.tensorrt}, {entry.sm}, {entry.os}: {found}"
        checks.append(Check(f"engine:{name}:{entry.file}", f"  {Path(entry.file).name}", status, found, mend))
    return checks
