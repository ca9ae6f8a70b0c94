"""The options of `leaf-edge export`."""

from __future__ import annotations

import argparse
from pathlib import Path

from leaf_edge.cli.source_options import add_source_arguments

BUDGETS = {
    "srcc_loss": "loss of SRCC on the validation photographs",
    "mos_mean": "mean change in MOS",
    "mos_max": "largest change in MOS",
    "fault_mean": "mean change of the fault severities",
    "flips": "share of gate decisions that change",
    "pair_mean": "mean difference in MOS of the two encodings",
    "pair_max": "largest difference in MOS of the two encodings",
    "pair_flips": "share of gate decisions in which the two encodings differ",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All options; budgets default to those of `leaf_edge.export.Budgets`."""
    parser.add_argument("checkpoint", type=Path, help="best.pt of `leaf-edge train`")
    parser.add_argument(
        "--data",
        type=Path,
        help="rated photographs that the student was not trained on: BIQ2021 (mos.csv and images/), or any "
        "set that `leaf-edge evaluate` reads",
    )
    parser.add_argument("--output", type=Path, metavar="NAME.leaf", help="bundle to write")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing bundle")
    parser.add_argument("--onnx", type=Path, metavar="FILE", help="also write the float32 graph")
    parser.add_argument("--json", type=Path, metavar="FILE", help="report as JSON, of a refusal too")
    parser.add_argument("--version", default="1.0.0", help="of the bundle (default: %(default)s)")
    parser.add_argument(
        "--trained-on",
        action="append",
        metavar="TEXT",
        help="data set for the card, may be repeated (default: BIQ2021 and synthetic faults)",
    )
    parser.add_argument(
        "--licence",
        action="append",
        nargs=2,
        metavar=("WHAT", "LICENCE"),
        help="for the card, may be repeated (default: those of BIQ2021 and the ImageNet weights)",
    )
    parser.add_argument("--commit", default="", help="of the code that trained the student")
    _add_frames(parser)
    _add_acceptance(parser)
    _add_precision(parser)
    add_source_arguments(parser)


def _add_frames(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("calibration frames for INT8")
    group.add_argument(
        "--frames",
        nargs="+",
        metavar="SOURCE",
        help="your camera's frames, without labels: images, folders, clips (default: training photographs of "
        "--data)",
    )
    group.add_argument(
        "--calibration-frames",
        type=int,
        default=128,
        metavar="N",
        help="how many of them are drawn (default: %(default)s)",
    )
    group.add_argument(
        "--check-frames", action="store_true", help="only check them and print the report; nothing is written"
    )
    group.add_argument(
        "--min-coverage",
        type=float,
        metavar="SHARE",
        help="least share of validation frames with a calibration frame like them (default: 0.4)",
    )
    group.add_argument(
        "--validation-frames", type=int, metavar="N", help="at most N photographs for each of fit and check"
    )


def _add_acceptance(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "acceptance", "Each budget has a default, which the printed table states (docs/export.md)."
    )
    group.add_argument("--coverage", type=float, default=0.9, help="of the interval (default: %(default)s)")
    group.add_argument(
        "--threshold",
        type=float,
        help="gate threshold in MOS for flips (default: nine, 30th to 70th percentile of the scores)",
    )
    group.add_argument(
        "--accept-on",
        choices=("auto", "tensorrt", "onnxruntime"),
        default="auto",
        help="engine of the trt encoding; auto: TensorRT where driver, builder and pycuda are there (minutes "
        "for a build), else ONNX Runtime, which is said (default: %(default)s)",
    )
    for name, text in BUDGETS.items():
        group.add_argument(f"--max-{name.replace('_', '-')}", type=float, metavar="X", help=f"budget: {text}")
    group.add_argument(
        "--refused-to",
        type=Path,
        metavar="FOLDER",
        help="of a refusal: report.json, table.txt, and the worst frames as worst.png",
    )
    group.add_argument(
        "--accept-anyway",
        action="store_true",
        help="write the bundle although it is refused; it is marked as such for ever",
    )


def _add_precision(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is tried where a budget breaks")
    group.add_argument(
        "--qat",
        type=int,
        default=0,
        metavar="STEPS",
        help="quantisation-aware fine-tuning on the calibration frames (default: none)",
    )
    group.add_argument("--keep-float", action="append", default=[], metavar="LAYER", help="may be repeated")
    group.add_argument(
        "--most-float",
        type=int,
        default=4,
        help="layers that may stay in float by measured gain where a budget breaks (default: %(default)s)",
    )
    group.add_argument(
        "--sensitivity",
        type=Path,
        metavar="FILE.json",
        help="what each layer costs in INT8 and gains in float: a table, and all of them in the file",
    )
