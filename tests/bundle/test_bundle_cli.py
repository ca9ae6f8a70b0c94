"""`leaf-edge bundle` from the command line: what it prints, what it writes, how it exits."""

from __future__ import annotations

import getpass
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers_attacks import PUBLIC, SCHEMA1, SCHEMA2, edit, snapshot

from leaf_edge.bundle import load_bundle, write_bundle
from leaf_edge.bundle.curve import Curve
from leaf_edge.bundle.revise import recalibrated
from leaf_edge.cli.main import main


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs `leaf-edge bundle ...`; returns status, standard output, standard error."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words: object, verb: str = "bundle") -> tuple[int, str, str]:
        status = main([verb, *map(str, words)])
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return call


@pytest.fixture
def keys(run: Any, tmp_path: Path) -> tuple[Path, Path]:
    """A private and a public key, made by keygen."""
    status, out, _ = run("keygen", tmp_path / "maker.pem")
    assert status == 0 and "not encrypted" in out
    return tmp_path / "maker.pem", tmp_path / "maker.pub.pem"


def test_a_bundle_is_signed_verified_packed_and_unpacked(run: Any, keys: Any, tmp_path: Path) -> None:
    private, public = keys
    folder, tar, back = tmp_path / "a.leaf", tmp_path / "a.tar", tmp_path / "b.leaf"
    assert run("sign", SCHEMA1, "--private-key", private, "--output", folder)[0] == 0
    status, out, _ = run("verify", folder, "--key", public, "--require-signature", "--self-test")
    assert status == 0 and "verified, key" in out and "passed: cpu, trt" in out
    assert run("pack", folder, tar)[0] == 0
    assert run("pack", tar, back)[0] == 0
    assert snapshot(folder).keys() == {name.replace("b.leaf", "a.leaf") for name in snapshot(back)}
    status, out, _ = run("verify", back, "--key", public, "--json")
    report = json.loads(out)
    assert report["ok"] is True and report["signature"]["state"] == "verified"
    assert run("diff", folder, tar)[:2] == (0, "no difference\n")
    again = run("pack", tar, back)
    assert again[0] == 8 and "exists already" in again[2]
    assert run("pack", tar, back, "--overwrite")[0] == 0
    assert run("pack", folder, tmp_path / "c.leaf")[0] == 2


def test_signing_in_place_replaces_the_signature_and_tells_of_a_missed_acceptance(
    run: Any, keys: Any, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(SCHEMA2, tmp_path / "a.leaf"))
    status, _, err = run("sign", folder, "--private-key", keys[0])
    assert status == 0 and "did not pass its acceptance" in err
    assert run("verify", folder, "--key", keys[1])[0] == 0
    status, _, err = run("verify", folder, "--key", PUBLIC)
    assert status == 5 and "LEAF_E_SIGNATURE_KEY" in err
    assert run("sign", "leaf-s", "--private-key", keys[0])[0] == 2


