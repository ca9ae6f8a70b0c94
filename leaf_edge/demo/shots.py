"""What the demo clip shows: the photographs, the camera's path over each, and the faults at known times."""

from __future__ import annotations

from dataclasses import dataclass

WIDTH, HEIGHT, FPS = 480, 270, 25
SHOT_S = 8.0

# A crop: centre x, centre y (0..1 of the photograph) and width in source pixels. Widths stay above the
# clip's 480 pixels, so that no clean frame is a magnified one.
Crop = tuple[float, float, float]


@dataclass(frozen=True)
class Shot:
    """One photograph, panned and zoomed for `SHOT_S` seconds, and the fault in the middle of it."""

    package: str  # the installed package whose files hold the photograph
    file: str  # path inside that package
    credit: str
    begin: Crop
    end: Crop
    title: str  # what went wrong, in a viewer's words
    faults: tuple[tuple[str, float], ...]  # applied in this order: name in contract.FAULTS, severity
    start_s: float = 2.5  # of the stretch, from the start of the shot
    end_s: float = 5.5


SHOTS: tuple[Shot, ...] = (
    Shot(
        "skimage",
        "data/motorcycle_left.png",
        "Motorcycle, Middlebury Stereo 2014 (D. Scharstein and others)",
        (0.47, 0.54, 690.0),
        (0.55, 0.50, 560.0),
        "out of focus",
        (("defocus", 0.65),),
    ),
    Shot(
        "skimage",
        "data/astronaut.png",
        "Eileen Collins, NASA, public domain",
        (0.50, 0.72, 508.0),
        (0.50, 0.30, 500.0),
        "motion blur",
        (("motion_blur", 0.60),),
    ),
    Shot(
        "skimage",
        "data/coffee.png",
        "Coffee, Rachel Michetti, CC0",
        (0.46, 0.46, 510.0),
        (0.52, 0.52, 590.0),
        "low light",
        (("under_exposure", 0.30), ("noise", 0.60)),
    ),
    Shot(
        "sklearn",
        "datasets/images/china.jpg",
        "china.jpg by danielbuechele, CC BY 2.0",
        (0.55, 0.55, 620.0),
        (0.43, 0.45, 520.0),
        "over-exposure",
        (("over_exposure", 0.65),),
    ),
    Shot(
        "sklearn",
        "datasets/images/flower.jpg",
        "flower.jpg by vultilion, CC BY 2.0",
        (0.45, 0.55, 510.0),
        (0.52, 0.50, 630.0),
        "heavy compression",
        (("compression", 0.85),),
    ),
)
