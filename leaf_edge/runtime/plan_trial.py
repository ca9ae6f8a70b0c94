"""A plan is first loaded in a process of its own: the last check of the preflight."""

from __future__ import annotations

from leaf_edge.bundle.errors import BundleCode, BundleError
from leaf_edge.runtime import plan_child
from leaf_edge.runtime.child import ask_child
from leaf_edge.runtime.preflight import TensorRT

TIMEOUT_S = 180.0
"""How long a plan may take to load; the first on a machine with a cold disk takes tens of seconds."""


def try_plan(
    plan: bytes, package: TensorRT, *, host_code: bool = False, device: int = 0, dla: int | None = None
) -> None:
    """Load `plan` in a child. Call it after `engine_fit.find_fit`.

    Versions can agree and a plan still be broken; TensorRT may then end its process, which is the child's.
    Takes about as long as loading does. Raises `BundleError` ENGINE_PLAN with what TensorRT said.
    """
    arguments = [package.module, str(device), "1" if host_code else "0", "" if dla is None else str(dla)]
    answer = ask_child(plan_child.__file__, arguments, plan_child.MARK, timeout_s=TIMEOUT_S, data=plan)
    if answer.text == "ok":
        return
    reason = (
        f"TensorRT {package.version}, given the plan, {answer.trouble}" if answer.trouble else answer.text
    )
    said = answer.errors.splitlines()[-1][:300] if answer.errors else ""
    raise BundleError(BundleCode.ENGINE_PLAN, f"{reason}{f' ({said})' if said else ''}")
