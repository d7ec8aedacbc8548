"""Names, tree layout and file formats of the IEMOCAP release; pure standard library, for the Snakefile imports it."""

import hashlib
import math
import os
import re
from pathlib import Path
from typing import NamedTuple

from emofuse.runtime.errors import EmofuseError, listing

SESSIONS = (1, 2, 3, 4, 5)
LABELS = ("neu", "ang", "sad", "exc", "hap", "fru", "sur", "fea", "oth", "dis", "xxx")
CROPS = ("speaker", "partner", "full")

# Ses01F_impro01: session 1, the woman (F) wears the markers, improvised scene 1. ASCII only, for names become paths.
DIALOG = re.compile(r"Ses0(?P<session>[1-5])(?P<markers>[FM])_(?P<scenario>impro[0-9]{2}|script[0-9]{2}_[0-9])[ab]?")
# Ses01F_impro01_M003: turn 3 of the man in that dialog.
TURN = re.compile(rf"(?P<dialog>{DIALOG.pattern})_(?P<gender>[FM])(?P<number>[0-9]{{3}})")
SESSION_FOLDER = re.compile(r"Session([1-5])")

# [6.2901 - 8.2357]	Ses01F_impro01_F000	neu	[2.5000, 2.5000, 2.5000]
_LABEL_LINE = re.compile(r"\[([^\]]*?)\s+-\s+([^\]]*?)\]\s+(\S+)\s+(\S+)\s+\[([^\]]*)\]")
# A label line that lost its opening bracket still shows an id, a label and the three ratings.
_DAMAGED_LABEL_LINE = re.compile(r"\bSes[0-9]\S*\s+[a-z]{2,}\s+\[")
# Ses01F_impro02_F000 [007.2688-016.6000]: Did you get the mail?
_TRANSCRIPT_LINE = re.compile(r"(\S+)\s+\[[^\]]*\]:?\s*(.*)")
_WITHOUT_ID = re.compile(r"[FM]\s*:")
_UNLABELLED_TURN = re.compile(rf"{DIALOG.pattern}_[FM]XX[0-9]+")


class Turn(NamedTuple):
    """One labelled turn: times in seconds from the dialog's start, the raw label, and ratings (None: not given)."""

    turn_id: str
    start_s: float
    end_s: float
    label: str
    valence: float | None
    arousal: float | None
    dominance: float | None


class Transcript(NamedTuple):
    """The lines of a transcript: words by turn id, and what stands beside them."""

    words: dict  # turn id -> words
    without_id: list  # line numbers of lines such as `M: Yeah.`
    unlabelled: list  # ids such as Ses03F_impro05_MXX0
    strange: list  # `line 7: ...`, lines that are none of these


# Names


def _match(pattern, name, what):
    match = pattern.fullmatch(name)
    if not match:
        raise EmofuseError(f"{name!r} is not the name of a {what} of IEMOCAP.")
    return match


def is_dialog(name):
    """Whether `name` has the form of a dialog's name."""
    return DIALOG.fullmatch(name) is not None


def session_of(dialog):
    """`Ses01F_impro01` (or one of its turns) -> 1."""
    return int(_match(DIALOG, dialog_of(dialog), "dialog")["session"])


def scenario_of(dialog):
    """`Ses03M_impro05a` -> `impro05`, `Ses05M_script01_1b` -> `script01_1`: the scene, the same in every session."""
    return _match(DIALOG, dialog, "dialog")["scenario"]


def style_of(dialog):
    """`improvised` or `scripted`."""
    return "improvised" if scenario_of(dialog).startswith("impro") else "scripted"


def dialog_of(name):
    """The dialog of a turn id; a dialog's name is returned as it is."""
    match = TURN.fullmatch(name)
    return match["dialog"] if match else name


def gender_of(turn_id):
    """`F` or `M`, of the turn's speaker."""
    return _match(TURN, turn_id, "turn")["gender"]


def speaker_of(turn_id):
    """`Ses01F_impro01_M003` -> `Ses01_M`: the turn's letter, for the dialog's only says who wears the markers."""
    return f"{turn_id[:5]}_{gender_of(turn_id)}"


def side_of(turn_id, crop):
    """Which part of the picture `crop` (speaker, partner, full) means for a turn: `left`, `right` or `full`.

    The marker wearer, the dialog's letter, is on the left half.
    """
    if crop == "full":
        return "full"
    match = _match(TURN, turn_id, "turn")
    wearer_speaks = match["gender"] == match["markers"]
    return "left" if wearer_speaks == (crop == "speaker") else "right"


# The tree


def session_folder(root, dialog):
    """`<root>/SessionN` of a dialog."""
    return Path(root) / f"Session{session_of(dialog)}"


def label_path(root, dialog):
    """The dialog's labels and times."""
    return session_folder(root, dialog) / "dialog" / "EmoEvaluation" / f"{dialog}.txt"


def transcript_path(root, dialog):
    """The dialog's words."""
    return session_folder(root, dialog) / "dialog" / "transcriptions" / f"{dialog}.txt"


def dialog_wav_path(root, dialog):
    """The dialog's sound: 16 kHz, two channels."""
    return session_folder(root, dialog) / "dialog" / "wav" / f"{dialog}.wav"


