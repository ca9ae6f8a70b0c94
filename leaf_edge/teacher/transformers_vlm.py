"""The `transformers` teacher: a vision-language checkpoint that runs here.

A picture's level distribution is the model's probability of each level word as the next word of its answer; a
pair's preference is that of `first` against `second` with both pictures in one prompt, asked in both orders.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaf_edge.contract import LEVELS
from leaf_edge.extras import require
from leaf_edge.teacher import prompts
from leaf_edge.teacher.interface import Failure, Picture
from leaf_edge.teacher.judgment import PairJudgment, PointJudgment
from leaf_edge.teacher.levels import AnswerScorer, word_embeddings
from leaf_edge.teacher.option_values import choice, number, refuse_unknown, whole
from leaf_edge.teacher.vlm_inputs import MIN_SIDE, PromptMaker, refuse_size, to_device, to_image
from leaf_edge.teacher.vlm_load import DTYPES, load_checkpoint

_log = logging.getLogger(__name__)

Floats = NDArray[np.float64]
Question = tuple[str, tuple[Any, ...]]
"""A wording and its PIL images in the order in which they are shown."""


class TransformersTeacher:
    """Judges with a checkpoint of a family that transformers knows as image-text-to-text.

    model: a folder, a hub id, or the folder of a LoRA adapter. dtype: `auto`, `bfloat16`, `float16` or
    `float32`. device_map: `auto` (all GPUs, or the CPU) or a torch device. wordings: how many prompt wordings
    are averaged. batch: prompts in one forward pass; halved when memory runs out. max_pixels: a picture with
    more is made smaller first. minimum_mass: a judgment fails where the answer words together have a smaller
    probability (0 to 1). Raises what `vlm_load.load_checkpoint` raises, and ValueError for options out of
    range.
    """

    def __init__(
        self,
        model: str,
        *,
        dtype: str = "bfloat16",
        device_map: str = "auto",
        wordings: int = len(prompts.POINT_WORDINGS),
        batch: int = 8,
        max_pixels: int = 1_048_576,
        minimum_mass: float = 0.0,
    ) -> None:
        self._point_wordings = prompts.point_wordings(wordings)
        self._pair_wordings = prompts.pair_wordings(wordings)
        if batch < 1 or max_pixels < 28 * 28 or not 0 <= minimum_mass < 1:
            raise ValueError(
                f"expected batch of 1 or more, max_pixels of 784 or more and minimum_mass from 0 to below 1; "
                f"found {batch}, {max_pixels}, {minimum_mass}"
            )
        checkpoint = load_checkpoint(model, dtype, device_map)
        self._name = f"transformers:{checkpoint.name}"
        self._version = (
            f"p{prompts.PROMPT_VERSION}/w{wordings}/{dtype}/px{max_pixels}/m{checkpoint.fingerprint}"
        )
        self._batch = batch
        self._max_pixels = max_pixels
        self._minimum_mass = minimum_mass
        self._model: Any = checkpoint.model
        self._tokenizer: Any = checkpoint.processor.tokenizer
        self._prompts = PromptMaker(checkpoint.processor)
        self._levels = AnswerScorer(self._model, self._tokenizer, LEVELS)
        self._answers = AnswerScorer(self._model, self._tokenizer, prompts.PAIR_ANSWERS)
        self._told_of_memory = False

    @classmethod
    def from_options(cls, options: Mapping[str, object]) -> TransformersTeacher:
        """From names and values as a recipe or a command line has them (numbers may be texts).

        Raises ValueError for a name that is not an option, a missing `model`, or a value of the wrong
        kind."""
        names = ("model", "dtype", "device_map", "wordings", "batch", "max_pixels", "minimum_mass")
        refuse_unknown("transformers", options, names)
        if not options.get("model"):
            raise ValueError("the teacher transformers needs the option model: a folder or hub id")
        return cls(
            str(options["model"]),
            dtype=choice(options, "dtype", "bfloat16", DTYPES),
            device_map=str(options.get("device_map", "auto")),
            wordings=whole(options, "wordings", len(prompts.POINT_WORDINGS), 1, len(prompts.POINT_WORDINGS)),
            batch=whole(options, "batch", 8, 1, 4096),
            max_pixels=whole(options, "max_pixels", 1_048_576, MIN_SIDE**2, 1 << 30),
            minimum_mass=number(options, "minimum_mass", 0.0, 0.0, 0.999),
        )

    @property
    def name(self) -> str:
        """`transformers:` and the checkpoint's name."""
        return self._name

    @property
    def version(self) -> str:
        """Prompts, wordings, number type, picture size and weights: all that a judgment depends on."""
        return self._version

    @property
    def batch(self) -> int:
        """Prompts in one forward pass; less than asked for when memory ran out."""
        return self._batch

    def points(self, pictures: Sequence[Picture]) -> list[PointJudgment | Failure]:
        """The distribution over levels of each picture, mean over the wordings."""
        refused = [_refuse(picture) for picture in pictures]
        kept = [at for at, reason in enumerate(refused) if reason is None]
        images = {at: to_image(pictures[at].rgb, self._max_pixels) for at in kept}
        questions = [(wording, (images[at],)) for wording in self._point_wordings for at in kept]
        answers = self._ask(self._levels, questions)
        judged: list[PointJudgment | Failure] = [Failure(reason or "") for reason in refused]
        for n, at in enumerate(kept):
            of_wordings = answers[n :: len(kept)]
            failure = next((a for a in of_wordings if isinstance(a, Failure)), None)
            judged[at] = failure or PointJudgment.of(
                np.stack([a for a in of_wordings if not isinstance(a, Failure)])
            )
        return judged

    def pairs(self, pairs: Sequence[tuple[Picture, Picture]]) -> list[PairJudgment | Failure]:
        """The preference for the first picture of each pair: shown first, then shown second."""
        refused = [_refuse(a) or _refuse(b) for a, b in pairs]
        kept = [at for at, reason in enumerate(refused) if reason is None]
        images = {at: tuple(to_image(picture.rgb, self._max_pixels) for picture in pairs[at]) for at in kept}
        orders = [(wording, order) for wording in self._pair_wordings for order in (1, -1)]
        questions = [(wording, images[at][::order]) for wording, order in orders for at in kept]
        answers = self._ask(self._answers, questions)
        judged: list[PairJudgment | Failure] = [Failure(reason or "") for reason in refused]
        for n, at in enumerate(kept):
            of_orders = answers[n :: len(kept)]
            failure = next((a for a in of_orders if isinstance(a, Failure)), None)
            shares = [float(a[0]) for a in of_orders if not isinstance(a, Failure)]
            judged[at] = failure or PairJudgment.of(_mean(shares[0::2]), 1 - _mean(shares[1::2]))
        return judged

    def level_embeddings(self) -> NDArray[np.float32]:
        """The model's text embeddings of the five levels, float32 [5, hidden size] (see
        levels.word_embeddings)."""
        return word_embeddings(self._model, self._tokenizer, LEVELS)

    def close(self) -> None:
        """Gives back the model's memory; the teacher cannot judge after it."""
        del self._model, self._levels, self._answers
        torch = require("torch", "train")
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _ask(self, scorer: AnswerScorer, questions: Sequence[Question]) -> list[Floats | Failure]:
        """Probabilities of the scorer's words, which sum to 1, for each question."""
        torch = require("torch", "train")
        answers: list[Floats | Failure] = []
        while len(answers) < len(questions):
            chunk = questions[len(answers) : len(answers) + self._batch]
            try:
                answers += self._score(scorer, chunk)
                continue
            except RuntimeError as error:
                if not _memory_ran_out(torch, error):
                    raise
            # after the handler, which held on to the frames of the failed pass and their tensors
            if len(chunk) > 1:
                self._halve(len(chunk))
            else:
                reason = "memory ran out for one prompt; make max_pixels or the model smaller"
                answers.append(Failure(reason))
        return answers

    def _halve(self, rows: int) -> None:
        torch = require("torch", "train")
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self._batch = max(1, rows // 2)
        if not self._told_of_memory:
            self._told_of_memory = True
            _log.warning("memory ran out with %d prompts at once; going on with %d", rows, self._batch)

    def _score(self, scorer: AnswerScorer, questions: Sequence[Question]) -> list[Floats | Failure]:
        try:
            inputs = self._prompts.encode([q for q, _ in questions], [images for _, images in questions])
        except ValueError as error:
            if len(questions) == 1:
                return [Failure(f"the checkpoint's processor refuses the picture: {error}")]
            return [answer for question in questions for answer in self._score(scorer, [question])]
        logs = scorer(to_device(inputs, self._model)).numpy()
        return [self._normalise(row) for row in logs]

    def _normalise(self, logs: Floats) -> Floats | Failure:
        if np.isnan(logs).any() or not np.isfinite(logs.max()):
            return Failure("the model's logits are not finite; try dtype float32")
        mass = float(np.exp(logs).sum())
        if mass < self._minimum_mass:
            return Failure(
                f"the answer words have a probability of {mass:.2g} together; expected {self._minimum_mass}"
            )
        weights = np.exp(logs - logs.max())
        shares: Floats = weights / weights.sum()
        return shares


def _refuse(picture: Picture) -> str | None:
    height, width = picture.rgb.shape[:2]
    return refuse_size(width, height)


def _mean(values: Sequence[float]) -> float:
    return min(1.0, max(0.0, sum(values) / len(values)))


def _memory_ran_out(torch: Any, error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
