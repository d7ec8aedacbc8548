"""Which dialogs a release holds, and which of them a list names; pure standard library, for the Snakefile imports it."""

from pathlib import Path

from emofuse.corpora.iemocap.names import SESSIONS, is_dialog, session_of
from emofuse.corpora.iemocap.paths import files_in
from emofuse.corpora.iemocap.text import read_text
from emofuse.runtime.errors import EmofuseError, listing


def _dialog_files(root, session):
    """Every file of a session that should bear a dialog's name."""
    dialog = Path(root) / f"Session{session}" / "dialog"
    return [
        *files_in(dialog / "EmoEvaluation", ".txt"),
        *files_in(dialog / "transcriptions", ".txt"),
        *files_in(dialog / "wav", ".wav"),
        *files_in(dialog / "avi" / "DivX", ".avi"),
    ]


def _belongs(path, session):
    return is_dialog(path.stem) and session_of(path.stem) == session


def scan_dialogs(root, sessions=SESSIONS):
    """The names of all dialogs of a release tree, sorted: those of which a label file, transcript, wav or avi is there.

    Files with other names are left to `stray_files`. Raises EmofuseError that names every session without a dialog.
    """
    dialogs, empty = set(), []
    for session in sessions:
        found = {path.stem for path in _dialog_files(root, session) if _belongs(path, session)}
        if not found:
            folder = Path(root) / f"Session{session}"
            looked = f"no dialog/EmoEvaluation/Ses0{session}*.txt, transcriptions, wav or avi in it"
            empty.append(f"{folder}: {looked if folder.is_dir() else 'no such folder'}")
        dialogs |= found
    if empty:
        raise EmofuseError(f"No dialogs were found for {len(empty)} of {len(sessions)} sessions:\n{listing(empty)}")
    return sorted(dialogs)


def stray_files(root, sessions=SESSIONS):
    """Files among the dialogs' own whose names are not those of a dialog of their session, sorted."""
    return sorted(path for session in sessions for path in _dialog_files(root, session) if not _belongs(path, session))


def read_dialog_list(path, sessions=None):
    """The dialogs named in a text file, one a line, in its order; blank lines and `#` comments are skipped.

    Raises EmofuseError for a missing or empty file and for names that are malformed or named twice, with their lines; with
    `sessions` also for names of other sessions and for a session without a dialog.
    """
    try:
        text, _ = read_text(path)
    except OSError as error:
        raise EmofuseError(f"corpus.dialogs is {path}, which cannot be read: {error.strerror}.") from error
    dialogs, errors = [], []
    for number, line in enumerate(text.split("\n"), 1):
        name = line.split("#")[0].strip()
        if not name:
            continue
        if not is_dialog(name):
            errors.append(f"{path}:{number}: {name!r} is not the name of a dialog, such as Ses01F_impro01")
        elif name in dialogs:
            errors.append(f"{path}:{number}: {name} is named twice")
        elif sessions and session_of(name) not in sessions:
            errors.append(f"{path}:{number}: {name} is of a session that corpus.sessions leaves out")
        dialogs.append(name)
    if not dialogs:
        errors.append(f"{path} is empty")
    without = set(sessions or ()) - {session_of(name) for name in dialogs if is_dialog(name)}
    errors += [f"{path} names no dialog of session {session}" for session in sorted(without)]
    if errors:
        raise EmofuseError(f"The list of dialogs has errors:\n{listing(errors)}")
    return dialogs
