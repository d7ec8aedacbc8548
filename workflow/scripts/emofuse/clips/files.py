"""Where clips lie, and the manifest of each dialog's clips; pure standard library, for the Snakefile imports it."""

import hashlib
import os
from pathlib import Path

from emofuse.corpora.units import unit_of
from emofuse.runtime import store
from emofuse.runtime.errors import EmofuseError, listing

SUFFIXES = {"text": ".txt", "audio": ".wav", "video": ".mp4"}
COLUMNS = ("turn", "status", "bytes", "frames", "checksum", "note")


def manifest_path(clips_root, modality, dialog):
    """`<clips_root>/audio/<dialog>.manifest.tsv`."""
    return Path(clips_root) / modality / f"{dialog}.manifest.tsv"


def clip_path(clips_root, modality, turn_id):
    """`<clips_root>/audio/<dialog>/<turn>.wav`."""
    return Path(clips_root) / modality / unit_of(turn_id) / f"{turn_id}{SUFFIXES[modality]}"


def read_manifests(paths):
    """The rows of manifests by turn id, all values as strings.

    Their columns: turn; status (ok, missing, unreadable, past_end, no_words); bytes; frames (video frames, samples or
    words); checksum (SHA-256 of the clip); note.
    """
    return {row["turn"]: row for path in paths for row in store.read_tsv(path)}


def clear(out_dir, suffix):
    """Remove a folder's clips."""
    if Path(out_dir).is_dir():
        for path in Path(out_dir).iterdir():
            if path.suffix == suffix:
                path.unlink()


def save_clip(path, data):
    """Write a clip; what its manifest says of the file."""
    with store.whole(path) as partial:
        partial.write_bytes(data)
    return {"bytes": len(data), "checksum": hashlib.sha256(data).hexdigest()}


def missing_clips(clips_root, modality, dialog):
    """Ids of the turns whose clips the dialog's manifest calls ok but which are gone; none without a manifest."""
    try:
        rows = store.read_tsv(manifest_path(clips_root, modality, dialog))
    except FileNotFoundError:
        return []
    try:
        there = set(os.listdir(Path(clips_root) / modality / dialog))
    except FileNotFoundError:
        there = set()
    turns = [row["turn"] for row in rows if row["status"] == "ok"]
    return [turn for turn in turns if f"{turn}{SUFFIXES[modality]}" not in there]


def require_whole_clips(clips_root, modality, turns, manifest):
    """Raise EmofuseError with all clips of `turns` that are gone or whose bytes are not those that were cut.

    Reads every clip once, which is what an epoch of training does. manifest: turn -> row, as of `read_manifests`.
    """
    paths = {turn: clip_path(clips_root, modality, turn) for turn in turns}
    states = {path: _state(path, manifest[turn]["checksum"]) for turn, path in paths.items()}
    faulty = [f"{path} ({state})" for path, state in states.items() if state != "ok"]
    if faulty:
        raise EmofuseError(
            f"Clips that are not as they were cut: {len(faulty)}\n{listing(faulty)}\n"
            "Delete them, let `snakemake clips` cut their dialogs again, then run again (`snakemake check` looks at all clips)."
        )


def verify_clips(clips_root):
    """Read every clip that a manifest calls ok and compare it with its checksum.

    Returns, for each modality that has manifests, lists of turn ids: ok, missing (the file is gone) and damaged (its
    bytes are others).
    """
    from tqdm import tqdm  # not above: the Snakefile imports this module

    found = {}
    for modality in SUFFIXES:
        manifests = sorted((Path(clips_root) / modality).glob("[!.]*.manifest.tsv"))
        if not manifests:
            continue
        found[modality] = {"ok": [], "missing": [], "damaged": []}
        for turn, row in tqdm(read_manifests(manifests).items(), f"{modality} clips"):
            if row["status"] == "ok":
                found[modality][_state(clip_path(clips_root, modality, turn), row["checksum"])].append(turn)
    return found


def _state(path, checksum):
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return "missing"
    return "ok" if hashlib.sha256(data).hexdigest() == checksum else "damaged"
