"""Which machine an engine is for, and the name that says so: engines/TENSORRT-SM-OS.plan."""

from __future__ import annotations

import re
from dataclasses import dataclass

from leaf_edge.bundle.manifest import EngineEntry
from leaf_edge.export.engine_options import AMPERE_PLUS, VERSION_COMPATIBLE, EngineOptions

_TENSORRT = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,4}(\.[0-9]{1,6})?", re.ASCII)
_SM = re.compile(r"sm[1-9][0-9]{1,2}", re.ASCII)
_OS = re.compile(r"[a-z0-9]{1,32}-[a-z0-9_]{1,32}", re.ASCII)
_SUPPORTED = ((10, 3), (12, 0))
"""Versions of TensorRT from the first up to, not with, the second."""


@dataclass(frozen=True)
class EngineKey:
    """tensorrt: version, `10.3.0` or `10.3.0.26`. sm: compute capability, `sm87`. os: `linux-aarch64`.

    Raises ValueError for text of another form and for a TensorRT that this build is not made for.
    """

    tensorrt: str
    sm: str
    os: str

    def __post_init__(self) -> None:
        for text, form, what in (
            (self.tensorrt, _TENSORRT, "a version of TensorRT, such as 10.3.0"),
            (self.sm, _SM, "a compute capability, such as sm87"),
            (self.os, _OS, "system and processor, such as linux-aarch64"),
        ):
            if form.fullmatch(text) is None:
                raise ValueError(f"expected {what}; found {text[:40]!r}")
        major, minor = map(int, self.tensorrt.split(".")[:2])
        first, end = _SUPPORTED
        if not first <= (major, minor) < end:
            raise ValueError(f"TensorRT {self.tensorrt} is not supported; expected 10.3 to 10.x, or 11.x")

    def entry(self, options: EngineOptions) -> EngineEntry:
        """Its entry in the manifest. Engines that run elsewhere or on a DLA have names of their own, so that
        the plain one stays beside them; any other option gives the same name, and replaces."""
        variants = [word for word in (AMPERE_PLUS, VERSION_COMPATIBLE) if word in options.flags]
        variants += [] if options.dla is None else [f"dla{options.dla}"]
        stem = "engines/" + "-".join([self.tensorrt, self.sm, self.os, *variants])
        return EngineEntry(f"{stem}.plan", self.tensorrt, self.sm, self.os, options.flags, log=f"{stem}.log")
