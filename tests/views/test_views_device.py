"""The CUDA kernel: its functions on the host against the reference, and itself where there is a GPU."""

from __future__ import annotations

import ctypes
import re
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
from leaf_edge.runtime.device_views import BLOCKS, KERNEL, THREADS, DeviceFrame, Layout, device_frame
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


class _Surface(ctypes.Structure):
    """`HostSurface` of runtime/cuda/views_host.cpp: what is in the place of a block-linear array."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("pitch", ctypes.c_int64),
        ("row_bytes", ctypes.c_int32),
        ("rows", ctypes.c_int32),
    )


def batch_of(frames: list[Frame], outs: list[NDArray[np.uint8]]) -> ctypes.Array[DeviceFrame]:
    """What the kernel is told of frames of any kind, each with its own place for views."""
    parameters = (DeviceFrame * len(frames))()
    for n, (frame, out) in enumerate(zip(frames, outs, strict=True)):
        planes = [p.ctypes.data for p in frame.planes]
        parameters[n] = device_frame(
            *(frame.format, frame.matrix, frame.range, frame.width, reference.check_roi(frame, None)),
            *(planes, [p.strides[0] for p in frame.planes], out.ctypes.data),
        )
    return parameters


def test_frames_of_every_kind_go_in_one_launch(host: ctypes.CDLL) -> None:
    frames = [
        make_frame(fmt, 90 + 71 * n, 301 - 13 * n, CONTENT[n % len(CONTENT)], padding=n * 8, seed=n)
        for n, fmt in enumerate(PixelFormat)
    ]
    outs = [np.zeros((2, 3, 224, 224), np.uint8) for _ in frames]
    parameters = batch_of(frames, outs)
    parameters[3].layout = Layout.NONE  # a place of the batch without a frame: nothing is written
    host.leaf_device_batch(parameters, len(frames))
    assert host.leaf_device_violations() == 0
    for n, (frame, out) in enumerate(zip(frames, outs, strict=True)):
        expected = np.zeros_like(out) if n == 3 else reference.make_views(frame)
        assert np.array_equal(out, expected), frame.format.name


def test_block_linear_arrays_and_memory_go_in_one_launch(host: ctypes.CDLL) -> None:
    frames = [
        make_frame(fmt, 333 - 20 * n, 111 + 30 * n, padding=5, offset=3, seed=n)
        for n, fmt in enumerate(PixelFormat)
    ]
    outs = [np.zeros((2, 3, 224, 224), np.uint8) for _ in frames]
    parameters = batch_of(frames, outs)
    kept = []
    for n, frame in enumerate(frames):
        if n % 2:
            continue
        parameters[n].surface = 1
        for index, plane in enumerate(frame.planes):
            row = plane.shape[1] * plane.itemsize
            kept.append(_Surface(plane.ctypes.data, plane.strides[0], row, plane.shape[0]))
            parameters[n].plane[index].address = ctypes.addressof(kept[-1])
            parameters[n].plane[index].pitch = 0
    host.leaf_device_mixed(parameters, len(frames))
    assert host.leaf_device_violations() == 0
    for frame, out in zip(frames, outs, strict=True):
        assert np.array_equal(out, reference.make_views(frame)), frame.format.name


@pytest.mark.parametrize(
    ("line", "fault", "where"),
    [
        # words that go over a row's end
        ("if (!whole || p.access == 1) {", "if (p.access == 1) {", "views_output.h"),
        # words at places that are not theirs
        ("if (!whole || p.access == 1) {", "if (!whole) {", "views_output.h"),
        # box sums that are not there yet
        ("block.hand_over(total);", "", "views_output.h"),
    ],
)
def test_what_watches_the_kernel_sees_its_faults(tmp_path: Path, line: str, fault: str, where: str) -> None:
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        pytest.skip("needs a C++ compiler")
    for source in CUDA.glob("views_*"):
        shutil.copy(source, tmp_path)
    text = (tmp_path / where).read_text()
    assert text.count(line) == 1
    (tmp_path / where).write_text(text.replace(line, fault))
    library = tmp_path / "views_host.so"
    host_source = str(tmp_path / "views_host.cpp")
    command = [compiler, "-O1", "-std=c++17", "-shared", "-fPIC", "-o", str(library), host_source]
    subprocess.run(command, check=True)
    # Rows that end in part of a word, at a pitch that is and one that is not a multiple of words.
    frame = make_frame(PixelFormat.NV12, 410, 300, padding=2 if "whole) {" not in fault else 3)
    out = np.zeros((2, 3, 224, 224), np.uint8)
    pitches = [plane.strides[0] for plane in frame.planes]
    assert (pitches[0] % 4 == 0) == ("whole) {" not in fault)
    parameter = device_frame(
        *(frame.format, frame.matrix, frame.range, 410, Roi(0, 0, 410, 300)),
        *([plane.ctypes.data for plane in frame.planes], pitches, out.ctypes.data),
    )
    broken = ctypes.CDLL(str(library))
    broken.leaf_device_views(ctypes.byref(parameter))
    assert broken.leaf_device_violations() > 0


def test_the_kernel_compiles_for_jetson_on_another_machine(tmp_path: Path) -> None:
    nvcc, cross = shutil.which("nvcc"), shutil.which("aarch64-linux-gnu-g++")
    if nvcc is None or cross is None:
        pytest.skip("needs nvcc and aarch64-linux-gnu-g++")
    target, source = tmp_path / "views.o", str(CUDA / "views.cu")
    # The headers are this machine's: they are the same for the other.
    plan = subprocess.run([nvcc, "--dryrun", "-c", source], capture_output=True, text=True, check=True).stderr
    includes = next(line for line in plan.splitlines() if "INCLUDES=" in line).split('"')[1]
    command = [nvcc, "-std=c++17", "-ccbin", cross, includes, "-arch=sm_87", "-c", source]
    subprocess.run([*command, "-o", str(target)], check=True)
    head = target.read_bytes()[:20]
    assert head[:4] == b"\x7fELF" and int.from_bytes(head[18:20], "little") == 183  # EM_AARCH64


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
    names = re.search(r"enum class Layout : int32_t \{(.*?)\}", text, re.DOTALL)
    assert names is not None
    found = re.findall(r"^\s+k(\w+)", names[1], re.MULTILINE)
    assert [name.lower() for name in found] == [item.name.replace("_", "").lower() for item in Layout]
    constants = {name: int(value) for name, value in re.findall(r"constexpr int32_t (\w+) = (\d+);", text)}
    assert 2 * constants["kOutputs"] == THREADS
    assert BLOCKS * constants["kOutputs"] == constants["kSize"] ** 2


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
        own = cuda.Stream()  # it goes with the object
        stream = own.handle
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
