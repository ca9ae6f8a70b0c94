"""Chat messages with pictures in them, as OpenAI-compatible servers read them."""

from __future__ import annotations

import base64
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from leaf_edge.teacher.interface import Picture, Rgb
from leaf_edge.teacher.prompts import SYSTEM


@dataclass(frozen=True)
class ImageEncoding:
    """How pictures travel.

    format: `png` (what the teacher sees is what the camera gave) or `jpeg` (a fifth of the bytes, but its
    own compression adds to the picture's). quality: of JPEG, 1 to 100. max_side: pixels; a larger picture
    is shrunk to it (area average, aspect kept), a smaller one stays as it is.
    """

    format: str = "png"
    quality: int = 95
    max_side: int = 1024

    def __post_init__(self) -> None:
        if self.format not in ("png", "jpeg"):
            raise ValueError(f"image_format is {self.format!r}; expected png or jpeg")
        if not 1 <= self.quality <= 100:
            raise ValueError(f"jpeg_quality is {self.quality}; expected 1 to 100")
        if not 16 <= self.max_side <= 16384:
            raise ValueError(f"max_side is {self.max_side}; expected 16 to 16384 pixels")

    @property
    def version(self) -> str:
        """Part of a label's identity, such as `png1024` or `jpeg95-1024`."""
        quality = f"{self.quality}-" if self.format == "jpeg" else ""
        return f"{self.format}{quality}{self.max_side}"

    def data_url(self, rgb: Rgb) -> str:
        """`data:image/...;base64,...` of uint8 RGB [height, width, 3]. ValueError for another array."""
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or rgb.size == 0:
            raise ValueError(f"expected uint8 RGB [height, width, 3]; found {rgb.dtype} {rgb.shape}")
        height, width = rgb.shape[:2]
        scale = self.max_side / max(height, width)
        picture: Any = rgb
        if scale < 1:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            picture = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        suffix, options = (
            (".png", []) if self.format == "png" else (".jpg", [cv2.IMWRITE_JPEG_QUALITY, self.quality])
        )
        done, encoded = cv2.imencode(suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
        if not done:
            raise ValueError(f"a picture of {width} x {height} could not be encoded as {self.format}")
        return f"data:image/{self.format};base64,{base64.b64encode(encoded.tobytes()).decode('ascii')}"


class EncodedPictures:
    """Data URLs by the picture's identity, so that a picture of many wordings and pairs is encoded once.

    Keeps the last used ones, up to `limit` characters. Thread-safe.
    """

    def __init__(self, encoding: ImageEncoding, limit: int = 128 << 20) -> None:
        self._encoding = encoding
        self._limit = limit
        self._lock = threading.Lock()
        self._urls: OrderedDict[str, str] = OrderedDict()
        self._held = 0
        self.encoded = 0
        """How often a picture was encoded."""

    def url(self, picture: Picture) -> str:
        """The data URL of a picture. ValueError where its pixels are not a picture."""
        with self._lock:
            url = self._urls.get(picture.sha256)
            if url is not None:
                self._urls.move_to_end(picture.sha256)
                return url
            url = self._encoding.data_url(picture.rgb)
            self.encoded += 1
            self._urls[picture.sha256] = url
            self._held += len(url)
            while self._held > self._limit and len(self._urls) > 1:
                self._held -= len(self._urls.popitem(last=False)[1])
            return url


def messages(urls: Sequence[str], question: str) -> list[dict[str, Any]]:
    """A system message, and one of the user with the pictures in order and then the question."""
    content: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    content.append({"type": "text", "text": question})
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": content}]
