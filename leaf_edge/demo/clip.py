"""Makes the demo clip: real photographs filmed by a virtual camera, with faults at known times.

The photographs are files of the installed scikit-image and scikit-learn packages; nothing is downloaded.
The clip is H.264 4:2:0 in an MP4, BT.709 with limited range, and says so in its headers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from leaf_edge.datasets.faults import apply_fault, motion_blur
from leaf_edge.demo.shots import FPS, HEIGHT, SHOT_S, SHOTS, WIDTH, Shot
from leaf_edge.extras import require

Image = NDArray[np.uint8]
SEED = 20260101


@dataclass(frozen=True)
class Stretch:
    """A stretch of the clip with a fault. Times in seconds from the start of the clip, end excluded."""

    title: str
    start_s: float
    end_s: float
    shot_start_s: float  # the shot around it shows the same scene without the fault
    shot_end_s: float
    faults: dict[str, float]  # name: severity


def stretches(shots: tuple[Shot, ...] = SHOTS) -> list[Stretch]:
    """The truth about the clip of `shots`."""
    found = []
    for index, shot in enumerate(shots):
        start = index * SHOT_S
        found.append(
            Stretch(
                shot.title, start + shot.start_s, start + shot.end_s, start, start + SHOT_S, dict(shot.faults)
            )
        )
    return found


def read_photograph(shot: Shot) -> Image:
    """uint8 [height, width, 3] RGB. Raises MissingExtraError or FileNotFoundError."""
    package = require(shot.package, "demo")
    path = Path(package.__file__).parent / shot.file
    image = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None
    if image is None:
        raise FileNotFoundError(
            f"{path}: the installed {shot.package} {package.__version__} does not have this photograph; "
            "install the version that the extra pins: pip install 'leaf-edge[demo]'"
        )
    return np.ascontiguousarray(image[..., ::-1])


def camera_view(photograph: Image, shot: Shot, seconds: float) -> Image:
    """What the camera sees `seconds` into the shot: uint8 [HEIGHT, WIDTH, 3]."""
    height, width = photograph.shape[:2]
    ease = 0.5 - 0.5 * np.cos(np.pi * seconds / SHOT_S)
    x, y, crop = ((1 - ease) * a + ease * b for a, b in zip(shot.begin, shot.end, strict=True))
    scale = crop / WIDTH
    # a hand never holds quite still: two slow sines that do not repeat within a shot
    x = x * width + 2.0 * np.sin(2.1 * seconds) + 0.8 * np.sin(5.3 * seconds + 1)
    y = y * height + 1.6 * np.sin(1.7 * seconds + 2) + 0.7 * np.sin(4.9 * seconds)
    x = np.clip(x, crop / 2, width - crop / 2)
    y = np.clip(y, scale * HEIGHT / 2, height - scale * HEIGHT / 2)
    to_source = np.array(
        [[scale, 0, x - scale * (WIDTH - 1) / 2 - 0.5], [0, scale, y - scale * (HEIGHT - 1) / 2 - 0.5]]
    )
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(photograph, to_source, (WIDTH, HEIGHT), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    )


def render(shots: tuple[Shot, ...] = SHOTS) -> Iterator[Image]:
    """The clip's frames, uint8 [HEIGHT, WIDTH, 3] RGB; the same ones each time."""
    rng = np.random.default_rng(SEED)
    for shot in shots:
        photograph = read_photograph(shot)
        angle = float(rng.uniform(0, 180))  # a moving camera smears all its frames one way
        for index in range(round(SHOT_S * FPS)):
            seconds = index / FPS
            image = camera_view(photograph, shot, seconds)
            if shot.start_s <= seconds < shot.end_s:
                for name, severity in shot.faults:
                    if name == "motion_blur":
                        image = motion_blur(image, severity, angle)
                    else:
                        image = apply_fault(image, name, severity, rng)
            yield image


@dataclass(frozen=True)
class Clip:
    """The files that `make_clip` wrote."""

    video: Path
    truth: Path
    frames: int
    stretches: list[Stretch]


def make_clip(
    folder: Path,
    shots: tuple[Shot, ...] = SHOTS,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Clip:
    """Write `demo.mp4` and `demo.json` (the stretches, the photographs' credits) into `folder`.

    progress: called with (frames done, frames in all). Raises MissingExtraError without the extra
    `demo`. Each file appears whole or not at all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    video, truth = folder / "demo.mp4", folder / "demo.json"
    part = folder / "demo.part.mp4"
    total = len(shots) * round(SHOT_S * FPS)
    try:
        _encode(part, render(shots), lambda done: progress and progress(done, total))
        part.replace(video)
    finally:
        part.unlink(missing_ok=True)
    clip = Clip(video, truth, total, stretches(shots))
    about: dict[str, Any] = {
        "video": video.name,
        "frames": total,
        "fps": FPS,
        "stretches": [asdict(stretch) for stretch in clip.stretches],
        "photographs": [shot.credit for shot in shots],
    }
    text_part = truth.with_suffix(".json.part")
    text_part.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    text_part.replace(truth)
    return clip


def _encode(path: Path, images: Iterable[Image], each: Callable[[int], object]) -> None:
    with av.open(str(path), "w") as container:
        # CRF 12: the encoder's own losses must stay far below the faults that the clip shows
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "12", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        context = stream.codec_context
        context.color_primaries = context.color_trc = context.colorspace = 1  # 1: BT.709 (H.273)
        context.color_range = ColorRange.MPEG
        for done, image in enumerate(images, start=1):
            rgb = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame = rgb.reformat(
                format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
            )
            frame.pts, frame.time_base = done - 1, Fraction(1, FPS)
            container.mux(stream.encode(frame))
            each(done)
        container.mux(stream.encode(None))
