"""`leaf-edge bundle`: look into bundles, verify, sign, pack and compare them; make keys."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaf_edge.cli.exit_codes import ExitCode, OutputError, UsageError, epilog
from leaf_edge.cli.key_option import add_key_argument, public_keys

if TYPE_CHECKING:
    from leaf_edge.bundle import Bundle

_EXAMPLES = """\
  leaf-edge bundle inspect leaf-s                        what is in it, in tables
  leaf-edge bundle verify door.leaf --key maker.pub.pem --self-test
  leaf-edge bundle keygen maker.pem                      maker.pem and maker.pub.pem
  leaf-edge bundle sign door.leaf --private-key maker.pem
  leaf-edge bundle pack door.leaf door.tar               and back: pack door.tar door.leaf
  leaf-edge bundle diff door-1.leaf door-2.leaf --json"""

_CODES = (
    ExitCode.OK,
    ExitCode.USAGE,
    ExitCode.INPUT,
    ExitCode.BUNDLE,
    ExitCode.REFUSED,
    ExitCode.OUTPUT,
)


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Options of the verb."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "bundle",
        help="inspect, verify, sign, pack and compare bundles",
        description="A BUNDLE is leaf-s, leaf-m, or the path of a NAME.leaf folder or its tar. Manifest,\n"
        "sizes and hashes are verified before anything else. Refusals have codes: docs/bundle.md.",
        epilog=epilog(_EXAMPLES, _CODES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, title="actions")

    inspect = _action(actions, "inspect", "what a bundle is, in tables")
    inspect.add_argument("bundle", metavar="BUNDLE")
    add_key_argument(inspect)
    inspect.add_argument("--json", action="store_true", help="one JSON object instead of the tables")

    verify = _action(actions, "verify", "check hashes, signature and golden frames")
    verify.add_argument("bundle", metavar="BUNDLE")
    add_key_argument(verify)
    signed = verify.add_mutually_exclusive_group()
    signed.add_argument(
        "--require-signature",
        action="store_true",
        help="refuse a bundle whose signature was not verified: --key must be given, and implies this",
    )
    signed.add_argument(
        "--allow-unsigned",
        action="store_true",
        help="with --key: accept a bundle without a signature; one that is there must hold all the same",
    )
    verify.add_argument(
        "--self-test", action="store_true", help="score the golden frames with every encoding, on the CPU"
    )
    verify.add_argument("--json", action="store_true", help="one JSON object instead of a line")

    sign = _action(actions, "sign", "sign a bundle with a private key")
    sign.add_argument("bundle", metavar="BUNDLE")
    sign.add_argument("--private-key", type=Path, required=True, metavar="FILE", help="PEM, from keygen")
    sign.add_argument(
        "--passphrase-env", metavar="NAME", help="environment variable with the key's passphrase"
    )
    sign.add_argument("--output", type=Path, metavar="PATH", help="NAME.leaf or NAME.tar (default: in place)")
    sign.add_argument("--overwrite", action="store_true", help="replace --output if it is there")

    keygen = _action(actions, "keygen", "make an Ed25519 key pair")
    keygen.add_argument("private", type=Path, metavar="PRIVATE", help="file for the private key, mode 0600")
    keygen.add_argument(
        "--public", type=Path, metavar="FILE", help="for the public key (default: PRIVATE as .pub.pem)"
    )
    secret = keygen.add_mutually_exclusive_group()
    secret.add_argument(
        "--passphrase-env", metavar="NAME", help="encrypt with the passphrase in this variable"
    )
    secret.add_argument(
        "--passphrase", action="store_true", help="encrypt with a passphrase that is asked for"
    )

    pack = _action(actions, "pack", "a folder to a tar, or a tar to a folder")
    pack.add_argument("source", metavar="SOURCE", help="a BUNDLE")
    pack.add_argument("output", type=Path, metavar="OUTPUT", help="NAME.tar or NAME.leaf")
    pack.add_argument("--overwrite", action="store_true", help="replace OUTPUT if it is there")

    diff = _action(actions, "diff", "fields, curves and files in which two bundles differ")
    diff.add_argument("left", metavar="LEFT")
    diff.add_argument("right", metavar="RIGHT")
    diff.add_argument("--json", action="store_true", help="one JSON object instead of the tables")
    return parser


def _action(actions: Any, name: str, summary: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=epilog("\n".join(line for line in _EXAMPLES.splitlines() if f" {name} " in line), _CODES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Does what was asked; REFUSED where two bundles differ, BUNDLE where one is refused."""
    return int(_ACTIONS[args.action](args))


def _inspect(args: argparse.Namespace) -> int:
    from leaf_edge.bundle import load_bundle, locate
    from leaf_edge.bundle.facts import facts
    from leaf_edge.cli.bundle_table import print_facts

    found = facts(load_bundle(locate(args.bundle), key=public_keys(args.key)))
    if args.json:
        print(json.dumps(found, indent=2))
    else:
        print_facts(found)
    return ExitCode.OK


