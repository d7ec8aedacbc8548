"""Knows what an export holds, and whether it is as it was written."""

import hashlib
import json
from pathlib import Path

from emofuse.runtime.errors import EmofuseError, listing
from emofuse.runtime.store import read_json

FORMAT = 1  # of the folder; another one is refused
RECORD, CARD = "export.json", "model_card.md"


def encoder_folder(folder, modality):
    """Where an export holds the encoder of a modality."""
    return Path(folder) / "encoders" / modality


def system_folder(folder):
    """Where an export holds its system."""
    return Path(folder) / "system"


def digests(folder):
    """{path: sha256} of all files in an export but export.json itself, in the order of their paths."""
    folder, found = Path(folder), {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != RECORD):
        with open(path, "rb") as file:
            found[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def read_export(folder):
    """export.json of an export whose files are as they were written; EmofuseError with all that is missing or changed."""
    folder = Path(folder)
    if not (folder / RECORD).is_file():
        raise EmofuseError(f"{folder} is no export: there is no {RECORD} in it. `snakemake export` makes one.")
    record = read_json(folder / RECORD)
    if record["format"] != FORMAT:
        raise EmofuseError(
            f"{folder} is an export of format {record['format']}, and this code reads {FORMAT}; it was made with emofuse"
            f" {record['versions']['emofuse']}: take that version, or export again."
        )
    found = digests(folder)
    faults = [
        f"{name}: {'its bytes are others' if name in found else 'it is missing'}"
        for name, digest in record["files"].items()
        if found.get(name) != digest
    ]
    if faults:
        raise EmofuseError(f"{folder} is not as it was exported; copy it again:\n{listing(faults)}")
    return record


def identity(record):
    """What a prediction says of its export: 'iemocap/clean session1 seed 0 late-sum-argmax (12 digits of a hash)'."""
    digest = hashlib.sha256(json.dumps(record["files"], sort_keys=True).encode()).hexdigest()[:12]
    return f"{record['corpus']}/{record['run']} {record['fold']} seed {record['seed']} {record['system']} ({digest})"
