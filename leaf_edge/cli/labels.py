"""`leaf-edge labels`: what a label store holds, and how it travels.

stats: counts, consistency, calibration of reliability, cycles, connectedness, speed. export, import: Parquet,
a file for each table, without loss. merge: several stores into one.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from leaf_edge.cli.exit_codes import ExitCode, epilog

_EXAMPLES = """\
  leaf-edge labels stats labels.sqlite
  leaf-edge labels stats labels.sqlite --mos rated.csv --json
  leaf-edge labels export labels.sqlite parquet/
  leaf-edge labels import parquet/ --store labels.sqlite
  leaf-edge labels merge all.sqlite node1.sqlite node2.sqlite"""


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Options of `leaf-edge labels` and its four actions."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "labels",
        help="look into, export, import and merge label stores",
        description=__doc__,
        epilog=epilog(_EXAMPLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, title="actions")
    stats = actions.add_parser("stats", help="counts, consistency, calibration of reliability, cycles, speed")
    stats.add_argument("store", type=Path, metavar="STORE")
    stats.add_argument(
        "--mos", type=Path, metavar="CSV", help="human MOS 1..5: columns file,mos or sha256,mos"
    )
    stats.add_argument("--seed", type=int, default=0, help="of the sample of triangles in a large store")
    export = actions.add_parser("export", help="every table as Parquet")
    export.add_argument("store", type=Path, metavar="STORE")
    export.add_argument("folder", type=Path, metavar="FOLDER", help="made where there is none")
    taken = actions.add_parser("import", help="tables as Parquet into a store, new or not")
    taken.add_argument("folder", type=Path, metavar="FOLDER")
    taken.add_argument("--store", type=Path, required=True)
    merge = actions.add_parser("merge", help="other stores into one, new or not")
    merge.add_argument("store", type=Path, metavar="INTO")
    merge.add_argument("others", type=Path, nargs="+", metavar="STORE")
    for action in (stats, export, taken, merge):
        action.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


def run(args: argparse.Namespace) -> int:
    """Does one of the four."""
    return {"stats": _stats, "export": _export, "import": _import, "merge": _merge}[args.action](args)


def _stats(args: argparse.Namespace) -> int:
    from leaf_edge.cli.labels_table import print_stats
    from leaf_edge.teacher.label_stats import store_stats
    from leaf_edge.teacher.reliability_bins import read_mos
    from leaf_edge.teacher.store import LabelStore, StoreError

    with LabelStore(args.store, create=False) as store:
        try:
            mos = None if args.mos is None else read_mos(args.mos, store)
        except ValueError as error:
            raise StoreError(str(error)) from None
        stats = store_stats(store, mos, args.seed)
    if args.json:
        _json(stats)
    else:
        print_stats(stats)
    return ExitCode.OK


def _export(args: argparse.Namespace) -> int:
    from leaf_edge.teacher.label_parquet import export_parquet
    from leaf_edge.teacher.store import LabelStore

    with LabelStore(args.store, create=False) as store:
        counts = export_parquet(store, args.folder)
    _say(args.json, f"{args.folder}:", counts)
    return ExitCode.OK


def _import(args: argparse.Namespace) -> int:
    from leaf_edge.teacher.label_parquet import import_parquet
    from leaf_edge.teacher.store import LabelStore

    with LabelStore(args.store) as store:
        counts = import_parquet(store, args.folder)
    _say(args.json, f"{args.store}: new from {args.folder}:", counts)
    return ExitCode.OK


def _merge(args: argparse.Namespace) -> int:
    from leaf_edge.teacher.schema import connect
    from leaf_edge.teacher.store import LabelStore

    for other in args.others:
        connect(other, create=False).close()  # before anything is taken from any
    new: dict[str, dict[str, int]] = {}
    with LabelStore(args.store) as store:
        for other in args.others:
            new[str(other)] = store.merge(other)
    if args.json:
        _json(new)
    else:
        for name, counts in new.items():
            _say(False, f"{args.store}: new from {name}:", counts)
    return ExitCode.OK


def _say(as_json: bool, where: str, counts: dict[str, int]) -> None:
    if as_json:
        _json(counts)
    else:
        print(where, ", ".join(f"{count} {table}" for table, count in counts.items()))


def _json(value: Any) -> None:
    json.dump(value, sys.stdout, indent=1)
    print()
