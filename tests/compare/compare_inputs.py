"""Pictures made here, and bundles whose TensorRT graph was changed after export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from leaf_edge.bundle import load_bundle, shipped, write_bundle


def picture(seed: int, width: int = 320, height: int = 240) -> NDArray[np.uint8]:
    """Soft blobs, edges and some noise; RGB uint8 [height, width, 3]."""
    rng = np.random.default_rng(seed)
    small = rng.uniform(0, 255, (6, 8, 3)).astype(np.float32)
    image = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(12):
        x, y, w, h = rng.integers(0, (width, height, width // 3, height // 3))
        cv2.rectangle(image, (int(x), int(y)), (int(x + w), int(y + h)), rng.uniform(0, 255, 3).tolist(), -1)
    image = cv2.GaussianBlur(image, (0, 0), 0.5 + seed % 4)
    image += rng.normal(0, 2 + 3 * (seed % 3), image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def write_pictures(folder: Path, count: int) -> Path:
    """`count` PNG files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        cv2.imwrite(str(folder / f"{seed}.png"), picture(seed)[..., ::-1])
    return folder


def tampered(folder: Path, change: Callable[[NDArray[np.float32]], NDArray[np.float32]], scale: str) -> Path:
    """leaf-s with one initializer of its trt graph changed, and all hashes made anew: it loads."""
    import onnx
    from onnx import numpy_helper

    bundle = load_bundle(shipped("leaf-s"))
    model = onnx.load_from_string(bundle.model("trt"))
    (weights,) = [item for item in model.graph.initializer if item.name == scale]
    weights.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(weights)), scale))
    contents = {**bundle.contents, "model.trt.onnx": model.SerializeToString()}
    return write_bundle(folder, bundle.manifest, contents).path
