"""The student: a MobileNetV2-class backbone shared by both views, and three heads.

ReLU6 throughout, no squeeze-and-excitation, no batch normalisation (its affine form is folded into the
convolutions of the initial weights), so that what is trained is what is quantised. Architecture:
MobileNetV2 (Sandler et al., 2018, arXiv 1801.04381), table 2, or EfficientNet-Lite (Tan and Le, 2019,
arXiv 1905.11946, table 1, without squeeze-and-excitation and with ReLU6), with TensorFlow's SAME padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leaf_edge.contract import FAULTS


class Stage(NamedTuple):
    """Blocks of one resolution: output channels at width 1.0, stride of the first, how many, kernel."""

    channels: int
    stride: int
    blocks: int
    kernel: int = 3


_MOBILENET = (
    Stage(16, 1, 1),
    Stage(24, 2, 2),
    Stage(32, 2, 3),
    Stage(64, 2, 4),
    Stage(96, 1, 3),
    Stage(160, 2, 3),
    Stage(320, 1, 1),
)
_EFFICIENTNET_LITE2 = (
    Stage(16, 1, 1),
    Stage(24, 2, 3),
    Stage(48, 2, 3, 5),
    Stage(88, 2, 4),
    Stage(120, 1, 4, 5),
    Stage(208, 2, 5, 5),
    Stage(352, 1, 1),
)
BACKBONES: dict[str, tuple[Stage, ...]] = {
    "mobilenetv2": _MOBILENET,
    "efficientnet-lite2": _EFFICIENTNET_LITE2,
}
"""Stages of the backbones that a student can have."""


def _round8(channels: float) -> int:
    """To a multiple of 8, never losing more than a tenth (MobileNet's rule)."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


@dataclass(frozen=True)
class StudentConfig:
    """Shape of a student; stored in its checkpoints.

    backbone: of `BACKBONES`. width: multiplies the residual stream's channels. expansion: hidden
    channels of each block, as a multiple of its input (6 in MobileNetV2). head: channels of the last
    1x1 convolution, for each view. joint: units of the layer that joins both views. views: which views
    are used ("both", or "global" or "fragments" for ablations; the features of the other are zero).
    """

    width: float = 1.0
    expansion: float = 6.0
    head: int = 1280
    joint: int = 256
    views: str = "both"
    backbone: str = "mobilenetv2"

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            raise ValueError(f"backbone is {self.backbone!r}; expected one of: {', '.join(BACKBONES)}")
        if self.views not in ("both", "global", "fragments"):
            raise ValueError(f"views is {self.views!r}; expected both, global or fragments")
        if not (0 < self.width <= 4 and 0 < self.expansion <= 12 and self.head > 0 and self.joint > 0):
            raise ValueError(f"student sizes out of range: {self}")


class Conv(nn.Module):
    """Convolution with bias and TensorFlow SAME padding, then ReLU6 unless `linear`."""

    def __init__(
        self, cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1, linear: bool = False
    ) -> None:
        super().__init__()
        # SAME padding of an even input with stride 2 is one less before than after
        self.pad = (kernel - stride) // 2 if kernel > 1 and stride == 2 else None
        padding = kernel // 2 if self.pad is None else 0
        self.conv = nn.Conv2d(cin, cout, kernel, stride, padding, groups=groups)
        self.linear = linear
        # oneDNN's weight gradient of a 5x5 depthwise convolution is four times slower in bfloat16
        self.wide = groups > 1 and kernel > 3
        # He et al., 2015: without batch normalisation only this keeps a signal through the depth
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="linear" if linear else "relu")
        nn.init.zeros_(bias_of(self))

    def forward(self, x: Tensor) -> Tensor:
        if self.pad is not None:
            x = F.pad(x, (self.pad, self.pad + 1, self.pad, self.pad + 1))
        y: Tensor
        if self.wide and torch.is_grad_enabled():
            with torch.autocast("cpu", enabled=False):
                y = self.conv(x.float())
        else:
            y = self.conv(x)
        return y if self.linear else F.relu6(y)


def bias_of(layer: Conv) -> Tensor:
    """The bias of a convolution of the student, which always has one."""
    if layer.conv.bias is None:
        raise ValueError("expected a convolution with a bias")
    return layer.conv.bias


class Block(nn.Module):
    """Inverted residual: expand 1x1, depthwise, project 1x1 (linear), and the input where it fits."""

    def __init__(self, cin: int, cout: int, stride: int, hidden: int, kernel: int = 3) -> None:
        super().__init__()
        self.expand = Conv(cin, hidden, 1) if hidden != cin else None
        self.dw = Conv(hidden, hidden, kernel, stride, groups=hidden)
        self.project = Conv(hidden, cout, 1, linear=True)
        self.residual = stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x if self.expand is None else self.expand(x)
        y = self.project(self.dw(y))
        return x + y if self.residual else y


@dataclass
class Prediction:
    """What a student says of N frames: mos [N] (raw, about 0..1), spread [N] (> 0, raw units),
    fault_logits [N, 8], features [N, joint]."""

    mos: Tensor
    spread: Tensor
    fault_logits: Tensor
    features: Tensor = field(repr=False)


