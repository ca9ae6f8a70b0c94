"""Loads a vision-language checkpoint: model, and a processor that takes pictures and text.

Processors are put together here from the checkpoint's image processor (on Pillow, so that the same picture
gives the same numbers on every machine), its tokenizer and the family's own processor class, without the part
for videos: that part wants torchvision, which judging pictures does not need.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaf_edge.extras import MissingExtraError, require

DTYPES = ("auto", "bfloat16", "float16", "float32")
"""`auto` is the type that the checkpoint's weights are stored in."""

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_VIDEO = "video_processor"


class CheckpointError(OSError):
    """A checkpoint that cannot be used. The message says what was expected, what was found and what to do."""


@dataclass
class Checkpoint:
    """model: in evaluation mode, on its device. processor: called with `text` and `images`. name: the
    folder's or the hub's, for people. fingerprint: 8 hexadecimal digits that differ where weights differ."""

    model: Any
    processor: Any
    name: str
    fingerprint: str


def load_checkpoint(source: str, dtype: str = "bfloat16", device_map: str = "auto") -> Checkpoint:
    """Loads a folder or hub id, or the folder of a LoRA adapter whose base it names.

    dtype: one of `DTYPES`. device_map: `auto` (every GPU there is, or the CPU), or a device of torch such as
    `cuda:1` or `cpu`. Raises `FileNotFoundError` for a folder that is not there, `CheckpointError` for a
    checkpoint that is not a vision-language one or is damaged, ValueError for unknown options.
    """
    torch, transformers = require("torch", "train"), require("transformers", "train")
    if dtype not in DTYPES:
        raise ValueError(f"dtype is {dtype!r}; expected one of {', '.join(DTYPES)}")
    _check_source(source)
    base = base_of(source)
    config = _config(transformers, base)
    if not sys.stderr.isatty():  # bars are for people
        transformers.utils.logging.disable_progress_bar()
    if device_map == "auto" and not torch.cuda.is_available():
        device_map = "cpu"
    try:
        model, loading = transformers.AutoModelForImageTextToText.from_pretrained(
            base,
            dtype=dtype if dtype == "auto" else getattr(torch, dtype),
            device_map=device_map,
            output_loading_info=True,
        )
        processor = load_processor(base, config)
    except (torch.OutOfMemoryError, MissingExtraError):
        raise
    except Exception as error:  # damaged files raise errors of many libraries
        raise CheckpointError(f"{base}: the checkpoint cannot be loaded: {_first_line(error)}") from error
    if missing := sorted(loading["missing_keys"]):  # transformers would go on with random numbers there
        raise CheckpointError(
            f"{base}: {len(missing)} weights are not in the checkpoint, such as {missing[0]}; fetch it whole"
        )
    if base != source:
        peft = require("peft", "train")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of one pinned library about another
            model = peft.PeftModel.from_pretrained(model, source).merge_and_unload()
    model.eval()
    return Checkpoint(model, processor, Path(source).resolve().name, fingerprint(model))


def _check_source(source: str) -> None:
    path = Path(source)
    if path.is_dir():
        if not any((path / name).is_file() for name in ("config.json", "adapter_config.json")):
            raise CheckpointError(
                f"{source}: expected a checkpoint with config.json, as save_pretrained() "
                "writes it; the folder has none"
            )
    elif path.exists():
        raise CheckpointError(f"{source}: expected the folder of a checkpoint; found a file")
    elif not _HUB_ID.fullmatch(source) or source.startswith("."):
        raise FileNotFoundError(2, "No such folder, and not a hub id of the form owner/name", source)


def base_of(source: str) -> str:
    """The base that a LoRA adapter's folder names; `source` itself where that is a whole checkpoint."""
    file = Path(source) / "adapter_config.json"
    if not file.is_file() or (Path(source) / "config.json").is_file():
        return source
    base = json.loads(file.read_text()).get("base_model_name_or_path")
    if not base:
        raise CheckpointError(f"{file}: the adapter does not name its base (base_model_name_or_path)")
    _check_source(base)
    return str(base)


def _config(transformers: Any, source: str) -> Any:
    try:
        config = transformers.AutoConfig.from_pretrained(source)
    except (OSError, ValueError, KeyError) as error:
        hint = (
            "" if Path(source).is_dir() else " (there is no such folder here, so it was taken for a hub id)"
        )
        if Path(source, "config.json").is_file() and "auto_map" in Path(source, "config.json").read_text():
            hint = "; take the variant that needs no code of its own (InternVL: the name that ends in -HF)"
        raise CheckpointError(
            f"{source}: the configuration cannot be read: {_first_line(error)}{hint}"
        ) from error
    known = transformers.models.auto.modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
    if type(config) not in known:
        raise CheckpointError(
            f"{source}: expected a vision-language checkpoint (InternVL, Qwen-VL, LLaVA, SmolVLM, ...); "
            f"found a model of type {config.model_type!r}, which does not read pictures and text"
        )
    return config


def load_processor(source: str, config: Any) -> Any:
    """The processor of the checkpoint in `source`, for pictures and text."""
    transformers = require("transformers", "train")
    mapping = transformers.models.auto.processing_auto.PROCESSOR_MAPPING
    family = mapping.get(type(config), None)
    if config.model_type == "smolvlm":
        # the same pictures and texts without the number words that SmolVLM's own class wants for videos
        family = transformers.Idefics3Processor
    if family is None or not set(family.get_attributes()) <= {"image_processor", "tokenizer", _VIDEO}:
        processor = transformers.AutoProcessor.from_pretrained(source)
    else:
        settings, _ = family.get_processor_dict(source)
        accepted = set(inspect.signature(family.__init__).parameters) - set(family.get_attributes())
        given = {key: value for key, value in settings.items() if key in accepted and key != "chat_template"}
        parts = {
            "image_processor": transformers.AutoImageProcessor.from_pretrained(source, backend="pil"),
            "tokenizer": transformers.AutoTokenizer.from_pretrained(source),
        }
        template = settings.get("chat_template") or parts["tokenizer"].chat_template
        if _VIDEO in family.get_attributes():
            family = _without_video(family)
            parts[_VIDEO] = None
        processor = family(**parts, chat_template=template, **given)
    if processor.tokenizer.pad_token_id is None:
        processor.tokenizer.pad_token = processor.tokenizer.eos_token
    return processor


def _without_video(family: Any) -> Any:
    class PicturesOnly(family):  # type: ignore[misc]
        """The family's processor, whose part for videos is absent."""

        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
            if argument_name == _VIDEO and argument is None:
                return None
            return super().check_argument_for_proper_class(argument_name, argument)

    return PicturesOnly


def fingerprint(model: Any) -> str:
    """8 hexadecimal digits of up to 64 values of every parameter, and of its name and shape."""
    torch = require("torch", "train")
    digest = hashlib.sha256()
    for name, parameter in sorted(model.named_parameters()):
        digest.update(f"{name}{tuple(parameter.shape)}".encode())
        if parameter.device.type != "meta":
            flat = parameter.detach().reshape(-1)
            digest.update(flat[:: max(1, flat.numel() // 64)][:64].to("cpu", torch.float32).numpy().tobytes())
    return digest.hexdigest()[:8]


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
