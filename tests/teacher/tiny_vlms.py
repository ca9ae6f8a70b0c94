"""Tiny random vision-language checkpoints: real classes, real image processors, real byte-level BPE
tokenizers.

Each `save_*` writes a folder as a checkpoint of that family has it: weights, configurations, tokenizer, chat
template. Two layers, a hidden size of 16, pictures of 28 pixels: a forward pass takes milliseconds. The words
of the answers are one token each, or several (`split`), as the tokenizer's training text decides.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from leaf_edge.contract import LEVELS
from leaf_edge.teacher import prompts

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}IMAGE"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAVA_TEMPLATE = (  # knows no system turn, and puts the pictures first, as LLaVA 1.5 does
    "{% for message in messages %}{% if message['role'] == 'user' %}USER: "
    "{% for part in message['content'] if part['type'] == 'image' %}<image>\n{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %} "
    "{% endif %}{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
SMOL_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}: "
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)


def tokenizer(special: list[str], named: dict[str, str], split: bool) -> Any:
    """A byte-level BPE of the prompts' texts; with `split` no level and no answer is one token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    words = [*LEVELS, *prompts.PAIR_ANSWERS]
    words += [word.capitalize() for word in words]
    text = [*prompts.POINT_WORDINGS, *prompts.PAIR_WORDINGS, prompts.SYSTEM]
    text = ["good pi ture", "ex cellent f air"] if split else [*text, *words, *(f" {w}" for w in words)] * 3
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    end = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=262 + len(end) + len(special) if split else 700,
        special_tokens=[*end, *special],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(text, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=named,
    )


def _text(words: Any, **more: Any) -> dict[str, Any]:
    return {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "vocab_size": len(words),
        "max_position_embeddings": 2048,
        "eos_token_id": words.eos_token_id,
        "pad_token_id": words.pad_token_id,
        "bos_token_id": None,
        "initializer_range": 0.3,  # far from uniform, so that a mistake shows
        "tie_word_embeddings": False,
        **more,
    }


def _write(
    folder: Path, config: Any, words: Any, pictures: Any, template: str | None, more: dict[str, Any]
) -> Path:
    import torch
    from transformers import AutoModelForImageTextToText

    torch.manual_seed(1)
    AutoModelForImageTextToText.from_config(config).save_pretrained(folder)
    words.save_pretrained(folder)
    pictures.save_pretrained(folder)
    (folder / "processor_config.json").write_text(json.dumps(more))
    if template is not None:
        (folder / "chat_template.jinja").write_text(template)
    return folder


def save_llava(
    folder: Path,
    *,
    split: bool = False,
    template: str | None = LLAVA_TEMPLATE,
    window: int | None = None,
    hidden: int = 16,
) -> Path:
    """LLaVA: CLIP, Llama; pictures of 28 pixels, 4 tokens. window: a Mistral with attention to so many
    tokens. hidden: size of the language model; 64 has room to learn something with a frozen head."""
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, MistralConfig
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    words = tokenizer(["<image>"], {"image_token": "<image>"}, split)
    vision = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=28,
        patch_size=14,
    )
    text = _text(words, hidden_size=hidden)
    config = LlavaConfig(
        vision_config=vision,
        text_config=MistralConfig(**text, sliding_window=window) if window else LlamaConfig(**text),
        image_token_id=words.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
        tie_word_embeddings=False,
    )
    size = {"height": 28, "width": 28}
    pictures = CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size=size)
    more = {
        "processor_class": "LlavaProcessor",
        "patch_size": 14,
        "num_additional_image_tokens": 1,
        "vision_feature_select_strategy": "default",
    }
    return _write(folder, config, words, pictures, template, more)


_VISION = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]


def _save_qwen(
    folder: Path, split: bool, config_of: Callable[[Any, dict[str, Any]], Any], processor: str, patch: int
) -> Path:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    words = tokenizer(_VISION, {}, split)
    ids = {
        name: words.convert_tokens_to_ids(token)
        for name, token in zip(
            ("vision_start_token_id", "vision_end_token_id", "image_token_id", "video_token_id"),
            _VISION,
            strict=True,
        )
    }
    config = config_of(words, ids)
    pictures = Qwen2VLImageProcessorPil(
        patch_size=patch,
        merge_size=2,
        temporal_patch_size=2,
        size={"shortest_edge": 28 * 28, "longest_edge": 56 * 56},
    )
    template = CHATML.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>")
    return _write(folder, config, words, pictures, template, {"processor_class": processor})


