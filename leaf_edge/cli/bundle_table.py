"""What `leaf-edge bundle` prints for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from leaf_edge.bundle.diff import Difference


def print_facts(found: Mapping[str, Any]) -> None:
    """The object of `bundle.facts` as tables."""
    console = Console(highlight=False)
    scale = found["scale"]
    rows = {
        "bundle": f"{found['name']} {found['version']}",
        "path": found["path"],
        "size": f"{_size(found['size'])} in {len(found['files'])} files and the manifest",
        "contracts": f"schema {found['schema']}, views {found['views_version']}, "
        f"MOS scale {scale['name']} version {scale['version']}",
        "signature": signature_text(found["signature"]),
        "acceptance": acceptance_text(found["acceptance"]),
        "golden frames": _golden(found),
        "trained at": f"commit {found['training']['commit'] or 'unknown'}",
    }
    table = Table.grid(padding=(0, 2))
    for name, text in rows.items():
        table.add_row(Text(name), Text(str(text)))
    for name, encoding in found["encodings"].items():
        table.add_row(Text(f"encoding {name}"), Text(_encoding(encoding)))
    for what in found["training"]["data"]:
        table.add_row(Text("data"), Text(what if isinstance(what, str) else json.dumps(what)))
    for licence in found["licences"]:
        table.add_row(Text("licence"), Text(f"{licence['what']}: {licence['licence']}"))
    console.print(table)
    if found["acceptance"] is not None:
        for line in found["acceptance"]["failures"]:
            console.print(Text(f"  did not hold: {line}"))
    console.print(_engines(found["engines"]) if found["engines"] else "no TensorRT engines")
    files = Table("file", "bytes", "SHA-256")
    for name, entry in sorted(found["files"].items()):
        files.add_row(name, f"{entry['size']:,}", entry["sha256"][:16])
    console.print(files)


def signature_text(signature: Mapping[str, Any]) -> str:
    """State of the signature in words."""
    return {
        "none": "not signed",
        "unverified": f"signed with key {signature['key_id']}, not verified: give --key",
        "verified": f"verified, key {signature['key_id']}",
    }[signature["state"]]


def acceptance_text(acceptance: Mapping[str, Any] | None) -> str:
    """What the acceptance check said, in words."""
    if acceptance is None:
        return "not stated"
    if acceptance["accepted"]:
        return "accepted"
    return f"NOT accepted, written anyway: {len(acceptance['failures'])} budgets did not hold"


def print_verified(found: Mapping[str, Any], tested: Sequence[str]) -> None:
    """One line for each thing that was verified."""
    print(f"{found['path']}: {found['name']} {found['version']} is whole")
    print(f"  signature   {signature_text(found['signature'])}")
    print(f"  acceptance  {acceptance_text(found['acceptance'])}")
    print(f"  self-test   {'passed: ' + ', '.join(tested) if tested else 'not asked for (--self-test)'}")


def print_difference(found: Difference) -> None:
    """Tables of what differs, or one line."""
    if not found:
        print("no difference")
        return
    console = Console(highlight=False)
    if found.fields:
        table = Table(Column("field", overflow="fold"), "left", "right")
        for field in found.fields:
            table.add_row(Text(field.field), Text(_value(field.left)), Text(_value(field.right)))
        console.print(table)
    for curve in found.curves:
        table = Table("raw", "left MOS", "right MOS", "change", title=f"curve of {curve.encoding}")
        for raw, left, right in zip(curve.raw, curve.left, curve.right, strict=True):
            table.add_row(f"{raw:.3f}", f"{left:.3f}", f"{right:.3f}", f"{right - left:+.3f}")
        console.print(table)
        console.print(f"largest change {curve.largest:+.3f} MOS, at raw {curve.at:.3f}")
    if found.files:
        table = Table("file", "left", "right")
        for file in found.files:
            sides = ("-" if e is None else f"{e.size:,} {e.sha256[:12]}" for e in (file.left, file.right))
            table.add_row(file.name, *sides)
        console.print(table)


def _golden(found: Mapping[str, Any]) -> str:
    tolerance = found["golden_tolerance"]
    frames = len(found["golden"])
    return f"{frames}, within {tolerance['mos']:g} MOS and {tolerance['faults']:g} of severity"


def _encoding(encoding: Mapping[str, Any]) -> str:
    curve, interval = encoding["curve"], encoding["interval"]
    return (
        f"{encoding['file']}, {encoding['quantisation']}, {_size(encoding['size'])}\n"
        f"  curve of {curve['knots']} knots, raw {curve['raw'][0]:.3f} to {curve['raw'][1]:.3f}, "
        f"MOS {curve['mos'][0]:.2f} to {curve['mos'][1]:.2f}\n"
        f"  interval of {interval['coverage']:.0%}: MOS +- {4 * interval['quantile']:.2f} x spread, "
        f"at least {interval['floor']:g}"
    )


def _engines(engines: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(Column("engine", overflow="fold"), "TensorRT", "device", "system", "bytes", "flags")
    for entry in engines:
        flags = ", ".join(entry["flags"]) or "-"
        table.add_row(entry["file"], entry["tensorrt"], entry["sm"], entry["os"], f"{entry['size']:,}", flags)
    return table


def _size(count: int) -> str:
    return f"{count / 1e6:.2f} MB" if count >= 100_000 else f"{count:,} bytes"


def _value(value: object) -> str:
    text = "-" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 120 else text[:117] + "..."
