"""LoRA on the language model of a vision-language checkpoint, and what is saved of it."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

from leaf_edge.extras import require
from leaf_edge.teacher.vlm_load import CheckpointError

_LANGUAGE = ("language_model", "text_model")
_LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_PROCESSOR_FILES = (".json", ".jinja", ".txt", ".model")


def lora_targets(model: Any) -> list[str]:
    """Names of the linear layers of attention and feed-forward blocks of the language model, not of the
    vision tower. Raises `CheckpointError` where there is none."""
    torch = require("torch", "train")
    names = [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
        and name.rpartition(".")[2] in _LINEAR
        and any(part in name.split(".") for part in _LANGUAGE)
    ]
    if not names:
        raise CheckpointError(
            f"no layer to tune in a {type(model).__name__}: expected linear layers {', '.join(_LINEAR)} "
            f"in a module {' or '.join(_LANGUAGE)}"
        )
    return names


def add_lora(model: Any, rank: int, alpha: float, dropout: float) -> Any:
    """The model with LoRA weights, which alone are trained."""
    peft = require("peft", "train")
    config = peft.LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=lora_targets(model), bias="none"
    )
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", FutureWarning
        )  # of one pinned library about another: nobody's to act on
        return peft.get_peft_model(model, config)


def save_result(model: Any, base: str, adapter: Path, merged: Path) -> None:
    """Writes the adapter, and the whole checkpoint with the adapter in its weights, each whole or not at all.

    model: of `add_lora`; unusable afterwards. base: folder or hub id that it was loaded from.
    """
    utils = require("transformers.utils", "train")
    if Path(base).is_dir():
        base = str(Path(base).resolve())  # an adapter's folder may be moved, its base stays where it is
    if not adapter.is_dir():
        model.peft_config["default"].base_model_name_or_path = base
        part = _empty(adapter)
        model.save_pretrained(part, save_embedding_layers=False)
        part.replace(adapter)
    part = _empty(merged)
    model.merge_and_unload().save_pretrained(part)
    folder = Path(utils.cached_file(base, "config.json")).parent
    for file in folder.iterdir():
        copied = file.suffix in _PROCESSOR_FILES and not file.name.endswith(".index.json")
        if copied and not (part / file.name).exists():  # tokenizer, chat template, processors as they are
            shutil.copyfile(file, part / file.name)
    if merged.is_dir():
        shutil.rmtree(merged)
    part.replace(merged)


def _empty(folder: Path) -> Path:
    part = folder.with_name(f".{folder.name}.part")
    if part.is_dir():
        shutil.rmtree(part)
    part.mkdir(parents=True)
    return part
