"""The two views against OpenCV on the same frames: `python -m leaf_edge.bench.views`.

One thread. Each round times every contender once, so that a busy moment of the machine hits all of
them; of many rounds, the minimum is the figure to compare.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from leaf_edge.bench.machine import machine_facts
from leaf_edge.bench.synthetic import synthetic_frames
from leaf_edge.frames.frame import Frame, FrameError, PixelFormat
from leaf_edge.views import SIZE, ViewMaker, available_isas
from leaf_edge.views.native import SHAPE

Work = Callable[[Frame], object]

_FRAMES = 4  # in turn: 12 MB of 1080p NV12, more than a core's own caches
_MEAN = np.array([103.5, 116.3, 123.7], np.float32)  # ImageNet's, B G R
_DEVIATION = np.array([57.4, 57.1, 58.4], np.float32)
_TO_BGR = {
    PixelFormat.NV12: cv2.COLOR_YUV2BGR_NV12,
    PixelFormat.NV21: cv2.COLOR_YUV2BGR_NV21,
    PixelFormat.I420: cv2.COLOR_YUV2BGR_I420,
    PixelFormat.YUYV: cv2.COLOR_YUV2BGR_YUY2,
    PixelFormat.UYVY: cv2.COLOR_YUV2BGR_UYVY,
    PixelFormat.RGB: cv2.COLOR_RGB2BGR,
    PixelFormat.RGBA: cv2.COLOR_RGBA2BGR,
    PixelFormat.BGRA: cv2.COLOR_BGRA2BGR,
    PixelFormat.GRAY8: cv2.COLOR_GRAY2BGR,
}
PLANES_FIRST = "opencv planes first"
USUAL = "opencv usual"
READ = "read"
DESCRIPTION = {
    PLANES_FIRST: "INTER_AREA of the Y and chroma planes to 224x224, then colour (global view only)",
    USUAL: "to BGR, INTER_AREA to 224x224, normalise to float NCHW (global view only)",
    READ: "sum of the frame's bytes as 64-bit words: the bound that memory sets",
}


def run(
    width: int = 1920, height: int = 1080, format: PixelFormat | str = "nv12", repeats: int = 200
) -> dict[str, Any]:
    """Times both views by every instruction set here, two OpenCV chains and a plain read.

    format: a `PixelFormat` or its name; chains that OpenCV has no conversion for (P010; YUV of odd
        size) are left out.
    repeats: rounds, after five that are not counted.

    Returns {"settings", "machine", "milliseconds": {contender: {"min", "median"}}, "ratios":
    {isa: {chain: how many times faster the views are, by minimum; "read": how many times as long
    as a plain read}}}; contenders are `views <isa>` and the keys of `DESCRIPTION`.
    """
    if isinstance(format, str):
        format = PixelFormat.parse(format)
    if repeats < 1:
        raise ValueError(f"repeats is {repeats}; expected 1 or more")
    frames = synthetic_frames(format, width, height, distinct=_FRAMES)
    works: dict[str, Work] = {f"views {isa}": _views_work(isa) for isa in available_isas()}
    if format in (PixelFormat.NV12, PixelFormat.NV21, PixelFormat.I420):
        works[PLANES_FIRST] = _planes_first
    whole_pairs = width % 2 == 0 and height % 2 == 0  # OpenCV converts no others
    if format is PixelFormat.BGR or (format in _TO_BGR and (whole_pairs or not format.is_yuv)):
        works[USUAL] = _usual
    works[READ] = _read

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        times = _time(works, frames, repeats)
    finally:
        cv2.setNumThreads(threads)
    best = {name: min(values) for name, values in times.items()}
    ratios = {}
    for isa in available_isas():
        own = best[f"views {isa}"]
        ratios[isa] = {name: best[name] / own for name in (PLANES_FIRST, USUAL) if name in best}
        ratios[isa][READ] = own / best[READ]
    return {
        "settings": {
            "width": width,
            "height": height,
            "format": format.name.lower(),
            "repeats": repeats,
            "threads": 1,
        },
        "machine": {**machine_facts(), "opencv": cv2.__version__},
        "milliseconds": {
            name: {"min": best[name], "median": float(np.median(values))} for name, values in times.items()
        },
        "ratios": ratios,
    }


def _time(works: dict[str, Work], frames: list[Frame], repeats: int) -> dict[str, list[float]]:
    """Milliseconds of every round for each contender."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for number in range(-5, repeats):
        for position, (name, work) in enumerate(works.items()):
            # Another frame than the contender before has just brought into the caches.
            frame = frames[(number + position) % len(frames)]
            start = time.perf_counter()
            work(frame)
            if number >= 0:
                times[name].append(1e3 * (time.perf_counter() - start))
    return times


