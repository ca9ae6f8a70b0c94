"""Label stores as Parquet: a folder with a file for each table, and back.

The columns are those of the store's tables (`schema.TABLES`): text as string, whole numbers as int64, numbers
as float64, none of which loses anything. Each file carries the schema version in its metadata.
"""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from leaf_edge.extras import require
from leaf_edge.teacher.row_checks import CHECKS
from leaf_edge.teacher.schema import SCHEMA_VERSION, TABLES, StoreError
from leaf_edge.teacher.store import LabelStore

_VERSION, _TABLE = b"leaf_edge.labels.version", b"leaf_edge.labels.table"
_ROWS = 65536  # read at once
_ARROW = {"TEXT": "string", "INTEGER": "int64", "REAL": "float64"}


def file_name(table: str) -> str:
    """Of a table in an export."""
    return f"{table}.parquet"


def export_parquet(store: LabelStore, folder: Path) -> dict[str, int]:
    """Writes every table of `store` into `folder`, which is made; what an export wrote there before is
    replaced, file by file once all are whole. Returns the number of rows of each table."""
    pa, pq = require("pyarrow", "train"), require("pyarrow.parquet", "train")
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"{folder} is a file; expected a folder to write the tables into")
    folder.mkdir(parents=True, exist_ok=True)
    counts: dict[str, int] = {}
    with tempfile.TemporaryDirectory(dir=folder, prefix=".export-") as temporary:
        # one snapshot: of what is labelled meanwhile, no label comes without its picture
        with store.snapshot() as db:
            for name, table in TABLES.items():
                schema = _schema(pa, name)
                rows = db.execute(f"SELECT * FROM {name} ORDER BY {', '.join(table.key)}")
                counts[name] = 0
                with pq.ParquetWriter(Path(temporary, file_name(name)), schema, compression="zstd") as writer:
                    while block := rows.fetchmany(_ROWS):
                        counts[name] += len(block)
                        columns = [
                            pa.array(values, field.type)
                            for values, field in zip(zip(*block, strict=True), schema, strict=True)
                        ]
                        writer.write_table(pa.table(columns, schema=schema))
        for name in TABLES:
            Path(temporary, file_name(name)).replace(folder / file_name(name))
    return counts


def import_parquet(store: LabelStore, folder: Path) -> dict[str, int]:
    """Takes the tables in `folder` into `store`, as `LabelStore.merge` does, all or nothing.

    Every row is checked: identities, distributions, ranges, that a label's picture is there. A table whose
    file is absent is empty, but pictures must be there. Returns the number of new rows of each table. Raises
    FileNotFoundError, or `StoreError` that names file and row.
    """
    pq = require("pyarrow.parquet", "train")
    if not (folder / file_name("pictures")).is_file():
        raise FileNotFoundError(
            f"{folder}: holds no {file_name('pictures')}; expected a folder of `leaf-edge labels export`"
        )
    with tempfile.TemporaryDirectory(prefix="leaf-labels-") as temporary:
        path = Path(temporary, "import.sqlite")
        with LabelStore(path) as whole, whole.transaction() as db:
            for name, table in TABLES.items():
                file = folder / file_name(name)
                if not file.is_file():
                    continue
                marks = ", ".join("?" * len(table.columns))
                number = 0
                for batch in _open(pq, file, name).iter_batches(_ROWS):
                    rows = batch.to_pylist()
                    for row in rows:
                        number += 1
                        try:
                            CHECKS[name](row)
                        except (ValueError, TypeError) as error:
                            raise StoreError(f"{file}, row {number}: {error}") from None
                    try:
                        db.executemany(
                            f"INSERT INTO {name} VALUES ({marks})",
                            [tuple(row[column] for column in table.columns) for row in rows],
                        )
                    except sqlite3.IntegrityError as error:
                        raise StoreError(
                            f"{file}: a row comes twice, or is of a picture that is not in "
                            f"{file_name('pictures')} ({error})"
                        ) from None
        return store.merge(path)


def _schema(pa: Any, name: str) -> Any:
    fields = [
        pa.field(column, getattr(pa, _ARROW[kind.split()[0]])(), nullable="NOT NULL" not in kind)
        for column, kind in TABLES[name].columns.items()
    ]
    return pa.schema(fields, metadata={_VERSION: str(SCHEMA_VERSION), _TABLE: name})


def _open(pq: Any, file: Path, name: str) -> Any:
    """An open Parquet file whose columns are those of the table `name`. Raises `StoreError`."""
    pa = require("pyarrow", "train")
    try:
        parquet = pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise StoreError(f"{file} cannot be read as Parquet: {error}") from None
    schema = parquet.schema_arrow
    version = (schema.metadata or {}).get(_VERSION, b"")
    if not version.isdigit() or int(version) > SCHEMA_VERSION:
        raise StoreError(
            f"{file} states the label schema version {version.decode(errors='replace') or 'none'}; "
            f"expected 1 to {SCHEMA_VERSION}, in the metadata {_VERSION.decode()}"
        )
    expected = _schema(pa, name)
    if not schema.remove_metadata().equals(expected.remove_metadata()):
        found = ", ".join(f"{field.name} {field.type}" for field in schema)
        wanted = ", ".join(f"{field.name} {field.type}" for field in expected)
        raise StoreError(f"{file}: columns are {found}; expected {wanted}")
    return parquet
