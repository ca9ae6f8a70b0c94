"""Asks the CUDA driver what it has. Run as a script in a process of its own by `preflight.probe_driver`.

A driver that is broken can crash or hang whoever calls it, and this process is the one that may. Standard
library only, no import from leaf_edge: it runs with `python -I -S`. Prints one line, `MARK` and a JSON
object: `error`, or `cuda` (the driver's CUDA version as 1000 major + 10 minor) and `devices`. Source: CUDA
driver API, cuda.h.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any

MARK = "leaf-edge-driver "
"""Begins the line with the answer: drivers and their tools print lines of their own."""

_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, _MINOR


class _CallError(Exception):
    """A call of the driver failed."""


def ask(name: str) -> dict[str, Any]:
    """What the driver library `name` says. Nothing is allocated on a device, no context is made."""
    try:
        library = ctypes.CDLL(name)
    except OSError as error:
        reason = str(error).splitlines()[0].removeprefix(f"{name}: ")
        return {"error": f"{name} cannot be loaded ({reason})"}
    try:
        _call(library, "cuInit", ctypes.c_uint(0))
        version, count = ctypes.c_int(0), ctypes.c_int(0)
        _call(library, "cuDriverGetVersion", ctypes.byref(version))
        _call(library, "cuDeviceGetCount", ctypes.byref(count))
        devices = [_device(library, number) for number in range(count.value)]
    except _CallError as error:
        return {"error": str(error)}
    return {"cuda": version.value, "devices": devices}


def _device(library: ctypes.CDLL, number: int) -> dict[str, Any]:
    device, value, memory = ctypes.c_int(0), ctypes.c_int(0), ctypes.c_size_t(0)
    name = ctypes.create_string_buffer(256)
    _call(library, "cuDeviceGet", ctypes.byref(device), ctypes.c_int(number))
    _call(library, "cuDeviceGetName", name, ctypes.c_int(len(name)), device)
    _call(library, "cuDeviceTotalMem_v2", ctypes.byref(memory), device)
    capability = []
    for attribute in (_MAJOR, _MINOR):
        _call(library, "cuDeviceGetAttribute", ctypes.byref(value), ctypes.c_int(attribute), device)
        capability.append(value.value)
    text = name.value.decode("utf-8", "replace")
    return {"name": text, "capability": capability, "memory": memory.value}


def _call(library: ctypes.CDLL, name: str, *arguments: Any) -> None:
    try:
        function = getattr(library, name)
    except AttributeError:
        raise _CallError(f"the driver library has no {name}") from None
    function.restype = ctypes.c_int
    status = function(*arguments)
    if status:
        raise _CallError(f"{name} failed with {_name(library, status)}")


def _name(library: ctypes.CDLL, status: int) -> str:
    """The driver's own name of an error, such as CUDA_ERROR_NO_DEVICE, and its number."""
    text = ctypes.c_char_p()
    try:
        library.cuGetErrorName(ctypes.c_int(status), ctypes.byref(text))
    except AttributeError:
        return f"error {status}"
    return f"{text.value.decode('ascii', 'replace')} ({status})" if text.value else f"error {status}"


if __name__ == "__main__":
    answer = json.dumps(ask(sys.argv[1]))
    sys.stdout.write(f"\n{MARK}{answer}\n")
    sys.stdout.flush()
