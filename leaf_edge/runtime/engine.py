"""The student on ONNX Runtime: its CPU provider, or its CUDA provider where the caller asks for it."""

from __future__ import annotations

import os
from typing import Any, Literal, NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from leaf_edge.bundle.errors import BundleCode, BundleError
from leaf_edge.contract import FAULTS, INPUT_NAME, OUTPUT_NAMES
from leaf_edge.views.native import SHAPE

MAX_THREADS = 256

OUTPUT_SHAPES: dict[str, tuple[int, ...]] = {"mos": (), "spread": (), "faults": (len(FAULTS),)}
"""Of one frame; the batch comes before."""


class RawOutputs(NamedTuple):
    """What the network gives for N frames, float32: mos [N] (raw), spread [N], faults [N, 8]."""

    mos: NDArray[np.float32]
    spread: NDArray[np.float32]
    faults: NDArray[np.float32]


class TimedOutputs(NamedTuple):
    """Outputs of one frame from an engine that takes frames.

    views_ms: bringing the frame to where the device reads it. inference_ms: all the rest, the views on the
    device among it.
    """

    outputs: RawOutputs
    views_ms: float
    inference_ms: float


PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxEngine:
    """One ONNX Runtime session over a model in memory. Any thread may call it, several at once.

    model: bytes of the ONNX file. threads: CPU threads that one call uses, 1 to `MAX_THREADS`.
    provider: `cpu`, or `cuda`, which leaves to the CPU only operators that it lacks.
    Raises `BundleError` MODEL where the network cannot be loaded or is not a student
    (leaf_edge/contract.py), DEVICE_NO_PROVIDER where this ONNX Runtime has no such provider or the provider
    does not start; ValueError for `threads` out of range.
    """

    def __init__(self, model: bytes, threads: int = 1, provider: Literal["cpu", "cuda"] = "cpu") -> None:
        if not 1 <= threads <= MAX_THREADS:
            raise ValueError(f"threads must be 1 to {MAX_THREADS}; found {threads}")
        self.name: str = provider
        self.description = f"ONNX Runtime {onnxruntime.__version__}, {PROVIDERS[provider]}"
        self.threads = threads
        available = onnxruntime.get_available_providers()
        if PROVIDERS[provider] not in available:
            raise BundleError(
                BundleCode.DEVICE_NO_PROVIDER,
                f"ONNX Runtime {onnxruntime.__version__} has no {PROVIDERS[provider]}; "
                f"it has: {', '.join(available)}",
            )
        providers = [PROVIDERS[provider]] if provider == "cpu" else [PROVIDERS[provider], PROVIDERS["cpu"]]
        try:
            self._session: Any = onnxruntime.InferenceSession(model, _options(threads), providers=providers)
        except Exception as error:  # the binding raises types of its own, without a common base
            raise BundleError(
                BundleCode.MODEL, f"the network cannot be loaded ({_first_line(error)})"
            ) from None
        # A provider that fails to start is left out by ONNX Runtime, and the session runs on the next one.
        if self._session.get_providers()[0] != PROVIDERS[provider]:
            raise BundleError(
                BundleCode.DEVICE_NO_PROVIDER,
                f"{PROVIDERS[provider]} of ONNX Runtime {onnxruntime.__version__} does not start "
                "(its CUDA and cuDNN libraries must be installed)",
            )
        _check_contract(self._session)

    def __call__(self, views: NDArray[np.uint8]) -> RawOutputs:
        """Outputs for views uint8 [N, 2, 3, 224, 224].

        Raises ValueError for another shape or dtype, `BundleError` MODEL where the network fails or
        gives numbers that are not finite.
        """
        check_views(views)
        try:
            outputs = RawOutputs(*self._session.run(OUTPUT_NAMES, {INPUT_NAME: views}))
        except Exception as error:
            raise BundleError(BundleCode.MODEL, f"the network failed ({_first_line(error)})") from None
        check_outputs(outputs, len(views))
        return outputs


def check_views(views: NDArray[np.uint8]) -> None:
    """Raises ValueError unless `views` is uint8 [N, 2, 3, 224, 224]."""
    if views.dtype != np.uint8 or views.ndim != 5 or views.shape[1:] != SHAPE:
        raise ValueError(
            f"views must be uint8 [N, {', '.join(map(str, SHAPE))}]; found {views.dtype} {list(views.shape)}"
        )


def check_outputs(outputs: RawOutputs, count: int) -> None:
    """Raises `BundleError` MODEL unless the outputs are finite and of `count` frames."""
    for name, output in zip(OUTPUT_NAMES, outputs, strict=True):
        expected = (count, *OUTPUT_SHAPES[name])
        if output.shape != expected:
            raise BundleError(
                BundleCode.MODEL,
                f"output {name} of the network is {list(output.shape)}; expected {list(expected)}",
            )
        if not np.isfinite(output).all():
            raise BundleError(BundleCode.MODEL, f"output {name} of the network is not a finite number")


def _options(threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # More than one thread is asked for to get one frame's score sooner. Inside a call its threads spin
    # from operator to operator: a second thread that does not gains little. After the call they stop at
    # once; by default they spin on, which took 15 ms of processor time after every frame, 0.06 ms so.
    # leaf-m, ONNX Runtime 1.32, two x86-64 cores, back to back, least of 120 runs: one thread 13.5 ms; two
    # that stop so 7.3, that spin on 7.0, that never spin 8.0. One thread has nothing to spin.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    # Processors with AVX2 or AVX-512 but without VNNI add pairs of U8 x S8 products in 16 bits, which
    # saturates: a score was seen to move by 0.34 MOS. There, and only there, this takes U8 x U8 kernels,
    # which are exact (onnxruntime_session_options_config_keys.h).
    options.add_session_config_entry("session.x64quantprecision", "1")
    # Weights that point to a file outside of the model would be read from the working directory. They
    # are looked for here instead, where no file can be: only what the bundle's hashes cover is used.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    options.log_severity_level = 3  # errors come as exceptions; warnings are for developers
    return options


def _check_contract(session: Any) -> None:
    """Compare the network's inputs and outputs with the contract of the student."""
    expected_in = {INPUT_NAME: ("tensor(uint8)", SHAPE)}
    expected_out = {name: ("tensor(float)", OUTPUT_SHAPES[name]) for name in OUTPUT_NAMES}
    for what, expected, nodes in (
        ("inputs", expected_in, session.get_inputs()),
        ("outputs", expected_out, session.get_outputs()),
    ):
        found = {node.name: (node.type, node.shape) for node in nodes}
        if found.keys() != expected.keys():
            raise BundleError(
                BundleCode.MODEL, f"{what} of the network are {sorted(found)}; expected {sorted(expected)}"
            )
        for name, (dtype, shape) in expected.items():
            kind, dims = found[name]
            # ONNX Runtime gives a number for a fixed dimension, a name or None for a free one.
            free_batch = len(dims) == len(shape) + 1 and not isinstance(dims[0], int)
            if kind != dtype or not free_batch or tuple(dims[1:]) != shape:
                raise BundleError(
                    BundleCode.MODEL,
                    f"{name} of the network is {kind} {list(dims)}; expected {dtype} {['N', *shape]}",
                )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
