"""The frames that a gate kept, as picture files in a folder."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import Literal

import cv2
import numpy as np

from leaf_edge.frames.frame import Frame
from leaf_edge.frames.rgb import to_rgb
from leaf_edge.frames.source import STDIN_NAME
from leaf_edge.runtime.gate_streams import Gated, StreamEnd

KeepFormat = Literal["png", "jpeg"]
JPEG_QUALITY = 95
_SUFFIX: dict[KeepFormat, str] = {"png": ".png", "jpeg": ".jpg"}


class KeptFrames:
    """Writes accepted frames, or the best of each block, to a folder, which is made if need be.

    Files are named after the source: `clip-000120.png` for frame 120 of clip.mp4, `photo.png` for
    photo.jpg; a name that was given already in this run gets `-2`, `-3`, ... A file appears whole
    or not at all.

    format: `png` (lossless) or `jpeg` (quality 95, several times faster and smaller).
    best: write the best frame of each block only; the gate needs a `best_window`.
    count: files written so far.
    Methods raise OSError where a file cannot be written.
    """

    def __init__(self, folder: Path, format: KeepFormat = "png", *, best: bool = False) -> None:
        self.folder = folder
        self.count = 0
        self._format: KeepFormat = format
        self._best = best
        self._held: Gated | None = None
        self._names: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)

    def take(self, item: Gated | StreamEnd) -> Path | None:
        """Hold or write what is to be kept after `item`. Returns the file that was written, if any."""
        if isinstance(item, StreamEnd):
            return self._write_held()
        if not self._best:
            return self._write(item) if item.decision.accepted else None
        if item.decision.candidate:
            self._held = item
        return self._write_held() if item.decision.best_frame is not None else None

    def _write_held(self) -> Path | None:
        held, self._held = self._held, None
        return None if held is None else self._write(held)

    def _write(self, item: Gated) -> Path:
        if item.scored.pixels is None:
            raise ValueError(f"frame {item.scored.frame} of {item.scored.source} came without its pixels")
        path = self.folder / (self._name(item) + _SUFFIX[self._format])
        part = path.with_name(path.name + ".part")
        try:
            part.write_bytes(encode_picture(item.scored.pixels, self._format))
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        self.count += 1
        return path

    def _name(self, item: Gated) -> str:
        source = item.scored.source
        stem = "stdin" if source == STDIN_NAME else PurePath(source).stem or "frame"
        base = name = stem if item.scored.still else f"{stem}-{item.scored.frame:06d}"
        number = 1
        while name.casefold() in self._names:  # case may not tell files apart
            number += 1
            name = f"{base}-{number}"
        self._names.add(name.casefold())
        return name


def encode_picture(frame: Frame, format: KeepFormat) -> bytes:
    """The frame as the bytes of a PNG or JPEG file, full-range RGB."""
    flags = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if format == "jpeg" else []
    bgr = np.ascontiguousarray(to_rgb(frame)[:, :, ::-1])
    done, data = cv2.imencode(_SUFFIX[format], bgr, flags)
    if not done:
        raise OSError(f"frame {frame.index} of {frame.source} could not be encoded as {format}")
    return bytes(data)
