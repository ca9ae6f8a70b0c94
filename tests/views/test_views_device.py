"""The CUDA kernel: its functions on the host against the reference, and itself where there is a GPU."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from numpy.typing import NDArray
from views_inputs import CONTENT, frames_and_regions, make_frame

from leaf_edge.frames import ColorMatrix, ColorRange, Frame, PixelFormat, Roi
from leaf_edge.runtime.device_views import BLOCKS, KERNEL, THREADS, DeviceFrame, device_frame
from leaf_edge.runtime.preflight import NoDriver, probe_driver
from leaf_edge.runtime.tensorrt_buffers import ALIGNMENT, packed_offsets, stage
from leaf_edge.views import reference

ROOT = Path(__file__).parents[2]
CUDA = ROOT / "runtime" / "cuda"

Views = Callable[[Frame, Roi | None], NDArray[np.uint8]]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The functions of the kernel, built for this processor and stopping at undefined arithmetic."""
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        pytest.skip("needs a C++ compiler")
    library = tmp_path_factory.mktemp("device") / "views_host.so"
    options = ["-O2", "-std=c++17", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-shared", "-fPIC"]
    sanitizers = ["-fsanitize=undefined", "-fno-sanitize-recover=all"]
    source = CUDA / "views_host.cpp"
    subprocess.run([compiler, *options, *sanitizers, "-o", library, source], check=True)
    return ctypes.CDLL(str(library))


@pytest.fixture(scope="module")
def device(host: ctypes.CDLL) -> Views:
    """Views as the engine makes them: the frame staged in one buffer, the functions run over that."""

    def views(frame: Frame, roi: Roi | None) -> NDArray[np.uint8]:
        offsets, pitches, size = packed_offsets(frame)
        staging = np.full(size, 0xA5, np.uint8)
        stage(frame, offsets, staging)
        out = np.zeros((2, 3, 224, 224), np.uint8)
        planes = [staging.ctypes.data + offset for offset in offsets]
        region = reference.check_roi(frame, roi)
        parameter = device_frame(
            *(frame.format, frame.matrix, frame.range, frame.width, region),
            *(planes, pitches, out.ctypes.data),
        )
        host.leaf_device_views(ctypes.byref(parameter))
        assert host.leaf_device_violations() == 0
        return out

    return views


def test_python_and_kernel_agree_on_the_parameter(host: ctypes.CDLL) -> None:
    assert host.leaf_device_frame_bytes() == ctypes.sizeof(DeviceFrame)


@pytest.mark.parametrize("fmt", PixelFormat)
@pytest.mark.parametrize("range_", ColorRange)
def test_every_format_gives_the_bytes_of_the_reference(
    device: Views, fmt: PixelFormat, range_: ColorRange
) -> None:
    for n, (width, height, roi) in enumerate(
        [
            (640, 360, None),
            (333, 251, Roi(7, 3, 301, 243)),
            (17, 31, Roi(1, 1, 15, 29)),
            (1, 1, None),
            (448, 1, None),
        ]
    ):
        content = CONTENT[(n + fmt) % len(CONTENT)]
        frame = make_frame(
            fmt, width, height, content, matrix=ColorMatrix(n % 3), range_=range_, padding=2 * n, seed=n
        )
        assert np.array_equal(device(frame, roi), reference.make_views(frame, roi)), (width, height)


def test_the_largest_sums_do_not_overflow(device: Views) -> None:
    for fmt in (PixelFormat.P010, PixelFormat.GRAY8):
        frame = make_frame(fmt, 2111, 2113, "max", range_=ColorRange.FULL)
        assert np.array_equal(device(frame, None), reference.make_views(frame))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames_and_regions())
def test_any_frame_and_region_give_the_bytes_of_the_reference(
    device: Views, case: tuple[Frame, Roi | None]
) -> None:
    frame, roi = case
    assert np.array_equal(device(frame, roi), reference.make_views(frame, roi))


