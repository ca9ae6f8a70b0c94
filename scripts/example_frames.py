"""Writes frames for recipes/example.yaml: photographs that come with scikit-image and scikit-learn.

    python scripts/example_frames.py out/example/frames

Needs `pip install 'leaf-edge[train,demo]'`; nothing is downloaded. Each photograph gives two frames, its left
and its right half, so that there are scenes enough to hold some out.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2

from leaf_edge.extras import MissingExtraError, require

PHOTOGRAPHS: tuple[tuple[str, str, str], ...] = (
    # package, file in it, credit
    ("skimage", "data/astronaut.png", "Eileen Collins, NASA, public domain"),
    ("skimage", "data/camera.png", "Lav Varshney, CC0"),
    ("skimage", "data/chelsea.png", "Stefan van der Walt, CC0"),
    ("skimage", "data/coffee.png", "Rachel Michetti, CC0"),
    ("skimage", "data/motorcycle_left.png", "Middlebury Stereo 2014 (D. Scharstein and others)"),
    ("skimage", "data/rocket.jpg", "SpaceX, CC0"),
    ("sklearn", "datasets/images/china.jpg", "danielbuechele, CC BY 2.0"),
    ("sklearn", "datasets/images/flower.jpg", "vultilion, CC BY 2.0"),
)


def write_frames(folder: Path) -> list[Path]:
    """Two PNG frames of each photograph in `folder`; the same bytes each time. Returns their paths.

    Raises MissingExtraError, and FileNotFoundError where an installed package lacks its photograph.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for package, file, _ in PHOTOGRAPHS:
        path = Path(require(package, "demo").__file__).parent / file
        image = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None
        if image is None:
            raise FileNotFoundError(f"{path}: the installed {package} does not have this photograph")
        half = image.shape[1] // 2
        for side, part in (("left", image[:, :half]), ("right", image[:, half:])):
            target = folder / f"{path.stem}-{side}.png"
            if not cv2.imwrite(str(target), part):
                raise OSError(28, "could not be written", str(target))
            written.append(target)
    return written


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} FOLDER")
    try:
        frames = write_frames(Path(sys.argv[1]))
    except (MissingExtraError, OSError) as error:
        sys.exit(str(error))
    print(f"{len(frames)} frames in {sys.argv[1]}")
    for _, name, credit in PHOTOGRAPHS:
        print(f"  {Path(name).name}: {credit}")
