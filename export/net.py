"""A student as a plain list of layers: what the ONNX writers, the observer and the simulation share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from leaf_edge.contract import OUTPUT_NAMES
from leaf_edge.student.network import Conv, Student

Array = NDArray[np.float32]
Kind = Literal["conv", "add", "pool", "joint", "head"]

SOURCE = "input"
"""Name of the tensor that every graph starts from: the normalised views, [2 N, 3, 224, 224]."""
SOURCE_SCALE, SOURCE_OFFSET = 127.5, 128
"""Views are (code - SOURCE_OFFSET) / SOURCE_SCALE: uint8 with scale 1/127.5 and zero point 128 exactly."""
RELU6 = 6.0


@dataclass(frozen=True)
class Layer:
    """One operation; its output tensor has its name.

    kind: `conv`, `add` (of two inputs), `pool` (mean over the plane), `joint` (views of a frame put
        side by side, then a linear layer), `head` (linear layer to outputs).
    weight: [out, in / groups, k, k] for conv, [out, in] for joint and head. bias: [out].
    pads: top, left, bottom, right. relu6: whether the output is clipped to 0..6.
    """

    name: str
    kind: Kind
    inputs: tuple[str, ...]
    weight: Array | None = None
    bias: Array | None = None
    stride: int = 1
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1
    relu6: bool = False

    @property
    def parameters(self) -> tuple[Array, Array]:
        """(weight, bias). Raises ValueError for a layer without."""
        if self.weight is None or self.bias is None:
            raise ValueError(f"layer {self.name} ({self.kind}) has no weights")
        return self.weight, self.bias


@dataclass(frozen=True)
class Net:
    """Layers in the order of execution. `spread` is softplus(head) + `spread_floor`."""

    layers: tuple[Layer, ...]
    spread_floor: float
    _consumers: dict[str, tuple[Layer, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        consumers: dict[str, tuple[Layer, ...]] = {SOURCE: ()}
        for layer in self.layers:
            for name in layer.inputs:
                if name not in consumers:
                    raise ValueError(f"layer {layer.name} reads {name}, which no earlier layer gives")
                consumers[name] += (layer,)
            consumers[layer.name] = ()
        object.__setattr__(self, "_consumers", consumers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __getitem__(self, name: str) -> Layer:
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(f"no layer {name!r}; layers are {', '.join(x.name for x in self.layers)}")

    def consumers(self, tensor: str) -> tuple[Layer, ...]:
        """Layers that read `tensor`."""
        return self._consumers[tensor]

    def quantizable(self) -> tuple[str, ...]:
        """Names of the layers that can run in INT8: all but the heads.

        The heads are a few thousand multiply-adds and their outputs are the scores: INT8 there
        would save nothing and cost the most.
        """
        return tuple(layer.name for layer in self.layers if layer.kind != "head")

    def with_parameters(self, changes: dict[str, tuple[Array, Array]]) -> Net:
        """A copy with other (weight, bias) in the named layers."""
        for name in changes:
            self[name]  # an unknown name is an error
        return replace(
            self,
            layers=tuple(
                replace(x, weight=_array(changes[x.name][0]), bias=_array(changes[x.name][1]))
                if x.name in changes
                else x
                for x in self.layers
            ),
        )


def _array(values: object) -> Array:
    return np.ascontiguousarray(values, dtype=np.float32)


def _conv(name: str, source: str, module: Conv) -> Layer:
    conv = module.conv
    # the explicit padding of TensorFlow's SAME, at the end only, becomes the convolution's own
    before, after = (int(conv.padding[0]),) * 2 if module.pad is None else (module.pad, module.pad + 1)
    pads = (before, before, after, after)
    if conv.bias is None:
        raise ValueError(f"{name}: expected a convolution with a bias")
    return Layer(
        name,
        "conv",
        (source,),
        _array(conv.weight.detach().cpu()),
        _array(conv.bias.detach().cpu()),
        stride=int(conv.stride[0]),
        pads=pads,
        groups=int(conv.groups),
        relu6=not module.linear,
    )


def from_student(student: Student) -> Net:
    """The layers of `student`; weights are copied. `to_onnx` verifies that they compute the same."""
    layers = [_conv("stem", SOURCE, student.stem)]
    for number, block in enumerate(student.blocks):
        base, source = f"blocks.{number}", layers[-1].name
        entry = source
        for part in ("expand", "dw", "project"):
            module = getattr(block, part)
            if module is not None:
                layers.append(_conv(f"{base}.{part}", source, module))
                source = layers[-1].name
        if block.residual:
            layers.append(Layer(f"{base}.add", "add", (entry, source)))
    layers.append(_conv("head", layers[-1].name, student.head))
    layers.append(Layer("pool", "pool", ("head",)))

    weight = _array(student.joint.weight.detach().cpu()).copy()
    half = student.config.head
    if student.config.views == "global":
        weight[:, half:] = 0  # an unused view is a view without weight
    elif student.config.views == "fragments":
        weight[:, :half] = 0
    layers.append(
        Layer("joint", "joint", ("pool",), weight, _array(student.joint.bias.detach().cpu()), relu6=True)
    )
    for name in OUTPUT_NAMES:
        linear = getattr(student, name)
        layers.append(
            Layer(
                name,
                "head",
                ("joint",),
                _array(linear.weight.detach().cpu()),
                _array(linear.bias.detach().cpu()),
            )
        )
    return Net(tuple(layers), spread_floor=1e-3)