def test_rows_at_an_odd_pitch_are_read_where_they_are(host: ctypes.CDLL) -> None:
    frame = make_frame(PixelFormat.P010, 61, 45, padding=3, offset=1)
    out = np.zeros((2, 3, 224, 224), np.uint8)
    planes, pitches = [p.ctypes.data for p in frame.planes], [p.strides[0] for p in frame.planes]
    parameter = device_frame(
        *(frame.format, frame.matrix, frame.range, 61, Roi(0, 0, 61, 45)),
        *(planes, pitches, out.ctypes.data),
    )
    host.leaf_device_views(ctypes.byref(parameter))
    assert host.leaf_device_violations() == 0
    assert np.array_equal(out, reference.make_views(frame))


def test_planes_are_staged_without_padding_and_aligned() -> None:
    frame = make_frame(PixelFormat.NV12, 101, 51, padding=27)
    offsets, pitches, size = packed_offsets(frame)
    assert pitches == [101, 102]
    assert offsets[0] == 0 and offsets[1] % ALIGNMENT == 0 and 0 <= offsets[1] - 101 * 51 < ALIGNMENT
    assert size == offsets[1] + 102 * 26


def test_the_kernel_compiles_and_launches_as_many_threads_as_python_asks_for(tmp_path: Path) -> None:
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("needs nvcc to compile the CUDA kernel")
    fatbin = tmp_path / "views.fatbin"
    command = [nvcc, "-std=c++17", "-Werror", "all-warnings", "-fatbin", "-gencode"]
    command += ["arch=compute_87,code=[sm_87,compute_87]", "-o", str(fatbin), str(CUDA / "views.cu")]
    subprocess.run(command, check=True)
    assert KERNEL.encode() in fatbin.read_bytes()
    text = (CUDA / "views_frame.h").read_text()
    assert f"kThreads = {THREADS};" in text and f"kSize = {BLOCKS};" in text


def test_the_kernel_on_a_gpu_gives_the_bytes_of_the_reference(tmp_path: Path) -> None:
    driver = probe_driver()
    if isinstance(driver, NoDriver):
        pytest.skip(f"needs a CUDA device: {driver.reason}")
    cuda = pytest.importorskip("pycuda.driver", reason="needs pycuda (leaf-edge[tensorrt])")
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("needs nvcc to compile the CUDA kernel")
    from leaf_edge.runtime.cuda_driver import CudaDriver
    from leaf_edge.runtime.tensorrt_buffers import Buffer

    fatbin = tmp_path / "views.fatbin"
    arch = driver.devices[0].sm.removeprefix("sm")
    gencode = f"arch=compute_{arch},code=sm_{arch}"
    subprocess.run(
        [nvcc, "-std=c++17", "-fatbin", "-gencode", gencode, "-o", fatbin, CUDA / "views.cu"], check=True
    )
    cuda.init()
    context = cuda.Device(0).retain_primary_context()
    context.push()
    try:
        calls = CudaDriver()
        kernel = calls.load_kernel(fatbin.read_bytes(), KERNEL)
        stream = cuda.Stream().handle
        out = Buffer(cuda, (2, 3, 224, 224), np.uint8)
        for n, fmt in enumerate(PixelFormat):
            frame = make_frame(fmt, 641 + n, 363, "random", padding=n, seed=n)
            roi = Roi(3, 1, 600, 350) if n % 2 else None
            offsets, pitches, size = packed_offsets(frame)
            staging = Buffer(cuda, (size,), np.uint8)
            stage(frame, offsets, staging.array)
            planes = [staging.device + offset for offset in offsets]
            parameter = device_frame(
                fmt,
                frame.matrix,
                frame.range,
                frame.width,
                reference.check_roi(frame, roi),
                planes,
                pitches,
                out.device,
            )
            calls.copy_in(staging.device, staging.host, size, stream)
            calls.launch(kernel, BLOCKS, THREADS, stream, parameter)
            calls.copy_out(out.host, out.device, out.array.nbytes, stream)
            calls.wait(stream)
            assert np.array_equal(out.array, reference.make_views(frame, roi)), fmt.name
    finally:
        cuda.Context.pop()
