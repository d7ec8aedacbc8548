"""Finds a release's tree, and says before a run whether its files can be read; pure standard library, for the Snakefile."""

import hashlib
import os
import re
from pathlib import Path

from emofuse.corpora.iemocap.names import SESSIONS
from emofuse.corpora.iemocap.paths import (
    MOTION,
    avi_path,
    dialog_motion_paths,
    dialog_wav_path,
    files_in,
    label_path,
    sentence_motion_folder,
    sentence_wavs,
    transcript_path,
)
from emofuse.runtime.errors import EmofuseError, listing

SESSION_FOLDER = re.compile(r"Session([1-5])")


def find_root(path):
    """The folder that holds Session1 to Session5, as a Path in the form given (relative stays relative).

    Accepts that folder, a folder up to two levels above it, or one of its session folders. Raises EmofuseError where
    `path` is not set, does not exist, or leads to none or to several such folders.
    """
    if path is None or not str(path).strip():
        raise EmofuseError(
            "corpus.root is not set: it is the folder of the IEMOCAP release which holds Session1 to Session5.\n"
            "Set corpus.root in config/config.yaml, or give --config 'corpus={root: /path/to/IEMOCAP_full_release}'.\n"
            "Without IEMOCAP, `make demo` runs the whole workflow on made-up input."
        )
    path = Path(path).expanduser()
    if not path.exists():
        raise EmofuseError(f"corpus.root is {path}, which does not exist.")
    if not path.is_dir():
        raise EmofuseError(f"corpus.root is {path}, which is not a folder.")
    if _holds_sessions(path):
        return path
    if SESSION_FOLDER.fullmatch(path.absolute().name):
        return path.parent if path.name else path.absolute().parent
    below = _folders(path)
    for level in (below, [folder for parent in below for folder in _folders(parent)]):
        roots = [folder for folder in level if _holds_sessions(folder)]
        if len(roots) == 1:
            return roots[0]
        if roots:
            raise EmofuseError(f"corpus.root is {path}, which holds several releases; name one:\n{listing(roots)}")
    raise EmofuseError(
        f"corpus.root is {path}, but neither it nor a folder up to two levels below it holds Session1 to Session5. "
        "It should be the folder IEMOCAP_full_release."
    )


def _holds_sessions(folder):
    return any((folder / f"Session{session}").is_dir() for session in SESSIONS)


def _folders(folder):
    try:
        return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))
    except PermissionError as error:
        raise EmofuseError(
            f"{folder} may not be read by this user ({error.strerror}), so no release can be looked for in it."
        ) from None


def require_files(root, dialogs):
    """Raise EmofuseError listing all label files, transcripts, wavs and avis that are not there or may not be read."""
    kinds = {"labels": label_path, "transcript": transcript_path, "sound": dialog_wav_path, "video": avi_path}
    missing, closed = [], []
    for path, line in ((path(root, d), f"{path(root, d)} ({kind})") for d in dialogs for kind, path in kinds.items()):
        if not os.path.isfile(path):
            (missing if _searchable(path.parent) else closed).append(line)
        elif not os.access(path, os.R_OK, effective_ids=True):
            closed.append(line)
    drop = "corpus.on_missing: drop works without them, and lists the turns that it leaves out"
    messages = [f"Missing files of the release: {len(missing)} ({drop})\n{listing(missing, 200)}"] if missing else []
    if closed:
        messages.append(
            f"Files of the release that this user may not read: {len(closed)} (have their owner share them; {drop})\n"
            f"{listing(closed, 200)}"
        )
    if messages:
        raise EmofuseError("\n".join(messages))


def _searchable(folder):
    """Whether what is in a folder can be told from what is not; of a folder that is not there, too."""
    try:
        os.stat(f"{folder}/.")
    except PermissionError:
        return False
    except OSError:
        return True
    return True


def files(root, dialogs):
    """Every file of the release that `dialogs` are made from, there or not: labels, transcripts, sound, video."""
    own = (label_path, transcript_path, dialog_wav_path, avi_path)
    return [path for d in dialogs for path in (*(of(root, d) for of in own), *sentence_wavs(root, d))]


def sentences_digest(root, dialogs):
    """A hash (16 hex digits) of the names and sizes of all sentence wavs of `dialogs`."""
    files = [f"{path.name} {path.stat().st_size}" for dialog in dialogs for path in sentence_wavs(root, dialog)]
    return hashlib.sha256("\n".join(files).encode()).hexdigest()[:16]


def motion_digest(root, dialogs):
    """A hash (16 hex digits) of the names, sizes and times of all motion capture of `dialogs`.

    Times, for a corrected number need not change the size of a table.
    """
    folders = [sentence_motion_folder(root, dialog, kind) for dialog in dialogs for kind in MOTION]
    files = [path for folder in folders for path in files_in(folder, ".txt")]
    files += [path for d in dialogs for kind in MOTION for path in dialog_motion_paths(root, d, kind) if path.is_file()]
    found = [f"{path.relative_to(root)} {of.st_size} {of.st_mtime_ns}" for path in files for of in [path.stat()]]
    return hashlib.sha256("\n".join(found).encode()).hexdigest()[:16]
