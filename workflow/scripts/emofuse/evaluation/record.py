"""Keeps beside a run's results what they were made with, and reads it again where runs are compared."""

import hashlib

import yaml

from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import whole
from emofuse.runtime.version import VERSION

RECORD = "made_with.yaml"  # in the folder of a run
HEAD = "# What the results of this run were made with. `snakemake compare` reads it; keys that change no result are not here.\n"


def keep_record(made, scores, output):
    """Write what a run was made with as YAML.

    made: {'code': {file: fingerprint}, 'leaks': {name: sentence}, 'notice': of the corpus, 'config': the keys that matter}; the
    version of emofuse is put before it. scores: {protocol: its scores.parquet}, whose digests say which results it is about.
    """
    record = {"emofuse": VERSION, **made, "scores": {protocol: digest(path) for protocol, path in scores.items()}}
    with whole(output) as partial:
        text = yaml.safe_dump(record, sort_keys=False, allow_unicode=True, width=120)
        partial.write_text(HEAD + text, encoding="utf-8")


def read_record(path):
    """What `keep_record` wrote; None where there is none, as of a run of a version before there were records."""
    if not path.is_file():
        return None
    try:
        record = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        record = None
    if not _is_record(record):
        raise EmofuseError(f"{path} is cut short or damaged; delete it and run again, which makes it alone.")
    return record


def _is_record(record):
    """Whether that is what `keep_record` writes, as far as others take entries out of it."""
    if not isinstance(record, dict) or "emofuse" not in record:
        return False
    sections = [record.get(name) for name in ("code", "leaks", "config", "scores")]
    return all(isinstance(section, dict) for section in sections) and isinstance(sections[2].get("protocols"), list)


def digest(path):
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
