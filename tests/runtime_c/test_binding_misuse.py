"""Everything that can be given wrongly to the C library from Python is refused with a sentence."""

from __future__ import annotations

import ast
import errno
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from binding_frames import noise_frame, open_context
from helpers_build import HEADERS

from leaf_edge import _native
from leaf_edge.bundle import BundleCode, BundleError
from leaf_edge.frames import ColorMatrix, ColorRange, FrameError, PixelFormat, Roi
from leaf_edge.runtime import native
from leaf_edge.runtime.native_context import ENGINES, ArrayFrame, Context

LUMA, CHROMA = np.zeros((30, 40), np.uint8), np.zeros((15, 40), np.uint8)


def nv12(*planes: Any, **change: Any) -> ArrayFrame:
    """A frame of 40x30, whatever its planes are."""
    fields: dict[str, Any] = {
        "width": 40, "height": 30, "format": PixelFormat.NV12,
        "range": ColorRange.FULL, "matrix": ColorMatrix.BT709,
    }  # fmt: skip
    return ArrayFrame(planes, **(fields | change))


@pytest.fixture(scope="module")
def context(tiny_bundle: Path) -> Context:
    return open_context(tiny_bundle, batch=2, queue=2)


class Dlpack:
    """A producer of the test's own: what NumPy exports, on a device that it says."""

    def __init__(self, array: Any, device: tuple[int, int] = (1, 0), knows_versions: bool = True) -> None:
        self.array, self.device, self.knows_versions = array, device, knows_versions
        self.asked: dict[str, Any] = {}

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device

    def __dlpack__(self, **asked: Any) -> Any:
        if not self.knows_versions and "max_version" in asked:
            raise TypeError("max_version is unknown")
        self.asked = asked
        return self.array.__dlpack__(**({k: v for k, v in asked.items() if k != "stream"}))


class Broken(Dlpack):
    def __dlpack__(self, **asked: Any) -> Any:
        raise BufferError("this one is not to be had")


class NoCapsule(Dlpack):
    def __dlpack__(self, **asked: Any) -> Any:
        return 5


PLANES = {
    "too few": ((LUMA,), r"NV12 has 2 plane\(s\); 1 were given"),
    "too many": ((LUMA, CHROMA, CHROMA), r"NV12 has 2 plane\(s\); 3"),
    "shape": ((LUMA, LUMA), r"plane 1 of a 40x30 NV12 frame: expected uint8 \[15, 40\], found uint8 \[30,"),
    "flat": ((LUMA.reshape(-1), CHROMA), r"expected uint8 \[30, 40\], found uint8 \[1200\]"),
    "many dimensions": ((LUMA.reshape(30, 5, 2, 4), CHROMA), "found uint8 of 4 dimensions"),
    "signed": ((LUMA.astype(np.int8), CHROMA), r"found int8 \[30, 40\]"),
    "wide": ((LUMA.astype(np.uint16), CHROMA), r"found uint16 \[30, 40\]"),
    "wide, same bytes": ((np.zeros((30, 20), np.uint16), CHROMA), r"found uint16 \[30, 20\]"),
    "float": ((LUMA.astype(np.float32), CHROMA), r"found float32 \[30, 40\]"),
    "bool": ((LUMA.astype(bool), CHROMA), r"found bool \[30, 40\]"),
    "columns apart": ((np.zeros((30, 80), np.uint8)[:, ::2], CHROMA), "samples of a row must be adjacent"),
    "columns first": ((np.zeros((40, 30), np.uint8).T, CHROMA), "samples of a row must be adjacent"),
    "columns back": ((LUMA[:, ::-1], CHROMA), "samples of a row must be adjacent"),
    "channels apart": ((np.zeros((30, 20, 4), np.uint8)[:, :, :2], CHROMA), "must be adjacent"),
    "upside down": ((LUMA[::-1], CHROMA), "pitch of plane 0 is -40"),
    "one row over": ((np.broadcast_to(LUMA[0], (30, 40)), CHROMA), "pitch of plane 0 is 0"),
    "list": (([[0] * 40] * 30, CHROMA), "it is a list; expected an array with the buffer protocol or DLPack"),
    "text": (("a plane", CHROMA), "it is a str"),
    "none": ((None, CHROMA), "it is a NoneType"),
    "bytes": ((bytes(1200), CHROMA), r"found uint8 \[1200\]"),
    "objects": ((np.zeros((30, 40), object), CHROMA), "found items of format 'O'"),
    "refusing": ((Broken(LUMA), CHROMA), "plane 0 of a 40x30 NV12 frame: this one is not to be had"),
    "no capsule": ((NoCapsule(LUMA), CHROMA), "its DLPack capsule cannot be read"),
    "dlpack shape": ((Dlpack(CHROMA), CHROMA), r"expected uint8 \[30, 40\], found uint8 \[15, 40\]"),
    "dlpack type": ((Dlpack(LUMA.astype(np.int16)), CHROMA), r"found int16 \[30, 40\]"),
    "dlpack strides": ((Dlpack(np.zeros((30, 80), np.uint8)[:, ::2]), CHROMA), "must be adjacent"),
    "dlpack complex": ((Dlpack(np.zeros((30, 40), np.complex64)), CHROMA), "found type 5 of 64"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANES)
def test_planes_that_are_not_of_the_frame_are_refused(name: str, context: Context) -> None:
    planes, message = PLANES[name]
    for call in (context.score, context.submit, lambda frame: context.score_batch([frame])):
        with pytest.raises(FrameError, match=message):
            call(nv12(*planes))
    assert context.in_flight == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "frame is 0x30; expected 1 to 16384"),
        ({"height": 16385}, "frame is 40x16385"),
        ({"width": -(2**31)}, "frame is -2147483648x30"),
        ({"width": 2**31}, "whole numbers of 32 bits"),
        ({"width": 40.0}, "whole numbers of 32 bits"),
        ({"height": None}, "whole numbers of 32 bits"),
        ({"format": 11}, "pixel format code is 11"),
        ({"format": -1}, "pixel format code is -1"),
        ({"matrix": None}, "colour matrix code is -1"),
        ({"matrix": 3}, "colour matrix code is 3"),
        ({"range": -1}, "colour range code is -1"),
        ({"range": 2}, "colour range code is 2"),
    ],
)
def test_descriptions_that_cannot_be_are_refused(change: Any, message: str, context: Context) -> None:
    with pytest.raises(FrameError, match=message):
        context.score(nv12(LUMA, CHROMA, **change))


