"""How much disk a run takes, and how much there is."""

import shutil
from pathlib import Path

STATES = 2 * 4  # resume states of a training, each of weights, the best ones and two of the optimiser's


def clips_bytes(manifests, of_dialogs, total):
    """(bytes of a modality's clips that are there, bytes of all of them, by what those take a second).

    of_dialogs: {manifest: seconds of its turns}; total: seconds of all turns.
    """
    there = sum(int(row["bytes"] or 0) for rows in manifests.values() for row in rows.values())
    seconds = sum(of_dialogs[path] for path in manifests)
    return there, round(there / seconds * total) if seconds else None


def folder_bytes(folder):
    """Bytes of the files below a folder; 0 where it is not there."""
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def free_bytes(folder):
    """Bytes free on the disk that the folder is, or will be, on."""
    folder = Path(folder).absolute()
    return shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free


def store_bytes(turns, width, classes):
    """Bytes of one file of embeddings: float32, of which nothing can be compressed, and an id a turn."""
    return turns * (4 * (width + classes) + 24)
