"""What an INT8 encoding is: number ranges, which tensors carry Q/DQ, scales from ranges (contract 3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leaf_edge.export.net import RELU6, SOURCE, SOURCE_OFFSET, SOURCE_SCALE, Array, Layer, Net

WEIGHT_MAX = 127
"""Weights are symmetric S8, -127..127, one scale for each output channel."""
_BIAS_MAX = 2.0**30
_TINY = 1e-8


@dataclass(frozen=True)
class Encoding:
    """Numbers of the activations. `name` is the encoding's key in a bundle's manifest."""

    name: str
    quantisation: str
    dtype: type[np.uint8] | type[np.int8]
    symmetric: bool
    fuse_add: bool
    """Whether the engine adds a residual in the convolution that gives it, in float: then that
    convolution's output is not quantised on its own."""
    integer_bias: bool
    """Biases as int32 with scale input x weight (ONNX Runtime), or float (TensorRT takes no int32)."""

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest code."""
        info = np.iinfo(self.dtype)
        return int(info.min), int(info.max)

    def parameters(self, lo: float, hi: float) -> Quantizer:
        """Scale and zero point that cover lo..hi; zero is always exact.

        Raises ValueError for a range that is not finite or is empty.
        """
        lo, hi = min(lo, 0.0), max(hi, 0.0)
        if not (np.isfinite(lo) and np.isfinite(hi)):
            raise ValueError(f"activation range {lo}..{hi} is not finite; the student's weights are broken")
        if self.symmetric:
            return Quantizer(_scale(max(-lo, hi) / self.limits[1]), 0, self.dtype)
        first, last = self.limits
        scale = _scale((hi - lo) / (last - first))
        return Quantizer(scale, int(np.clip(first + round(-lo / float(scale)), first, last)), self.dtype)


def _scale(value: float) -> np.float32:
    return np.float32(max(value, _TINY))


@dataclass(frozen=True)
class Quantizer:
    """real = (code - zero_point) * scale, codes of `dtype`."""

    scale: np.float32
    zero_point: int
    dtype: type[np.uint8] | type[np.int8]

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest code."""
        info = np.iinfo(self.dtype)
        return int(info.min), int(info.max)

    @property
    def covers(self) -> tuple[float, float]:
        """Real values of the smallest and largest code."""
        first, last = self.limits
        return (first - self.zero_point) * float(self.scale), (last - self.zero_point) * float(self.scale)


CPU = Encoding("cpu", "u8s8", np.uint8, symmetric=False, fuse_add=False, integer_bias=True)
"""Asymmetric U8 activations: ReLU6 is the range itself, and x86 multiplies U8 by S8."""
TRT = Encoding("trt", "s8s8", np.int8, symmetric=True, fuse_add=True, integer_bias=False)
"""Symmetric S8 activations, zero point 0: all that TensorRT takes."""
ENCODINGS = {e.name: e for e in (CPU, TRT)}


@dataclass(frozen=True)
class Plan:
    """How `net` is quantised: a `Quantizer` for each quantised tensor; the layers named in
    `keep_float` compute in float32."""

    encoding: Encoding
    tensors: Mapping[str, Quantizer]
    keep_float: frozenset[str]

    def in_int8(self, layer: Layer) -> bool:
        """Whether `layer` computes in INT8."""
        return layer.kind != "head" and layer.name not in self.keep_float


def check_layers(net: Net, names: Iterable[str]) -> frozenset[str]:
    """`names`, if all are layers of `net` that can run in INT8; ValueError where one is not."""
    unknown = frozenset(names) - set(net.quantizable())
    if unknown:
        raise ValueError(
            f"keep_float names {', '.join(sorted(unknown))}; no such INT8 layer in this student "
            f"(layers: {', '.join(net.quantizable())})"
        )
    return frozenset(names)


def make_plan(
    net: Net,
    encoding: Encoding,
    ranges: Mapping[str, tuple[float, float]],
    keep_float: Iterable[str] = (),
) -> Plan:
    """The plan for `net` with activation `ranges` (lo, hi) by tensor name.

    A tensor is quantised where an INT8 layer reads it, so that a layer in `keep_float` reads and
    writes float wherever its neighbours allow. Raises ValueError for an unknown name.
    """
    keep = check_layers(net, keep_float)
    tensors: dict[str, Quantizer] = {}
    for name in (SOURCE, *(layer.name for layer in net)):
        if not any(_reads_int8(encoding, net, name, reader, keep) for reader in net.consumers(name)):
            continue
        if name == SOURCE:
            # exact by construction: the code minus its offset, over the same scale
            zero = 0 if encoding.symmetric else SOURCE_OFFSET
            tensors[name] = Quantizer(np.float32(1 / SOURCE_SCALE), zero, encoding.dtype)
            continue
        lo, hi = ranges[name]
        if net[name].relu6:
            lo, hi = 0.0, min(hi, RELU6)
        tensors[name] = encoding.parameters(lo, hi)
    return Plan(encoding, tensors, keep)


def _reads_int8(encoding: Encoding, net: Net, tensor: str, reader: Layer, keep: frozenset[str]) -> bool:
    if reader.kind == "head" or reader.name in keep:
        return False
    fused = encoding.fuse_add and reader.kind == "add" and tensor == reader.inputs[-1]
    return not (fused and len(net.consumers(tensor)) == 1)


def weight_scales(weight: Array, bias: Array, input_scale: float) -> NDArray[np.float32]:
    """Scale of each output channel's weights, [out].

    Widened where a channel's weights are so small that its int32 bias would overflow.
    """
    peak = np.abs(weight.reshape(len(weight), -1)).max(axis=1).astype(np.float64)
    scale = np.maximum(peak / WEIGHT_MAX, _TINY)
    scales: NDArray[np.float32] = np.maximum(scale, np.abs(bias) / (input_scale * _BIAS_MAX)).astype(
        np.float32
    )
    return scales


def quantize_weight(weight: Array, scales: NDArray[np.float32]) -> NDArray[np.int8]:
    """Codes of `weight` [out, ...], half to even."""
    shaped = scales.reshape(-1, *[1] * (weight.ndim - 1))
    codes: NDArray[np.int8] = np.clip(np.rint(weight / shaped), -WEIGHT_MAX, WEIGHT_MAX).astype(np.int8)
    return codes


def quantize_bias(bias: Array, scales: NDArray[np.float32], input_scale: np.float32) -> NDArray[np.int32]:
    """Codes of `bias` [out] in units of weight scale x input scale, where the sums are kept."""
    unit = scales.astype(np.float64) * float(input_scale)
    return np.rint(bias.astype(np.float64) / unit).astype(np.int32)
