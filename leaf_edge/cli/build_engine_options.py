"""Options of `leaf-edge build-engine` that describe an engine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from leaf_edge.cli.exit_codes import UsageError

if TYPE_CHECKING:
    from leaf_edge.export.engine_options import EngineOptions


def add_build(group: argparse._ArgumentGroup) -> None:
    """How it is built."""
    group.add_argument(
        "--batch",
        default="1",
        metavar="N|LEAST-MOST|LEAST-USUAL-MOST",
        help="frames in one call, such as one of each camera: 1-4. Cost: device memory for the most; kernels "
        "are picked for the usual number, by default the most, and are slower than need be for others "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--float",
        choices=("fp16", "fp32"),
        default="fp16",
        help="type of what is not INT8; fp32 needs no package onnx here, and is slower. The scores "
        "themselves are fp32 in both (default: %(default)s)",
    )
    group.add_argument(
        "--workspace",
        type=int,
        default=256,
        metavar="MIB",
        help="most device memory that one kernel may use for itself; too little shuts fast ones out "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--effort",
        type=int,
        default=3,
        metavar="0..5",
        help="of the search for kernels: each step more may find faster ones, and takes more time to build "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--timing-cache",
        type=Path,
        metavar="FILE",
        help="timings of earlier builds, used and kept up to date. Cost: they are not measured again: keep "
        "one file for each device, power mode and TensorRT; another's is left aside",
    )
    group.add_argument("--verbose", action="store_true", help="all that TensorRT says into the log")


def add_where(group: argparse._ArgumentGroup) -> None:
    """Where it runs, and what that costs."""
    group.add_argument(
        "--ampere-plus",
        action="store_true",
        help="every device of compute capability 8.0 and later: slower, as kernels get at most 48 KiB of "
        "shared memory and some fusions are lost",
    )
    group.add_argument(
        "--version-compatible",
        action="store_true",
        help="later versions of TensorRT, 10 to 11 too: can be slower, and larger, as the engine carries a "
        "runtime. That is code: such an engine is loaded only from a bundle whose signature is verified",
    )
    group.add_argument(
        "--dla",
        type=int,
        metavar="CORE",
        help="the layers that a DLA core can run go to it, the others to the GPU: saves power and the GPU, "
        "slower by itself; one batch size only. A DLA of TensorRT 10 runs no Q/DQ layer",
    )


def add_trtexec(group: argparse._ArgumentGroup) -> None:
    """What trtexec needs from here, and gives."""
    group.add_argument(
        "--onnx", type=Path, metavar="FILE", help="write the network that trtexec builds from, and stop"
    )
    group.add_argument(
        "--add", type=Path, metavar="PLAN", help="put this engine into the bundle, which the options describe"
    )
    group.add_argument("--log", type=Path, metavar="FILE", help="of that build, put beside it")
    group.add_argument("--tensorrt", metavar="VERSION", help="that built it, such as 10.3.0")
    group.add_argument("--sm", help="compute capability that it was built on, such as sm87")
    group.add_argument("--os", help="system that it was built on, such as linux-aarch64")


def engine_options(args: argparse.Namespace) -> EngineOptions:
    """The options together; raises `UsageError` where they contradict each other."""
    from leaf_edge.export.engine_options import EngineOptions

    words = args.batch.split("-")
    if not 1 <= len(words) <= 3 or not all(word.isascii() and word.isdecimal() for word in words):
        raise UsageError(f"--batch: expected N, LEAST-MOST or LEAST-USUAL-MOST; found {args.batch!r}")
    numbers = [int(word) for word in words]
    if args.add and args.onnx:
        raise UsageError("--onnx writes a network and --add takes an engine; give one of them")
    if not args.add and (args.tensorrt or args.sm or args.os or args.log):
        raise UsageError("--tensorrt, --sm, --os and --log describe an engine that --add puts in")
    try:
        return EngineOptions(
            batch=(numbers[0], numbers[-2] if len(numbers) == 3 else numbers[-1], numbers[-1]),
            half=args.float == "fp16",
            workspace_mib=args.workspace,
            ampere_plus=args.ampere_plus,
            version_compatible=args.version_compatible,
            dla=args.dla,
            effort=args.effort,
            verbose=args.verbose,
        )
    except ValueError as error:
        raise UsageError(str(error)) from None
