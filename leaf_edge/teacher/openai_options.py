"""Options of the `openai` teacher, and how they are read from a recipe or a command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from leaf_edge.teacher import prompts
from leaf_edge.teacher.endpoint_health import RetryOptions
from leaf_edge.teacher.endpoint_http import EndpointOptions
from leaf_edge.teacher.openai_messages import ImageEncoding

_OWN_FIELDS = ("model", "messages", "logprobs", "top_logprobs", "max_tokens", "temperature", "stream", "n")


@dataclass(frozen=True)
class OpenAIOptions:
    """endpoints: the servers, all with the same model. name: of the model in labels; needed where the
    servers have it under different names. wordings: the first K of teacher/prompts.py. top_logprobs:
    alternatives asked for. max_tokens: 1 is enough for models that begin with the word. min_mass: see
    openai_answers.word_distribution. extra_body: more fields of the request, such as
    `{"chat_template_kwargs": {"enable_thinking": false}}`.
    """

    endpoints: tuple[EndpointOptions, ...]
    name: str = ""
    wordings: int = len(prompts.POINT_WORDINGS)
    image: ImageEncoding = field(default_factory=ImageEncoding)
    top_logprobs: int = 20
    max_tokens: int = 2
    min_mass: float = 0.05
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    retry: RetryOptions = field(default_factory=RetryOptions)

    def __post_init__(self) -> None:
        if not self.endpoints:
            raise ValueError("no endpoints; expected at least one base address, such as http://host:8000/v1")
        if len({endpoint.url.rstrip("/") for endpoint in self.endpoints}) < len(self.endpoints):
            raise ValueError("an endpoint is named twice; raise its concurrency instead")
        models = sorted({endpoint.model for endpoint in self.endpoints})
        if len(models) > 1 and not self.name:
            raise ValueError(
                f"the endpoints have models of different names ({', '.join(models)}); labels of one teacher "
                "come from one model: if it is the same, state its name with the option name"
            )
        prompts.point_wordings(self.wordings)
        prompts.pair_wordings(self.wordings)
        if not 2 <= self.top_logprobs <= 1000:
            raise ValueError(
                f"top_logprobs is {self.top_logprobs}; expected 2 to 1000 (OpenAI and vLLM allow 20)"
            )
        if not 1 <= self.max_tokens <= 64:
            raise ValueError(f"max_tokens is {self.max_tokens}; expected 1 to 64")
        if not 0 < self.min_mass <= 1:
            raise ValueError(f"min_mass is {self.min_mass}; expected a probability above 0")
        taken = [key for key in self.extra_body if key in _OWN_FIELDS]
        if taken:
            raise ValueError(f"extra_body has {', '.join(taken)}, which the teacher sets itself")

    @property
    def model(self) -> str:
        """The name of the model in labels."""
        return self.name or self.endpoints[0].model

    @classmethod
    def read(cls, options: Mapping[str, object]) -> OpenAIOptions:
        """From plain values. ValueError names what is unknown or wrong, and never shows the value of a key.

        endpoints: an address, several with commas between them, or a list of addresses and of mappings with
        url and, where they differ from the rest, model, api_key_env, concurrency, timeout. image_format,
        jpeg_quality, max_side: of ImageEncoding. The fields of RetryOptions stand beside the others.
        Numbers may be texts.
        """
        plain = dict(options)
        common = {key: plain.pop(key) for key in _ENDPOINT_OPTIONS if key in plain}
        given = plain.pop("endpoints", "")
        items = (
            [item.strip() for item in given.split(",") if item.strip()] if isinstance(given, str) else given
        )
        if not isinstance(items, list | tuple):
            raise ValueError("endpoints is not a list; expected addresses, or mappings with url")
        image = {field_: plain.pop(key) for key, field_ in _IMAGE_OPTIONS.items() if key in plain}
        retry = {f.name: plain.pop(f.name) for f in fields(RetryOptions) if f.name in plain}
        extra = plain.pop("extra_body", {})
        if not isinstance(extra, Mapping):
            raise ValueError("extra_body is not a mapping")
        own = {f.name: plain.pop(f.name) for f in fields(cls) if f.name in _PLAIN_OPTIONS and f.name in plain}
        _no_unknown(
            plain, (*_PLAIN_OPTIONS, "endpoints", "extra_body", *_ENDPOINT_OPTIONS, *_IMAGE_OPTIONS), "option"
        )
        endpoints = tuple(_endpoint(item, common) for item in items)
        return cls(
            endpoints=endpoints,
            image=ImageEncoding(**_typed(ImageEncoding, image)),
            retry=RetryOptions(**_typed(RetryOptions, retry)),
            extra_body=dict(extra),
            **_typed(cls, own),
        )


_PLAIN_OPTIONS = ("name", "wordings", "top_logprobs", "max_tokens", "min_mass")
_ENDPOINT_OPTIONS = {
    "model": "model",
    "api_key_env": "key_env",
    "concurrency": "concurrency",
    "timeout": "timeout",
}
_IMAGE_OPTIONS = {"image_format": "format", "jpeg_quality": "quality", "max_side": "max_side"}


def _endpoint(item: object, common: Mapping[str, object]) -> EndpointOptions:
    if isinstance(item, str):
        item = {"url": item}
    if not isinstance(item, Mapping):
        raise ValueError("an endpoint is neither an address nor a mapping with url")
    _no_unknown(
        {key: 0 for key in item if key not in ("url", *_ENDPOINT_OPTIONS)},
        ("url", *_ENDPOINT_OPTIONS),
        "field",
    )
    if not isinstance(item.get("url"), str):
        raise ValueError("an endpoint has no url; expected a base address, such as http://host:8000/v1")
    values = {_ENDPOINT_OPTIONS[key]: value for key, value in {**common, **item}.items() if key != "url"}
    variable = values.get("key_env")
    if variable is not None and not (
        isinstance(variable, str) and re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", variable)
    ):
        # what stands here may be the key itself: it is not shown
        raise ValueError(
            "api_key_env is not the name of an environment variable (capitals, digits, underscores)"
        )
    return EndpointOptions(url=str(item["url"]), **{"model": "", **_typed(EndpointOptions, values)})


def _no_unknown(rest: Mapping[str, object], known: tuple[str, ...], what: str) -> None:
    if any(key in ("api_key", "key", "token", "authorization") for key in rest):
        raise ValueError(
            "an API key does not belong into options: name its environment variable with api_key_env"
        )
    if rest:
        retry = tuple(f.name for f in fields(RetryOptions)) if what == "option" else ()
        raise ValueError(
            f"unknown {what} of the openai teacher: {', '.join(sorted(map(str, rest)))}; "
            f"known are {', '.join(sorted((*known, *retry)))}"
        )


def _typed(kind: type, values: Mapping[str, object]) -> dict[str, Any]:
    """Values as the fields of a dataclass want them: int, float or text."""
    types = {f.name: str(f.type) for f in fields(kind)}
    return {name: _as(types[name], name, value) for name, value in values.items()}


def _as(wanted: str, name: str, value: object) -> Any:
    if wanted.startswith("str"):
        if isinstance(value, str) or value is None:
            return value
        raise ValueError(f"{name} is not a text")
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        number = float(value)
        if wanted == "float":
            return number
        if number != int(number):
            raise ValueError
        return int(number)
    except (ValueError, OverflowError):
        shown = "a whole number" if wanted == "int" else "a number"
        raise ValueError(f"{name} is {str(value)[:40]!r}; expected {shown}") from None
