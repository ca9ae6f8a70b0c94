"""The option that says who must have signed the bundle, the same for every verb that loads one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from leaf_edge.cli.exit_codes import UsageError

if TYPE_CHECKING:
    from leaf_edge.bundle.keys import PublicKey


def add_key_argument(parser: argparse._ActionsContainer) -> None:
    """Add --key to `parser`."""
    parser.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help="public key of the bundle's maker (PEM); a bundle that is not signed with it is refused",
    )


def public_keys(path: Path | None) -> Sequence[PublicKey] | None:
    """The keys in the file of --key; None where it was not given. Raises `UsageError`."""
    if path is None:
        return None
    from leaf_edge.bundle.keys import KeyFileError, read_public_keys

    try:
        return read_public_keys(path)
    except KeyFileError as error:
        raise UsageError(f"--key: {error}") from None
    except OSError as error:
        raise UsageError(f"--key {path}: {error.strerror}") from None
