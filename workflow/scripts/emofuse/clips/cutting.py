"""What cutting clips of words, sound and picture has in common: sources that may be damaged, and the manifest.

A manifest has a row for every turn of the label file, in order of their ids: turn, status (`ok`, or why there is no
clip: `missing`, `unreadable`, `past_end`, `no_words`), bytes, frames (video frames, samples or words), checksum
(SHA-256 of the clip) and note. It is written last, so where it stands, its clips do too.

`on_missing` says what to do about a source that is missing or damaged: `error` raises EmofuseError; `drop` gives its
turns no clip, and the manifest says why.
"""

from pathlib import Path

from emofuse.clips.files import COLUMNS, SUFFIXES, clear, save_clip
from emofuse.media.wav import MediaError
from emofuse.runtime.errors import EmofuseError, listing


def prepare(out_dir, manifest_path):
    """Remove the clips and the manifest of an earlier cut."""
    Path(manifest_path).unlink(missing_ok=True)
    for suffix in SUFFIXES.values():
        clear(out_dir, suffix)
    Path(out_dir).mkdir(parents=True, exist_ok=True)


def present(path):
    if path is None:
        raise FileNotFoundError
    return Path(path)


def damage_of(path, error):
    """(status, sentence) of a source that cannot be used."""
    if isinstance(error, FileNotFoundError):
        return "missing", f"{path} is missing"
    if isinstance(error, MediaError):
        return "missing" if error.status == "missing" else "unreadable", f"{path} {error}"
    return "unreadable", f"{path} cannot be read ({error.strerror})"


def lost(path, error, damages):
    """`damage_of` a source; it is added to `damages` unless nothing is wrong but that it lacks the track, as a turn may."""
    damage = damage_of(path, error)
    if not isinstance(error, MediaError) or error.status != "missing":
        damages.append(damage)
    return damage


def refuse(damages, on_missing):
    if damages and on_missing == "error":
        raise EmofuseError(
            "Files of the corpus are missing or damaged (`snakemake check` lists all of them; corpus.on_missing: drop works"
            " without them):\n" + listing(sentence for _, sentence in damages)
        )


def save(turn, out_dir, modality, data, frames, note=""):
    saved = save_clip(Path(out_dir) / f"{turn.turn_id}{SUFFIXES[modality]}", data)
    return manifest_row(turn, "ok", note, frames=frames) | saved


def manifest_row(turn, status, note, size=0, frames=0, checksum=""):
    return dict(zip(COLUMNS, (turn.turn_id, status, size, frames, checksum, note), strict=True))
