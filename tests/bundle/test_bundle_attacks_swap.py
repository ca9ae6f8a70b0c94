"""Files that are more than they seem, or change between check and use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from helpers_attacks import (
    PUBLIC,
    Attack,
    fifo,
    replace_by_link,
    snapshot,
)

import leaf_edge.bundle.load as loading
from leaf_edge.bundle import BundleCode as Code
from leaf_edge.bundle import BundleError, load_bundle


def test_a_hard_link_is_read_as_the_file_it_is_and_never_written_through(
    target: Path, outside: Path, tmp_path: Path
) -> None:
    """Package managers link files so; what counts is the hash, and that a new bundle has files of its own."""
    (outside / "card.md").write_bytes((target / "card.md").read_bytes())
    (target / "card.md").unlink()
    os.link(outside / "card.md", target / "card.md")
    before = snapshot(outside)
    bundle = load_bundle(target, key=PUBLIC)
    from fixtures.make import KEY

    from leaf_edge.bundle.sign import signed
    from leaf_edge.bundle.write import store

    store(signed(bundle, KEY))
    assert snapshot(outside) == before
    assert (target / "card.md").stat().st_nlink == 1
    (target / "card.md").unlink()
    os.link(outside / "secret", target / "card.md")
    with pytest.raises(BundleError) as caught:
        load_bundle(target)
    assert caught.value.code is Code.SIZE


def test_files_that_change_after_loading_do_not_change_the_bundle(target: Path) -> None:
    bundle = load_bundle(target)
    wanted = {name: (target / name).read_bytes() for name in bundle.contents}
    for name in wanted:
        (target / name).write_bytes(b"changed")
    assert dict(bundle.contents) == wanted


@pytest.mark.parametrize(
    ("swap", "code"),
    [
        (replace_by_link("card.md", "OUTSIDE/card.md"), Code.PATH),
        (replace_by_link("golden", "OUTSIDE/golden"), Code.PATH),
        (fifo("card.md"), Code.PATH),
        (lambda f, o: (f / "card.md").write_bytes(b"# mine\n"), Code.HASH),
        (lambda f, o: (f / "card.md").write_bytes(b"# mine and longer\n"), Code.SIZE),
        (lambda f, o: (f / "card.md").unlink(), Code.FILES),
    ],
)
def test_files_that_are_swapped_between_check_and_use_are_refused(
    target: Path, outside: Path, monkeypatch: pytest.MonkeyPatch, swap: Attack, code: Code
) -> None:
    walk = loading._walk

    def then_swap(*args: Any) -> set[str]:
        found = walk(*args)
        swap(target, outside)
        return found

    monkeypatch.setattr(loading, "_walk", then_swap)
    before = snapshot(outside)
    with pytest.raises(BundleError) as caught:
        load_bundle(target)
    assert caught.value.code is code
    assert snapshot(outside) == before
