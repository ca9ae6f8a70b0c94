"""`leaf-edge build-engine`: a TensorRT engine for this machine, built from a bundle and put into it.

The network is the bundle's Q/DQ graph; INT8 layers stay INT8, what joins them is float16. An engine runs on
the TensorRT version, the compute capability and the operating system that it was built on, unless a
compatibility is asked for, which costs speed. docs/engines.md has the same build with trtexec.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaf_edge.cli.build_engine_options import add_build, add_trtexec, add_where, engine_options
from leaf_edge.cli.exit_codes import ExitCode, OutputError, UsageError, epilog
from leaf_edge.cli.key_option import add_key_argument, public_keys

if TYPE_CHECKING:
    from leaf_edge.bundle.load import Bundle
    from leaf_edge.export.engine_build import Built
    from leaf_edge.export.engine_options import EngineOptions

_EXAMPLES = """\
  leaf-edge build-engine camera.leaf                            for this machine, one frame at a time
  leaf-edge build-engine camera.leaf --batch 1-4                one call scores up to four cameras
  leaf-edge build-engine leaf-s --output leaf-s.leaf            a shipped model, into a bundle of your own
  leaf-edge build-engine camera.leaf --timing-cache trt.cache   the next build is faster
  leaf-edge build-engine camera.leaf --onnx camera.onnx         only the network, for trtexec
  leaf-edge build-engine camera.leaf --add camera.plan --tensorrt 10.3.0 --sm sm87 --os linux-aarch64"""
_CODES = (
    *(ExitCode.OK, ExitCode.INTERNAL, ExitCode.USAGE, ExitCode.INPUT, ExitCode.BUNDLE, ExitCode.EXTRA),
    *(ExitCode.REFUSED, ExitCode.OUTPUT, ExitCode.DEVICE, ExitCode.INTERRUPTED),
)


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Options of `leaf-edge build-engine`."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "build-engine",
        help="build a TensorRT engine for this machine and put it into a bundle",
        description=__doc__,
        epilog=epilog(_EXAMPLES, _CODES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "bundle", help="path of a bundle, which gets the engine; or leaf-s, leaf-m (--output)"
    )
    parser.add_argument("--output", type=Path, metavar="NAME.leaf", help="write a new bundle instead")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing --output")
    add_key_argument(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    add_build(parser.add_argument_group("the engine"))
    add_where(parser.add_argument_group("where it runs, beside this machine; each costs speed"))
    add_trtexec(parser.add_argument_group("with trtexec"))
    return parser


def run(args: argparse.Namespace) -> int:
    """Builds or adds, and says what the bundle has now."""
    options = engine_options(args)
    bundle = _load(args)
    from leaf_edge.export.engine_build import build, network
    from leaf_edge.export.engine_half import HalfError
    from leaf_edge.export.engine_options import BuildError, DeviceError

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    try:
        if args.onnx:
            _write(args.onnx, network(bundle, options, say))
            return ExitCode.OK
        if args.add:
            built = _added(args, options)
        else:
            with _Progress() as progress:
                built = build(bundle, options, cache=args.timing_cache, say=say, progress=progress)
    except DeviceError as error:
        print(f"leaf-edge: {error}", file=sys.stderr)
        return ExitCode.DEVICE
    except (BuildError, HalfError) as error:
        print(f"refused: {error}", file=sys.stderr)
        return ExitCode.REFUSED
    _store(args, bundle, built)
    return ExitCode.OK


def _load(args: argparse.Namespace) -> Bundle:
    from leaf_edge.bundle import SHIPPED, load_bundle, locate

    for option, path in (
        ("--onnx", args.onnx),
        ("--output", args.output),
        ("--timing-cache", args.timing_cache),
    ):
        if path is not None and not path.parent.is_dir():
            raise OutputError(f"{option} {path}: there is no folder {path.parent}; make it first")
    if args.bundle in SHIPPED and args.output is None and args.onnx is None:
        raise UsageError(f"{args.bundle} is part of the installation; give --output {args.bundle}.leaf")
    if args.output is not None and args.output.exists() and not args.overwrite:
        raise OutputError(f"{args.output} is there already; --overwrite replaces it")
    bundle = load_bundle(locate(args.bundle), key=public_keys(args.key))
    bundle.encoding("trt")
    return bundle


def _added(args: argparse.Namespace, options: EngineOptions) -> Built:
    """The engine of --add, under the key that the options state."""
    from leaf_edge.bundle.manifest import MAX_FILE_BYTES
    from leaf_edge.export.engine_build import Built, log_bytes
    from leaf_edge.export.engine_key import EngineKey

    if not (args.tensorrt and args.sm and args.os):
        raise UsageError("--add needs --tensorrt, --sm and --os: they decide where the engine is loaded")
    try:
        entry = EngineKey(args.tensorrt, args.sm, args.os).entry(options)
    except ValueError as error:
        raise UsageError(f"--add: {error}") from None
    for path in filter(None, (args.add, args.log)):
        if not 0 < path.stat().st_size <= MAX_FILE_BYTES:
            raise UsageError(f"{path}: expected 1 to {MAX_FILE_BYTES} bytes; found {path.stat().st_size}")
    text = args.log.read_text(errors="replace") if args.log else "built elsewhere; no log was given"
    return Built(entry, args.add.read_bytes(), log_bytes(tuple(text.splitlines())), 0.0)


def _store(args: argparse.Namespace, bundle: Bundle, built: Built) -> None:
    from leaf_edge.bundle.engines import with_engine
    from leaf_edge.bundle.write import write_text
    from leaf_edge.export.engine_build import add

    if args.output is None:
        bundle = add(bundle, built)
    else:
        new = with_engine(bundle, built.entry, built.plan, built.log)
        bundle = write_text(args.output, new.text, new.contents, overwrite=args.overwrite)
    entry = built.entry
    if args.json:
        facts = {
            "bundle": str(bundle.path),
            "file": entry.file,
            "log": entry.log,
            "tensorrt": entry.tensorrt,
            "sm": entry.sm,
            "os": entry.os,
            "flags": list(entry.flags),
            "bytes": len(built.plan),
            "sha256": bundle.manifest.files[entry.file].sha256,
            "seconds": round(built.seconds, 3),
        }
        print(json.dumps(facts, indent=2))
        return
    print(f"{bundle.path}: {entry.file}, {len(built.plan)} bytes ({' '.join(entry.flags)})")
    print("the bundle is not signed now; sign it: leaf-edge bundle sign", file=sys.stderr)


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


class _Progress:
    """The builder's outermost phase as a bar on stderr, where that is a terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        self._bar = Progress(console=console, disable=not console.is_terminal, transient=True)
        self._task = self._bar.add_task("TensorRT", total=None)

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._bar.stop()

    def __call__(self, phase: str, done: int, steps: int) -> None:
        """See `engine_build.Progress`."""
        self._bar.update(self._task, description=phase[:40], completed=done, total=steps or None)