def avi_path(root, dialog):
    """The dialog's picture: MPEG-4, 720x480, 30000/1001 frames per second."""
    return session_folder(root, dialog) / "dialog" / "avi" / "DivX" / f"{dialog}.avi"


def sentence_wav_path(root, turn_id):
    """A turn's own sound: 16 kHz mono 16 bit."""
    dialog = _match(TURN, turn_id, "turn")["dialog"]
    return session_folder(root, dialog) / "sentences" / "wav" / dialog / f"{turn_id}.wav"


def sentence_wavs(root, dialog):
    """The sentence wavs of a dialog that are there, sorted."""
    folder = session_folder(root, dialog) / "sentences" / "wav" / dialog
    return [path for path in _files(folder, ".wav") if TURN.fullmatch(path.stem) and dialog_of(path.stem) == dialog]


def _files(folder, suffix):
    """Files of a folder with this suffix, sorted; none if it is not there. Dot-files (`._x`, by macOS) are no data."""
    try:
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if e.name.endswith(suffix) and not e.name.startswith(".") and e.is_file()]
    except FileNotFoundError:
        return []
    return [folder / name for name in sorted(names)]


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


def _dialog_files(root, session):
    """Every file of a session that should bear a dialog's name."""
    dialog = Path(root) / f"Session{session}" / "dialog"
    return [
        *_files(dialog / "EmoEvaluation", ".txt"),
        *_files(dialog / "transcriptions", ".txt"),
        *_files(dialog / "wav", ".wav"),
        *_files(dialog / "avi" / "DivX", ".avi"),
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


# The files


def read_text(path):
    """A text file's content with plain line ends, and a note where it was not plain UTF-8 (else None).

    Copies of the release hold byte-order marks, Windows line ends and single bytes of Windows-1252. Raises OSError.
    """
    data = Path(path).read_bytes()
    note = None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text, note = data.decode("utf-16", errors="replace"), "is UTF-16, not UTF-8"
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            text = data.decode("cp1252", errors="replace")
            note = f"holds bytes that are not UTF-8 (the first at {error.start}); read as Windows-1252"
    return text.replace("\r\n", "\n").replace("\r", "\n"), note


def parse_labels(text, dialog, where):
    """The turns of a label file, sorted by id, and its errors as `where:line: what`.

    The annotators' votes between the label lines are skipped. Ids end up in file names, so one that is malformed or
    belongs to another dialog is an error, as are an id used twice and times that are no interval. Ratings outside 1 to
    5 occur in the release and are kept.
    """
    turns, errors, lines = {}, [], {}
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if not line.startswith("["):
            if _DAMAGED_LABEL_LINE.search(line) and not line.startswith(("C-", "A-", "%")):
                errors.append(f"{where}:{number}: not a label line: {line[:80]!r}")
            continue
        match = _LABEL_LINE.match(line)
        if not match:
            errors.append(f"{where}:{number}: not a label line: {line[:80]!r}")
            continue
        turn_id = match[3]
        if not TURN.fullmatch(turn_id):
            errors.append(f"{where}:{number}: {turn_id!r} is not a turn id, such as {dialog}_F000")
        elif dialog_of(turn_id) != dialog:
            errors.append(f"{where}:{number}: turn {turn_id} belongs to another dialog")
        elif turn_id in turns:
            errors.append(f"{where}:{number}: turn {turn_id} stands in line {lines[turn_id]} already")
        else:
            start, end = _number(match[1]), _number(match[2])
            if start is None or end is None or not 0 <= start < end:
                errors.append(f"{where}:{number}: turn {turn_id} lasts from {match[1]} to {match[2]}: no interval")
                continue
            ratings = [_number(value) for value in match[5].split(",")]
            ratings = ratings if len(ratings) == 3 else [None] * 3
            turns[turn_id], lines[turn_id] = Turn(turn_id, start, end, match[4], *ratings), number
    return [turns[turn_id] for turn_id in sorted(turns)], errors


def _number(text):
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def parse_transcript(text, dialog):
    """The words of a transcript by turn id, and the lines that belong to no labelled turn, as a Transcript."""
    found = Transcript({}, [], [], [])
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if not line:
            continue
        match = _TRANSCRIPT_LINE.fullmatch(line)
        turn_id = match[1] if match else ""
        if TURN.fullmatch(turn_id) and dialog_of(turn_id) == dialog and turn_id not in found.words:
            found.words[turn_id] = match[2]
        elif _UNLABELLED_TURN.fullmatch(turn_id):
            found.unlabelled.append(turn_id)
        elif _WITHOUT_ID.match(line):
            found.without_id.append(number)
        else:
            twice = "named twice, the first is used: " if turn_id in found.words else ""
            found.strange.append(f"line {number}: {twice}{line[:80]!r}")
    return found


def times_digest(path, dialog):
    """A hash (16 hex digits) of the ids and times in a label file, so that a corrected emotion re-cuts no clip.

    Raises FileNotFoundError where the file is not there.
    """
    text, _ = read_text(path)
    turns, errors = parse_labels(text, dialog, "")
    times = [f"{turn.turn_id} {turn.start_s!r} {turn.end_s!r}" for turn in turns]
    return hashlib.sha256("\n".join(times + errors).encode()).hexdigest()[:16]


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
