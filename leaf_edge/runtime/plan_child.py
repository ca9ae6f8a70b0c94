"""Loads a TensorRT plan and ends. Run as a script in a process of its own by `plan_trial.try_plan`.

A plan that TensorRT crashes on takes this process with it, not the one that scores. Standard library and
TensorRT only. Arguments: module to import, number of the device, 1 where the plan may bring code of its
own, DLA core or nothing; the plan comes on standard input. Prints `MARK` and `ok`, or `MARK` and why not.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
from typing import Any

MARK = "leaf-edge-plan "


def _use_device(number: int) -> str | None:
    """Make the device's own context current, as TensorRT would for device 0; None, or why that fails."""
    driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    device, context = ctypes.c_int(0), ctypes.c_void_p()
    for name, arguments in (
        ("cuInit", (ctypes.c_uint(0),)),
        ("cuDeviceGet", (ctypes.byref(device), ctypes.c_int(number))),
        ("cuDevicePrimaryCtxRetain", (ctypes.byref(context), device)),
        ("cuCtxSetCurrent", (context,)),
    ):
        status = getattr(driver, name)(*arguments)
        if status:
            return f"{name} failed with error {status}"
    return None


def main(module_name: str, device: str, host_code: str, dla: str) -> str:
    """`ok`, or why the plan does not load."""
    plan = sys.stdin.buffer.read()
    module: Any = importlib.import_module(module_name)
    reason = _use_device(int(device))
    if reason is not None:
        return reason
    runtime = module.Runtime(module.Logger(module.Logger.ERROR))  # its messages go to standard error
    if dla:
        runtime.DLA_core = int(dla)
    if host_code == "1":
        runtime.engine_host_code_allowed = True
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        return "TensorRT refuses the plan"
    return "ok" if engine.create_execution_context() is not None else "TensorRT makes no execution context"


if __name__ == "__main__":
    answer = main(*sys.argv[1:5])
    sys.stdout.write(f"\n{MARK}{answer}\n")
    sys.stdout.flush()
