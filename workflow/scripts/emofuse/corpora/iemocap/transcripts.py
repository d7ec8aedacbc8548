"""Reads the release's transcripts: what is said in each turn."""

import re
from typing import NamedTuple

from emofuse.corpora.iemocap.names import DIALOG, TURN, dialog_of

# Ses01F_impro02_F000 [007.2688-016.6000]: Did you get the mail?
_TRANSCRIPT_LINE = re.compile(r"(\S+)\s+\[[^\]]*\]:?\s*(.*)")
_WITHOUT_ID = re.compile(r"[FM]\s*:")
_UNLABELLED_TURN = re.compile(rf"{DIALOG.pattern}_[FM]XX[0-9]+")


class Transcript(NamedTuple):
    """The lines of a transcript: words by turn id, and what stands beside them."""

    words: dict  # turn id -> words
    without_id: list  # line numbers of lines such as `M: Yeah.`
    unlabelled: list  # ids such as Ses03F_impro05_MXX0
    strange: list  # `line 7: ...`, lines that are none of these


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