def save_qwen2_vl(folder: Path, *, split: bool = False) -> Path:
    """Qwen2-VL: multimodal rotary positions; pictures keep their shape."""
    from transformers import Qwen2VLConfig

    def config(words: Any, ids: dict[str, Any]) -> Any:
        rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}
        return Qwen2VLConfig(
            text_config=_text(words, rope_parameters=rope),
            vision_config={
                "embed_dim": 16, "hidden_size": 16, "depth": 2, "num_heads": 2, "mlp_ratio": 2,
                "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2,
            },
            tie_word_embeddings=False,
            **ids,
        )  # fmt: skip

    return _save_qwen(folder, split, config, "Qwen2VLProcessor", 14)


def save_qwen2_5_vl(folder: Path, *, split: bool = False) -> Path:
    """Qwen2.5-VL: as Qwen2-VL, with window attention in the vision tower."""
    from transformers import Qwen2_5_VLConfig

    def config(words: Any, ids: dict[str, Any]) -> Any:
        rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}
        return Qwen2_5_VLConfig(
            text_config=_text(words, rope_parameters=rope),
            vision_config={
                "hidden_size": 16, "out_hidden_size": 16, "intermediate_size": 32, "depth": 2, "num_heads": 2,
                "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2, "window_size": 56,
                "fullatt_block_indexes": [1],
            },
            tie_word_embeddings=False,
            **ids,
        )  # fmt: skip

    return _save_qwen(folder, split, config, "Qwen2_5_VLProcessor", 14)


def save_qwen3_vl(folder: Path, *, split: bool = False) -> Path:
    """Qwen3-VL: features of several vision layers go into the language model."""
    from transformers import Qwen3VLConfig

    def config(words: Any, ids: dict[str, Any]) -> Any:
        rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}
        return Qwen3VLConfig(
            text_config=_text(words, head_dim=8, rope_parameters=rope),
            vision_config={
                "hidden_size": 16, "out_hidden_size": 16, "intermediate_size": 32, "depth": 2, "num_heads": 2,
                "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2,
                "num_position_embeddings": 16, "deepstack_visual_indexes": [0],
            },
            tie_word_embeddings=False,
            **ids,
        )  # fmt: skip

    return _save_qwen(folder, split, config, "Qwen3VLProcessor", 14)


def save_smolvlm(folder: Path, *, split: bool = False) -> Path:
    """SmolVLM: pictures are cut into tiles of 28 pixels and a small whole one, 4 tokens each."""
    from transformers import SmolVLMConfig
    from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

    tiles = [f"<row_{row}_col_{column}>" for row in (1, 2, 3, 4) for column in (1, 2, 3, 4)]
    special = ["<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>", *tiles]
    words = tokenizer(special, {"image_token": "<image>"}, split)
    config = SmolVLMConfig(
        vision_config={
            "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
            "image_size": 28, "patch_size": 7,
        },
        text_config={"model_type": "llama", **_text(words)},
        scale_factor=2,
        image_token_id=words.convert_tokens_to_ids("<image>"),
        pad_token_id=words.pad_token_id,
        tie_word_embeddings=False,
    )  # fmt: skip
    pictures = SmolVLMImageProcessorPil(
        size={"longest_edge": 56}, max_image_size={"longest_edge": 28}, do_image_splitting=True
    )
    more = {"processor_class": "SmolVLMProcessor", "image_seq_len": 4}
    return _write(folder, config, words, pictures, SMOL_TEMPLATE, more)


def save_internvl(folder: Path, *, split: bool = False) -> Path:
    """InternVL: pictures are cut into up to 4 tiles of 28 pixels and a small whole one, 4 tokens each."""
    from transformers import InternVLConfig
    from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

    named = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    words = tokenizer(list(named.values()), named, split)
    config = InternVLConfig(
        vision_config={
            "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
            "image_size": [28, 28], "patch_size": [7, 7],
        },
        text_config={"model_type": "qwen2", **_text(words)},
        image_token_id=words.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
        downsample_ratio=0.5,
        tie_word_embeddings=False,
    )  # fmt: skip
    size = {"height": 28, "width": 28}
    pictures = GotOcr2ImageProcessorPil(size=size, crop_to_patches=True, min_patches=1, max_patches=4)
    more = {"processor_class": "InternVLProcessor", "image_seq_length": 4}
    return _write(folder, config, words, pictures, CHATML.replace("IMAGE", "<IMG_CONTEXT>\n"), more)


FAMILIES: dict[str, Callable[..., Path]] = {
    "llava": save_llava,
    "qwen2_vl": save_qwen2_vl,
    "qwen2_5_vl": save_qwen2_5_vl,
    "qwen3_vl": save_qwen3_vl,
    "smolvlm": save_smolvlm,
    "internvl": save_internvl,
}
