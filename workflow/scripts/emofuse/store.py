"""Reads and writes Parquet, TSV and JSON files, each whole or not at all."""

import csv
import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

from emofuse.errors import EmofuseError


@contextmanager
def whole(path):
    """Yield a temporary path beside `path` that takes its name on success and vanishes on failure."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{path.name}.*.partial"):  # by a job that was killed
        left.unlink(missing_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(path):
    """Yield a new empty folder beside `path` that replaces it on success and vanishes on failure."""
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a job that was killed
    partial.mkdir(parents=True)
    try:
        yield partial
        shutil.rmtree(path, ignore_errors=True)
        os.replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_parquet(path, table, metadata=None):
    """Write a pyarrow Table; `metadata` (str -> str) becomes the file's key-value metadata."""
    import pyarrow.parquet as pq

    if metadata:
        known = {key.decode(): value for key, value in (table.schema.metadata or {}).items()}
        table = table.replace_schema_metadata({**known, **metadata})
    with whole(path) as partial:
        pq.write_table(table, partial, compression="zstd")


def read_parquet(path, columns=None):
    """Read a pyarrow Table, with its key-value metadata in `table.schema.metadata` (bytes)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path, columns=columns)
    except (pa.ArrowInvalid, OSError) as error:
        raise EmofuseError(f"{path} cannot be read as Parquet ({error}); delete it and run again.") from error


def read_metadata(path):
    """The file's key-value metadata as str -> str, without Arrow's own entry."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(path).metadata or {}
    except (pa.ArrowInvalid, OSError) as error:
        raise EmofuseError(f"{path} cannot be read as Parquet ({error}); delete it and run again.") from error
    return {k.decode(): v.decode() for k, v in metadata.items() if k != b"ARROW:schema"}


def write_tsv(path, rows, columns):
    """Write dicts as tab-separated lines under a header; tabs and line ends inside values become spaces."""
    with whole(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
        writer.writerow(columns)
        writer.writerows([" ".join(str(row[column]).split()) for column in columns] for row in rows)


def read_tsv(path):
    """Read what `write_tsv` wrote: a list of dicts of strings."""
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read()
    if not text.endswith("\n"):
        raise EmofuseError(f"{path} is empty or cut short; delete it and run again.")
    return list(csv.DictReader(text.split("\n"), delimiter="\t", quoting=csv.QUOTE_NONE))


def write_json(path, value):
    """Write `value` as indented JSON, keys in the order given."""
    with whole(path) as partial:
        partial.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path):
    """Read a JSON file."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise EmofuseError(f"{path} cannot be read as JSON ({error}); delete it and run again.") from error