def _verify(args: argparse.Namespace) -> int:
    from leaf_edge.bundle import BundleError, load_bundle, locate
    from leaf_edge.bundle.facts import facts

    if args.key is None and (args.require_signature or args.allow_unsigned):
        option = "--require-signature" if args.require_signature else "--allow-unsigned"
        raise UsageError(f"{option} needs the public key that the signature must be of: --key FILE")
    keys = public_keys(args.key)
    required = False if args.allow_unsigned else None
    try:
        bundle = load_bundle(locate(args.bundle), key=keys, require_signature=required)
        if args.self_test:
            _self_test(bundle)
    except BundleError as error:
        if not args.json:
            raise
        refusal = {"code": error.code.value, "message": error.message, "remedy": error.remedy}
        print(json.dumps({"ok": False, **refusal}, indent=2))
        return ExitCode.BUNDLE
    found = facts(bundle)
    tested = sorted(bundle.manifest.encodings) if args.self_test else []
    if args.json:
        report = {key: found[key] for key in ("path", "name", "version", "signature", "acceptance")}
        print(json.dumps({"ok": True, **report, "self_test": tested}, indent=2))
    else:
        from leaf_edge.cli.bundle_table import print_verified

        print_verified(found, tested)
    return ExitCode.OK


def _self_test(bundle: Bundle) -> None:
    from leaf_edge.runtime.scorer import from_bundle, run_self_test

    for encoding in bundle.manifest.encodings:
        run_self_test(from_bundle(bundle, encoding=encoding), bundle, encoding)


def _sign(args: argparse.Namespace) -> int:
    from leaf_edge.bundle import SHIPPED, load_bundle, locate
    from leaf_edge.bundle.keys import KeyFileError, is_encrypted, read_private_key
    from leaf_edge.bundle.sign import signed
    from leaf_edge.bundle.write import save, store

    if args.output is None and args.bundle in SHIPPED:
        raise UsageError(f"{args.bundle} is part of the installation; name a copy of it with --output")
    bundle = load_bundle(locate(args.bundle))
    try:
        passphrase = _passphrase(args.passphrase_env)
        if passphrase is None and is_encrypted(args.private_key.read_bytes()):
            passphrase = _ask(f"passphrase of {args.private_key}: ")
        key = read_private_key(args.private_key, passphrase)
    except KeyFileError as error:
        raise UsageError(f"--private-key: {error}") from None
    new = signed(bundle, key)
    with _output():
        new = store(new) if args.output is None else save(new, args.output, overwrite=args.overwrite)
    print(f"{new.path}: signed with key {key.public.id}")
    acceptance = new.manifest.acceptance
    if acceptance is not None and acceptance.anyway:
        print(f"note: {new.name} did not pass its acceptance check and is marked so", file=sys.stderr)
    return ExitCode.OK


def _keygen(args: argparse.Namespace) -> int:
    from leaf_edge.bundle.keys import KeyFileError, write_key_pair

    public = args.public or args.private.with_suffix(".pub.pem")
    passphrase = _passphrase(args.passphrase_env)
    if args.passphrase:
        passphrase = _ask("passphrase: ")
        if _ask("once more: ") != passphrase:
            raise UsageError("the two passphrases differ")
    try:
        with _output():
            key = write_key_pair(args.private, public, passphrase)
    except KeyFileError as error:
        raise UsageError(str(error)) from None
    kept = "encrypted" if passphrase is not None else "not encrypted: keep it where only you can read it"
    print(f"key {key.id}\n  private  {args.private} ({kept})\n  public   {public}")
    return ExitCode.OK


def _passphrase(variable: str | None) -> bytes | None:
    """What the environment variable holds; None where none was named."""
    if variable is None:
        return None
    value = os.environ.get(variable)
    if not value:
        raise UsageError(f"--passphrase-env: the environment variable {variable} is empty or not set")
    return os.fsencode(value)


def _ask(prompt: str) -> bytes:
    if not sys.stdin.isatty():
        raise UsageError(
            "a passphrase is needed, and there is no terminal to ask at; use --passphrase-env NAME"
        )
    return os.fsencode(getpass.getpass(prompt))


def _pack(args: argparse.Namespace) -> int:
    from leaf_edge.bundle import load_bundle, locate
    from leaf_edge.bundle.write import save

    bundle = load_bundle(locate(args.source))
    wanted = ".leaf" if bundle.path.is_file() else ".tar"
    if args.output.suffix != wanted:
        made = "folder NAME.leaf" if wanted == ".leaf" else "file NAME.tar"
        raise UsageError(f"OUTPUT is {args.output}; {args.source} is packed to a {made}")
    with _output():
        save(bundle, args.output, overwrite=args.overwrite)
    print(f"{args.output}: {bundle.name} {bundle.manifest.version}")
    return ExitCode.OK


def _diff(args: argparse.Namespace) -> int:
    from leaf_edge.bundle import load_bundle, locate
    from leaf_edge.bundle.diff import diff
    from leaf_edge.cli.bundle_table import print_difference

    found = diff(load_bundle(locate(args.left)), load_bundle(locate(args.right)))
    if args.json:
        print(json.dumps(found.to_json(), indent=2))
    else:
        print_difference(found)
    return ExitCode.REFUSED if found else ExitCode.OK


@contextmanager
def _output() -> Iterator[None]:
    """What cannot be written is the output's fault."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{error.filename}: {error.strerror}") from None


_ACTIONS = {
    "inspect": _inspect,
    "verify": _verify,
    "sign": _sign,
    "keygen": _keygen,
    "pack": _pack,
    "diff": _diff,
}
