"""Reads the release's label files: which turns there are, when, and what was heard in them; pure standard library."""

import hashlib
import math
import re
from typing import NamedTuple

from emofuse.corpora.iemocap.names import TURN, dialog_of
from emofuse.corpora.iemocap.paths import label_path
from emofuse.corpora.iemocap.text import read_text

LABELS = ("neu", "ang", "sad", "exc", "hap", "fru", "sur", "fea", "oth", "dis", "xxx")

# [6.2901 - 8.2357]	Ses01F_impro01_F000	neu	[2.5000, 2.5000, 2.5000]
_LABEL_LINE = re.compile(r"\[([^\]]*?)\s+-\s+([^\]]*?)\]\s+(\S+)\s+(\S+)\s+\[([^\]]*)\]")
# A label line that lost its opening bracket still shows an id, a label and the three ratings.
_DAMAGED_LABEL_LINE = re.compile(r"\bSes[0-9]\S*\s+[a-z]{2,}\s+\[")


class Turn(NamedTuple):
    """One labelled turn: times in seconds from the dialog's start, the raw label, and ratings (None: not given)."""

    turn_id: str
    start_s: float
    end_s: float
    label: str
    valence: float | None
    arousal: float | None
    dominance: float | None


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


def labels_digest(root, dialogs):
    """A hash (16 hex digits) of all that the label files of a release say but for the annotators' votes and ratings, so that a
    corrected vote makes no index of turns again."""
    said = []
    for dialog in dialogs:
        try:
            text, note = read_text(label_path(root, dialog))
        except OSError as error:
            said.append(f"{dialog}: {error.strerror}")
            continue
        turns, errors = parse_labels(text, dialog, "")
        said += [dialog, note or "", *map(repr, turns), *errors]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:16]


def times_digest(path, dialog):
    """A hash (16 hex digits) of the ids and times in a label file, so that a corrected emotion re-cuts no clip.

    Raises FileNotFoundError where the file is not there.
    """
    text, _ = read_text(path)
    turns, errors = parse_labels(text, dialog, "")
    times = [f"{turn.turn_id} {turn.start_s!r} {turn.end_s!r}" for turn in turns]
    return hashlib.sha256("\n".join(times + errors).encode()).hexdigest()[:16]
