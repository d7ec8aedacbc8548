"""Reads and writes Parquet, TSV and JSON files, each whole or not at all."""

import csv
import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

from emofuse.runtime.errors import EmofuseError


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
        share([partial])
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def share(paths):
    """Give files that are their owner's alone the permissions that new ones get in their folder, by umask or access list.

    safetensors writes such files, and a results folder is often a group's.
    """
    for path in [path for path in map(Path, paths) if not path.stat().st_mode & 0o077]:
        probe = path.with_name(f".{path.name}.{os.getpid()}.mode")
        try:
            os.close(os.open(probe, os.O_WRONLY | os.O_CREAT, 0o666))
            path.chmod(path.stat().st_mode | probe.stat().st_mode)
        finally:
            probe.unlink(missing_ok=True)


@contextmanager
def whole_folder(path):
    """Yield a new empty folder beside `path` that replaces it on success and vanishes on failure."""
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a job that was killed
    partial.mkdir(parents=True)
    try:
        yield partial
        share([file for file in partial.rglob("*") if file.is_file()])
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

    with _damage_named(path, "Parquet", pa.ArrowInvalid):
        return pq.read_table(path, columns=columns)


def read_metadata(path):
    """The file's key-value metadata as str -> str, without Arrow's own entry."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with _damage_named(path, "Parquet", pa.ArrowInvalid):
        metadata = pq.read_schema(path).metadata or {}
    return {k.decode(): v.decode() for k, v in metadata.items() if k != b"ARROW:schema"}


@contextmanager
def _damage_named(path, kind, *damage):
    """Make the exceptions `damage` of reading a file the EmofuseError that it is damaged; Arrow's own OSErrors, too.

    An OSError of the operating system, which has a number, stays what it is: a file that cannot be read now may be whole.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise EmofuseError(f"{path} is not there; run again.") from error
    except (*damage, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise EmofuseError(f"{path} cannot be read as {kind} ({error}); delete it and run again.") from error


def write_tsv(path, rows, columns):
    """Write dicts as tab-separated lines under a header; tabs and line ends inside values become spaces."""
    with whole(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
        writer.writerow(columns)
        writer.writerows([" ".join(str(row[column]).split()) for column in columns] for row in rows)


def read_tsv(path):
    """Read what `write_tsv` wrote: a list of dicts of strings."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            text = file.read()
    except UnicodeDecodeError:
        text = ""
    if not text.endswith("\n"):
        raise EmofuseError(f"{path} is empty, cut short or damaged; delete it and run again.")
    return list(csv.DictReader(text.split("\n"), delimiter="\t", quoting=csv.QUOTE_NONE))


def write_json(path, value):
    """Write `value` as indented JSON, keys in the order given."""
    with whole(path) as partial:
        partial.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path):
    """Read a JSON file."""
    with _damage_named(path, "JSON", ValueError):
        return json.loads(Path(path).read_text(encoding="utf-8"))
