"""A teacher for tests of labelling: judges by how bright a picture is, and fails where it is told to."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from leaf_edge.contract import LEVEL_MOS
from leaf_edge.teacher import registry
from leaf_edge.teacher.interface import Failure, Picture
from leaf_edge.teacher.judgment import PairJudgment, PointJudgment

KIND = ("label_teachers", "BrightnessTeacher")
TEACHER, VERSION = "test:brightness", "1"


def brightness(picture: Picture) -> float:
    """1 (black) to 5 (white)."""
    return 1 + 4 * float(picture.rgb.mean()) / 255


class BrightnessTeacher:
    """delay: seconds for each batch. log: file that gets a line for each judgment, so that tests can count
    them. dark: what happens to pictures with a mean below 20: judged, refused, or the file while which exists
    they cannot be had."""

    name, version = TEACHER, VERSION

    def __init__(self, options: Mapping[str, object]) -> None:
        self.batch = int(str(options.get("batch", 4)))
        self._delay = float(str(options.get("delay", 0)))
        self._log = options.get("log")
        self._dark = str(options.get("dark", "judged"))

    @classmethod
    def from_options(cls, options: Mapping[str, object]) -> BrightnessTeacher:
        unknown = set(options) - {"batch", "delay", "log", "dark"}
        if unknown:
            raise ValueError(f"unknown option {sorted(unknown)}")
        return cls(options)

    def _note(self, text: str) -> None:
        if self._log:
            with Path(str(self._log)).open("a") as file:
                file.write(f"{os.getpid()} {text}\n")

    def _failure(self, *pictures: Picture) -> Failure | None:
        if self._dark == "judged" or all(picture.rgb.mean() >= 20 for picture in pictures):
            return None
        if self._dark == "refused":
            return Failure("too dark to judge")
        return Failure("the server is away", transient=True) if Path(self._dark).exists() else None

    def points(self, pictures: Sequence[Picture]) -> list[PointJudgment | Failure]:
        time.sleep(self._delay)
        answers: list[PointJudgment | Failure] = []
        for picture in pictures:
            self._note(picture.sha256)
            near = np.exp(-((np.array(LEVEL_MOS) - brightness(picture)) ** 2))
            answers.append(self._failure(picture) or PointJudgment.of(near))
        return answers

    def pairs(self, pairs: Sequence[tuple[Picture, Picture]]) -> list[PairJudgment | Failure]:
        time.sleep(self._delay)
        answers: list[PairJudgment | Failure] = []
        for a, b in pairs:
            self._note(f"{a.sha256} {b.sha256}")
            preference = 1 / (1 + np.exp(2 * (brightness(b) - brightness(a))))
            bias = 0.1 * preference * (1 - preference)  # for the picture that is shown first
            answers.append(self._failure(a, b) or PairJudgment.of(preference + bias, preference - bias))
        return answers

    def close(self) -> None:
        pass


if __name__ == "__main__":  # `leaf-edge` with this teacher, for tests that need a process of its own
    from leaf_edge.cli.main import main

    registry.KINDS["brightness"] = KIND
    sys.exit(main(sys.argv[1:]))