def test_a_passphrase_comes_from_the_environment_or_the_terminal(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, folder = tmp_path / "k.pem", tmp_path / "a.leaf"
    assert run("keygen", private, "--passphrase-env", "LEAF_TEST_PASS")[0] == 2
    monkeypatch.setenv("LEAF_TEST_PASS", "correct horse")
    status, out, err = run("keygen", private, "--passphrase-env", "LEAF_TEST_PASS")
    assert status == 0 and "horse" not in out + err and b"ENCRYPTED" in private.read_bytes()
    sign = ("sign", SCHEMA1, "--private-key", private, "--output", folder)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    status, _, err = run(*sign)
    assert status == 2 and "--passphrase-env" in err
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(getpass, "getpass", lambda prompt: "wrong")
    status, _, err = run(*sign)
    assert status == 2 and "passphrase is wrong" in err and not folder.exists()
    monkeypatch.setattr(getpass, "getpass", lambda prompt: "correct horse")
    assert run(*sign)[0] == 0
    assert run("verify", folder, "--key", tmp_path / "k.pub.pem")[0] == 0
    answers = iter(["one", "two"])
    monkeypatch.setattr(getpass, "getpass", lambda prompt: next(answers))
    assert run("keygen", tmp_path / "n.pem", "--passphrase")[0] == 2
    assert not (tmp_path / "n.pem").exists()
    assert run("keygen", private)[0] == 8, "a key that is there is kept"


def test_inspect_shows_all_that_the_manifest_states(run: Any) -> None:
    status, out, _ = run("inspect", SCHEMA2, "--json")
    found = json.loads(out)
    assert status == 0 and found["schema"] == 2 and found["name"] == "tiny"
    assert found["encodings"]["cpu"]["curve"] == {"knots": 3, "raw": [0.0, 1.0], "mos": [1.0, 5.0]}
    assert found["engines"][0]["size"] == 440 and found["engines"][0]["sm"] == "sm87"
    assert found["acceptance"]["anyway"] is True
    assert found["signature"] == {"state": "unverified", "key_id": "1b4df2871cb48fb3"}
    assert found["size"] == sum(path.stat().st_size for path in SCHEMA2.rglob("*") if path.is_file())
    status, out, _ = run("inspect", SCHEMA2, "--key", PUBLIC)
    assert status == 0
    for text in ("verified, key 1b4d", "NOT accepted", "mos_max 0.31", "sm87", "Apache-2.0", "acr5", "u8s8"):
        assert text in out
    assert json.loads(run("inspect", SCHEMA1, "--json")[1])["signature"]["state"] == "none"


def test_diff_names_fields_files_and_curves_with_numbers(run: Any, tmp_path: Path) -> None:
    old = load_bundle(SCHEMA1)
    curve = Curve((0.0, 0.5, 1.0), (1.0, 3.4, 5.0))
    changed = {name: (curve, entry.interval) for name, entry in old.manifest.encodings.items()}
    new = recalibrated(old, changed, {}, name="tiny", version="2")
    write_bundle(tmp_path / "a.leaf", new.manifest, {**new.contents, "card.md": b"# other\n"})
    status, out, _ = run("diff", SCHEMA1, tmp_path / "a.leaf", "--json")
    found = json.loads(out)
    assert status == 7 and found["same"] is False
    assert {"schema", "version"} <= {change["field"] for change in found["fields"]}
    assert [change["name"] for change in found["files"]] == ["card.md"]
    cpu = found["curves"][0]
    assert cpu["encoding"] == "cpu" and cpu["at"] == 0.5 and cpu["largest"] == pytest.approx(0.4)
    middle = cpu["raw"].index(0.5)
    assert (cpu["left"][middle], cpu["right"][middle]) == (3.0, pytest.approx(3.4))
    status, out, _ = run("diff", SCHEMA1, tmp_path / "a.leaf")
    assert status == 7 and "+0.400" in out and "card.md" in out and "version" in out
    assert run("diff", SCHEMA1, SCHEMA1)[:2] == (0, "no difference\n")
    assert json.loads(run("diff", SCHEMA1, SCHEMA1, "--json")[1])["same"] is True


def test_verify_refuses_with_code_and_status(run: Any, keys: Any, tmp_path: Path) -> None:
    status, out, _ = run("verify", SCHEMA1, "--key", keys[1], "--json")
    assert status == 5 and json.loads(out)["code"] == "LEAF_E_SIGNATURE_MISSING"
    assert run("verify", SCHEMA1, "--key", keys[1], "--allow-unsigned")[0] == 0
    assert run("verify", SCHEMA2, "--key", keys[1], "--allow-unsigned")[0] == 5
    for option in ("--require-signature", "--allow-unsigned"):
        status, _, err = run("verify", SCHEMA2, option)
        assert status == 2 and "--key FILE" in err
    folder = Path(shutil.copytree(SCHEMA1, tmp_path / "a.leaf"))
    edit(folder, lambda m: m["golden"][0]["scores"]["trt"].update(mos=1.0))
    assert run("verify", folder)[0] == 0
    status, _, err = run("verify", folder, "--self-test")
    assert status == 5 and "LEAF_E_BUNDLE_SELF_TEST" in err


@pytest.mark.parametrize("verb", ["score", "gate", "bench"])
def test_the_verbs_that_score_take_the_key(run: Any, keys: Any, tmp_path: Path, verb: str) -> None:
    frames = tmp_path / "f.raw"
    frames.write_bytes(bytes(32 * 24 * 3) * 3)
    source = (frames, "--format", "rgb", "--size", "32x24", "--range", "full")
    more = ("--frames", 1, "--warmup", 1) if verb == "bench" else ()
    status, _, err = run(*source, "--model", SCHEMA2, "--key", keys[1], *more, verb=verb)
    assert status == 5 and "LEAF_E_SIGNATURE_KEY" in err
    assert run(*source, "--model", SCHEMA2, "--key", PUBLIC, *more, verb=verb)[0] == 0
    status, _, err = run(*source, "--model", SCHEMA2, "--key", keys[0], *more, verb=verb)
    assert status == 2 and "private key" in err
    status, _, err = run(*source, "--model", SCHEMA2, "--key", tmp_path / "none.pem", *more, verb=verb)
    assert status == 2 and "none.pem" in err
