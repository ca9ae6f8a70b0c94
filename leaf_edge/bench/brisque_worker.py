"""Times OpenCV's BRISQUE on raw frames. A script for a Python with opencv-contrib-python-headless.

    python brisque_worker.py MODEL.yml RANGE.yml FRAMES.nv12 WIDTH HEIGHT REPEATS

Imports nothing of LEAF-Edge: it runs in an environment of its own, because the contrib package and the
plain OpenCV cannot share one. Prints one JSON object: milliseconds of each call, OpenCV's version.
The conversion from NV12 to the BGR that BRISQUE takes is done before and is not in the times.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import cv2
import numpy as np


def main(model: str, ranges: str, raw: str, width: int, height: int, repeats: int) -> None:
    """One untimed call, then each frame `repeats` times, on one thread."""
    cv2.setNumThreads(1)
    data = np.frombuffer(Path(raw).read_bytes(), np.uint8).reshape(-1, height * 3 // 2, width)
    images = [cv2.cvtColor(frame, cv2.COLOR_YUV2BGR_NV12) for frame in data]
    # the plain OpenCV, which the type checker sees, has no `quality`
    brisque = cv2.quality.QualityBRISQUE_create(model, ranges)  # type: ignore[attr-defined]
    brisque.compute(images[0])
    times = []
    for _ in range(repeats):
        for image in images:
            begin = time.perf_counter()
            brisque.compute(image)
            times.append(1000 * (time.perf_counter() - begin))
    print(json.dumps({"times_ms": times, "opencv": cv2.__version__}))


if __name__ == "__main__":
    model_file, range_file, frames_file, *numbers = sys.argv[1:]
    main(model_file, range_file, frames_file, *map(int, numbers))