@pytest.mark.parametrize(
    "roi", [(0, 0, 0, 0), (5, 5, 0, 4), (-1, 0, 4, 4), (39, 0, 2, 1), (0, 0, 41, 30), (0, 0, 2**31 - 1, 1)]
)
def test_regions_that_leave_the_frame_or_are_empty_are_refused(roi: Any, context: Context) -> None:
    with pytest.raises(FrameError, match=r"region of interest"):
        context.score(nv12(LUMA, CHROMA), Roi(*roi))


def test_counts_of_frames_are_checked(context: Context) -> None:
    frame = noise_frame()
    for count in (0, 3, 65, 300):
        with pytest.raises(FrameError, match=rf"count is {min(count, 65)}; expected 1 to 2"):
            context.score_batch([frame] * count)
        with pytest.raises(ValueError, match="expected 1 to 2"):
            context.prepare([frame] * count)
    with pytest.raises(FrameError, match="1 regions for 2 frames"):
        context.score_batch([frame, frame], [None])
    with pytest.raises(FrameError, match="input 1: colour range code is 7"):
        context.score_batch([nv12(LUMA, CHROMA), nv12(LUMA, CHROMA, range=7)])
    with pytest.raises(FrameError, match="plane"):
        context.score(nv12())  # no planes is a geometry, and not a frame


def test_inputs_of_the_module_itself_are_checked(context: Context) -> None:
    inner = context._native
    good: Any = ((LUMA, CHROMA), 40, 30, 0, 1, 1, 0, 0, 40, 30)
    assert len(inner.score([good])) == 1
    for wrong in (None, 7, (), good[:9], (*good, 1), (5, *good[1:]), ((LUMA, CHROMA), *["x"] * 9)):
        with pytest.raises(ValueError, match="an input is"):
            inner.score([wrong])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        inner.score(5)  # type: ignore[arg-type]


SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "no engine": ({"engines": ()}, "settings.engines is empty"),
    "unknown engine": ({"engines": "cpu,gpu"}, "unknown engine 'gpu'; expected cpu, cuda or tensorrt"),
    "engine twice": ({"engines": ("cpu", "cpu")}, "names engine cpu twice"),
    "five engines": ({"engines": ("cpu",) * 5}, "more engines than there are"),
    "threads": ({"threads": 0}, "settings.threads is 0; expected 1 to 256"),
    "many threads": ({"threads": 2**40}, "settings.threads is 2147483647"),
    "batch": ({"batch": 65}, "settings.batch is 65"),
    "queue": ({"queue": -(2**40)}, "settings.queue is -2147483648"),
    "isa": ({"isa": "mmx"}, "unknown instruction set 'mmx'"),
    "device": ({"device": -1}, "settings.device is -1"),
    "short key": ({"keys": [b"x" * 31]}, "expected the 32 bytes"),
    "nine keys": ({"keys": [b"x" * 32] * 9}, "more than 8 keys"),
    "signature of nobody": ({"require_signature": True}, "without a key"),
    "path of the engine": ({"tensorrt": "a\0b"}, "NUL"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_out_of_range_are_refused(name: str, tiny_bundle: Path) -> None:
    settings, message = SETTINGS[name]
    with pytest.raises(ValueError, match=message):
        open_context(tiny_bundle, **settings)


def test_settings_of_another_type_are_refused(tiny_bundle: Path) -> None:
    for settings in (
        {"threads": "two"},
        {"batch": 1.5},
        {"keys": ["text"]},
        {"logger": None, "engines": [1]},
    ):
        with pytest.raises((TypeError, AttributeError)):
            open_context(tiny_bundle, **settings)
    with pytest.raises(TypeError):
        _native.Context("text", engines=["cpu"])  # type: ignore[arg-type]


def damage_model(folder: Path) -> None:
    (folder / "model.cpu.onnx").write_bytes(b"\0" * (folder / "model.cpu.onnx").stat().st_size)


REFUSALS: dict[str, tuple[Callable[[Path], object], dict[str, Any], BundleCode]] = {
    "nothing there": (shutil.rmtree, {}, BundleCode.NOT_FOUND),
    "cut off": (lambda folder: (folder / "card.md").write_text(""), {}, BundleCode.SIZE),
    "changed": (damage_model, {}, BundleCode.HASH),
    "no manifest": (lambda folder: (folder / "manifest.json").write_text("{}"), {}, BundleCode.MANIFEST),
    "not signed": (lambda folder: None, {"keys": [b"k" * 32]}, BundleCode.SIGNATURE_MISSING),
    "no driver": (lambda folder: None, {"engines": "tensorrt"}, BundleCode.ENGINE_NONE),
    "no library": (lambda folder: None, {"onnxruntime": "/no/such.so"}, BundleCode.DEVICE_NO_ONNXRUNTIME),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_bundle_that_is_refused_raises_with_its_code(name: str, tiny_bundle: Path, tmp_path: Path) -> None:
    spoil, settings, code = REFUSALS[name]
    folder = tmp_path / "bundle \u00fc \udcff.leaf"  # not all names are UTF-8
    shutil.copytree(tiny_bundle, folder)
    spoil(folder)
    with pytest.raises(BundleError) as caught:
        Context(folder, **({"onnxruntime": native.find_onnxruntime()} | settings))
    if name == "no driver":
        assert caught.value.code.value.startswith(("LEAF_E_ENGINE", "LEAF_E_DEVICE"))
    else:
        assert caught.value.code is code
    assert str(caught.value) == f"{caught.value.code}: {caught.value.message}; {caught.value.remedy}"
    assert caught.value.message.isprintable()


def test_a_full_queue_is_load_and_a_closed_one_is_misuse(tiny_bundle: Path) -> None:
    frame = noise_frame()
    with open_context(tiny_bundle, queue=1) as context:
        context.submit(frame)
        with pytest.raises(BlockingIOError, match="1 frames are in flight") as caught:
            context.submit(frame)
        assert caught.value.errno == errno.EAGAIN
        for busy in (context.self_test, lambda: context.prepare([frame]), lambda: context.score(frame)):
            with pytest.raises(RuntimeError, match="in flight"):
                busy()
        assert context.poll(5) is not None and context.poll() is None
        for timeout in (0, 0.001):
            with pytest.raises(TimeoutError, match="no score came in"):
                context.poll(timeout)
        for wrong in (-1, float("nan")):
            with pytest.raises(ValueError, match="expected seconds from 0 up"):
                context.poll(wrong)
        context.submit(frame)  # in flight when it is closed
    assert context.closed and context.in_flight == 0
    context.close()
    calls: tuple[Callable[[], object], ...] = (
        lambda: context.score(frame), lambda: context.submit(frame), context.poll, lambda: context.poll(1),
        context.self_test, context.timings, context.reset_timings, lambda: context.prepare([frame]),
        lambda: context.score_batch([frame]),
    )  # fmt: skip
    for call in calls:
        with pytest.raises(ValueError, match="the context is closed"):
            call()
    with open_context(tiny_bundle) as context, pytest.raises(ValueError, match="queue 0"):
        context.submit(frame)
    scorer = native.load(tiny_bundle)
    scorer.close()
    with pytest.raises(ValueError, match="closed"):
        scorer.score(frame)


def test_cuda_memory_goes_where_an_engine_reads_it(context: Context, tiny_bundle: Path) -> None:
    """Memory of the host with the type of the device: what is said of it, and what the producer is asked."""
    fake = [cuda_capsule(LUMA), cuda_capsule(CHROMA)]
    with pytest.raises(FrameError, match="input 0 is in CUDA memory, which engine cpu does not read"):
        context.score(nv12(*fake))
    with pytest.raises(FrameError, match="plane 1 of a 40x30 NV12 frame: it is in other memory"):
        context.score(nv12(fake[0], CHROMA))
    with pytest.raises(FrameError, match="memory of CUDA device 3; the context is on device 0"):
        context.score(nv12(cuda_capsule(LUMA, 3), cuda_capsule(CHROMA, 3)))
    with pytest.raises(FrameError, match="DLPack device type 10; expected the CPU or CUDA"):
        context.score(nv12(cuda_capsule(LUMA, kind=10), CHROMA))
    pinned = nv12(cuda_capsule(LUMA, kind=3), cuda_capsule(CHROMA, kind=3))  # of the host
    assert context.score(pinned).raw == context.score(nv12(LUMA, CHROMA)).raw
    assert "stream" not in fake[0].asked
    with open_context(tiny_bundle, cuda_stream=0x1234) as other:
        with pytest.raises(FrameError, match="engine cpu does not read"):
            other.score(nv12(*fake))
        assert fake[0].asked["stream"] == 0x1234
        plain = Dlpack(LUMA, knows_versions=False)
        other.score(nv12(plain, CHROMA))
        assert plain.asked == {}  # a producer of host memory is asked for nothing


def cuda_capsule(array: Any, device: int = 0, kind: int = 2) -> Dlpack:
    """A producer whose capsule says that the array is on another device: its DLTensor is changed in place."""
    import ctypes

    class OnDevice(Dlpack):
        def __dlpack__(self, **asked: Any) -> Any:
            self.asked = asked
            capsule = array.__dlpack__()
            pointer = ctypes.pythonapi.PyCapsule_GetPointer
            pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
            place = (ctypes.c_int32 * 2).from_address(pointer(capsule, b"dltensor") + 8)
            assert list(place) == [1, 0]  # DLTensor.device, after its data
            place[0], place[1] = kind, device
            return capsule

    return OnDevice(array, (kind, device))


def test_constants_are_those_of_the_header() -> None:
    text = (HEADERS / "leaf.h").read_text()
    engines = re.findall(r"LEAF_ENGINE_(\w+) = [1-9]", text)
    assert tuple(name.lower() for name in engines) == ENGINES
    codes = set(re.findall(r"\b(LEAF_E_\w+) = -", text))
    assert codes == {code.value for code in BundleCode}
    api = (HEADERS / "api.h").read_text()
    major, minor = (int(value) for value in re.findall(r"LEAF_API_(?:MAJOR|MINOR) (\d+)", api))
    assert _native.versions() == (major << 16 | minor, "0.1.0")
    names = re.search(r"kFormats\[LEAF_PIXEL_FORMATS\] = \{(.*?)\}", PLANES_SOURCE.read_text(), re.DOTALL)
    assert names is not None
    assert list(ast.literal_eval(f"[{names[1]}]")) == [fmt.name for fmt in PixelFormat]


PLANES_SOURCE = HEADERS.parents[1] / "binding" / "planes.cpp"