class Student(nn.Module):
    """`forward(views uint8 [N, 2, 3, 224, 224])` gives (mos [N], spread [N], faults [N, 8]), float32."""

    def __init__(self, config: StudentConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or StudentConfig()
        stream = _round8(32 * config.width)
        self.stem = Conv(3, stream, 3, 2)
        blocks: list[Block] = []
        for stage in BACKBONES[config.backbone]:
            cout = _round8(stage.channels * config.width)
            for number in range(stage.blocks):
                # the first block of all has no expansion
                hidden = _round8(stream * config.expansion) if blocks else stream
                blocks.append(Block(stream, cout, 1 if number else stage.stride, hidden, stage.kernel))
                stream = cout
        self.blocks = nn.ModuleList(blocks)
        self.head = Conv(stream, config.head, 1)
        self.dropout = nn.Dropout(0.2)
        self.joint = nn.Linear(2 * config.head, config.joint)
        self.mos = nn.Linear(config.joint, 1)
        self.spread = nn.Linear(config.joint, 1)
        self.faults = nn.Linear(config.joint, len(FAULTS))
        nn.init.constant_(self.mos.bias, 0.5)
        nn.init.constant_(self.spread.bias, -2.0)  # softplus(-2) = 0.13, a usual spread of MOS

    def backbone(self, images: Tensor, frozen_blocks: int = 0) -> Tensor:
        """images uint8 [M, 3, 224, 224] to pooled features [M, head].

        frozen_blocks: where positive, the stem and that many blocks keep no gradient, which saves
        the most memory-bound part of the backward pass.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and frozen_blocks == 0):
            # 128 and not 127.5, so that uint8 is this with scale 1/127.5 and zero point 128 exactly
            x = (images.float() - 128.0) / 127.5
            x = self.stem(x)
            for block in self.blocks[:frozen_blocks]:
                x = block(x)
        for block in self.blocks[frozen_blocks:]:
            x = block(x)
        return torch.flatten(F.adaptive_avg_pool2d(self.head(x), 1), 1)

    def inverted_residuals(self) -> list[Block]:
        """The blocks in order, by their own type."""
        return [block for block in self.blocks if isinstance(block, Block)]

    def channels_last(self) -> Student:
        """This student with its weights laid out as the CPU computes fastest."""
        for parameter in self.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        return self

    def join(self, pooled: Tensor) -> Prediction:
        """Pooled features [N, 2, head], global then fragments, to the heads."""
        features = F.relu6(self.joint(self.dropout(pooled.flatten(1))))
        return Prediction(
            self.mos(features).reshape(-1),
            F.softplus(self.spread(features)).reshape(-1) + 1e-3,
            self.faults(features),
            features,
        )

    def pool(self, views: Tensor, frozen_blocks: int = 0) -> Tensor:
        """views uint8 [N, 2, 3, 224, 224] to pooled features [N, 2, head]; of an unused view zeros."""
        if self.config.views == "both":
            pooled = self.backbone(views.reshape(-1, *views.shape[2:]), frozen_blocks)
            return pooled.reshape(-1, 2, self.config.head)
        unused = self.config.views == "global"
        pooled = self.backbone(views[:, 1 - int(unused)], frozen_blocks)
        return F.pad(pooled[:, None], (0, 0, 0, 1) if unused else (0, 0, 1, 0))

    def predict(self, views: Tensor, frozen_blocks: int = 0) -> Prediction:
        """views uint8 [N, 2, 3, 224, 224] to a `Prediction`."""
        return self.join(self.pool(views, frozen_blocks))

    def forward(self, views: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        p = self.predict(views)
        return p.mos, p.spread, torch.sigmoid(p.fault_logits)

    def multiply_adds(self) -> int:
        """Multiply-adds of the convolutions for one view; linear layers are negligible."""
        total, size = 0, 224
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                size //= module.stride[0]
                w = module.weight
                total += w.numel() * size * size
        return total


def save_checkpoint(path: Path, student: Student, **more: Any) -> None:
    """Writes atomically: the config, the weights, and plain values of the caller."""
    part = path.with_suffix(".part")
    torch.save({"config": asdict(student.config), "state": student.state_dict(), **more}, part)
    part.replace(path)


class CheckpointError(ValueError):
    """A file that is no checkpoint of a student, or one that does not go with the others."""


def load_checkpoint(path: str | Path) -> Student:
    """A student from `save_checkpoint`'s file. Raises `CheckpointError` where the file is something else."""
    try:
        data = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(data, dict) or not {"config", "state"} <= data.keys():
            raise ValueError("expected keys config and state")
        student = Student(StudentConfig(**data["config"]))
        student.load_state_dict(data["state"])
    except OSError:
        raise
    except Exception as error:  # torch's errors for a broken file have no common base
        text = str(error).strip().splitlines() or [type(error).__name__]
        raise CheckpointError(f"{path} is not a checkpoint of a student: {text[0]}") from None
    return student.eval()


def load_mean(paths: Sequence[str | Path]) -> Student:
    """The mean of the weights of checkpoints, in float32: a uniform model soup (Wortsman et al., ICML 2022,
    arXiv 2203.05482). Worth it for runs that went on from the same weights.

    Raises ValueError for none, `CheckpointError` for students of different shapes.
    """
    if not paths:
        raise ValueError("the mean of no checkpoint; expected at least one")
    students = [load_checkpoint(path) for path in paths]
    for path, other in zip(paths, students, strict=True):
        if other.config != students[0].config:
            raise CheckpointError(
                f"{path} has {other.config}, {paths[0]} has {students[0].config}: only students of one shape "
                "have a mean"
            )
    states = [student.state_dict() for student in students]
    mean = {name: torch.stack([s[name].float() for s in states]).mean(0) for name in states[0]}
    students[0].load_state_dict(mean)
    return students[0]