def _views_work(isa: str) -> Work:
    maker = ViewMaker(isa)
    out = np.empty(SHAPE, np.uint8)
    return lambda frame: maker(frame, out=out)


def _shrink(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.uint8)


def _planes_first(frame: Frame) -> object:
    luma = _shrink(frame.planes[0])
    if frame.format is PixelFormat.I420:
        chroma = cv2.merge([_shrink(frame.planes[1]), _shrink(frame.planes[2])])
    else:
        uv = frame.planes[1]
        chroma = _shrink(uv.reshape(uv.shape[0], -1, 2))
    return cv2.cvtColor(cv2.merge([luma, chroma]), cv2.COLOR_YUV2RGB)


def _usual(frame: Frame) -> object:
    image = _shrink(_to_bgr(frame)).astype(np.float32)
    normalised = (image - _MEAN) / _DEVIATION
    return np.ascontiguousarray(normalised.transpose(2, 0, 1)[None])


def _to_bgr(frame: Frame) -> NDArray[np.uint8]:
    plane = frame.planes[0]
    if frame.format is PixelFormat.BGR:
        return plane.reshape(frame.height, frame.width, 3)
    if frame.format in (PixelFormat.NV12, PixelFormat.NV21):
        y = plane.reshape(frame.height, frame.width, 1)
        uv = frame.planes[1].reshape(-1, (frame.width + 1) // 2, 2)
        return np.asarray(cv2.cvtColorTwoPlane(y, uv, _TO_BGR[frame.format]))
    if frame.format is PixelFormat.I420:  # OpenCV wants the planes in one array
        plane = np.concatenate([p.reshape(-1, frame.width) for p in frame.planes])
    elif frame.format is not PixelFormat.GRAY8:
        plane = plane.reshape(frame.height, frame.width, -1)
    return np.asarray(cv2.cvtColor(plane, _TO_BGR[frame.format]))


def _read(frame: Frame) -> object:
    total = 0
    for plane in frame.planes:
        whole = plane.reshape(-1).view(np.uint8)
        total += int(whole[: whole.size // 8 * 8].view(np.uint64).sum())
    return total


def main(arguments: list[str] | None = None) -> int:
    """Print the comparison, as a table or as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m leaf_edge.bench.views", description="Times the two views against OpenCV, one thread."
    )
    parser.add_argument("--size", default="1920x1080", metavar="WxH", help="default: 1920x1080")
    parser.add_argument("--format", default="nv12", help="pixel format; default: nv12")
    parser.add_argument("--repeats", type=int, default=200, metavar="N", help="rounds; default: 200")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    args = parser.parse_args(arguments)
    try:
        width, height = (int(side) for side in args.size.lower().split("x"))
    except ValueError:
        parser.error(f"--size is {args.size!r}; expected WIDTHxHEIGHT, such as 1920x1080")
    try:
        report = run(width, height, args.format, args.repeats)
    except (FrameError, ValueError, cv2.error) as error:
        parser.error(str(error))
    if args.json:
        print(json.dumps(report, indent=2))
    else:
        _print(report)
    return 0


def _print(report: dict[str, Any]) -> None:
    settings, machine = report["settings"], report["machine"]
    print(
        f"Both views of {settings['width']}x{settings['height']} {settings['format']}, one thread, "
        f"{settings['repeats']} rounds; {machine['cpu']}, OpenCV {machine['opencv']}"
    )
    print(f"  {'':22}{'min ms':>9}{'median':>9}")
    for name, figures in report["milliseconds"].items():
        print(f"  {name:22}{figures['min']:9.3f}{figures['median']:9.3f}  {DESCRIPTION.get(name, '')}")
    for isa, ratios in report["ratios"].items():
        faster = [f"{ratio:.1f}x faster than {name}" for name, ratio in ratios.items() if name != READ]
        print(f"  views {isa}: {', '.join([*faster, f'{ratios[READ]:.1f}x the time of one read'])}")


if __name__ == "__main__":
    raise SystemExit(main())
