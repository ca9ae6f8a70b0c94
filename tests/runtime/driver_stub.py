"""Driver libraries for tests, compiled on the spot: some work, others fail, hang or crash."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

WORKING = r"""
#include <string.h>
int cuInit(unsigned flags) { return 0; }
int cuDriverGetVersion(int *version) { *version = 12060; return 0; }
int cuDeviceGetCount(int *count) { *count = 2; return 0; }
int cuDeviceGet(int *device, int number) { *device = number + 7; return 0; }
int cuDeviceGetName(char *name, int size, int device) {
  strncpy(name, device == 7 ? "Orin" : "Blackwell", size);
  return 0;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = (size_t)device << 32; return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
  *value = device == 7 ? (attribute == 75 ? 8 : 7) : (attribute == 75 ? 12 : 0);
  return 0;
}
int cuGetErrorName(int error, const char **name) {
  *name = error == 100 ? "CUDA_ERROR_NO_DEVICE" : 0;
  return 0;
}
int cuDevicePrimaryCtxRetain(void **context, int device) { *context = context; return 0; }
int cuCtxSetCurrent(void *context) { return 0; }
"""
"""Two devices, of compute capability 8.7 and 12.0, and CUDA 12.6."""


def with_init(body: str) -> str:
    """The working driver with another cuInit."""
    return "#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>\n" + WORKING.replace(
        "int cuInit(unsigned flags) { return 0; }", f"int cuInit(unsigned flags) {{ {body} }}"
    )


def build_driver(folder: Path, source: str, name: str = "libcuda.so.1") -> Path:
    """Compile a driver library into `folder`. Skips the test where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler to make a driver library")
    text, library = folder / "driver.c", folder / name
    text.write_text(source)
    subprocess.run([compiler, "-w", "-shared", "-fPIC", "-o", library, text], check=True)
    return library
