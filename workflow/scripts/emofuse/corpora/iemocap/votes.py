"""Reads what each annotator said of a turn from the release's label files; pure standard library."""

import re
from typing import NamedTuple

# The raw label that the release writes for each word of an annotator.
WORDS = {
    "anger": "ang",
    "happiness": "hap",
    "excited": "exc",
    "neutral": "neu",
    "sadness": "sad",
    "frustration": "fru",
    "surprise": "sur",
    "fear": "fea",
    "disgust": "dis",
    "other": "oth",
}

_LABEL_LINE = re.compile(r"\[[^\]]*\]\s+(\S+)\s")
# C-E2:	Frustration; Sadness;	(a comment, which may hold any character)
_VOTE = re.compile(r"C-(E[0-9]+|[FM][0-9])\s*:([^(]*)(?:\(.*)?")
_OTHER_LINES = ("%", "A-")  # the head of the file, and ratings


class Vote(NamedTuple):
    """What one annotator called a turn: raw labels, each once, in the order given. own: the actor's report of itself."""

    turn_id: str
    annotator: str
    own: bool
    labels: list[str]


def parse_votes(text):
    """The Votes of a label file in its order, and its faults: (turn or '', what is wrong, what is done about it).

    A vote may name several labels. Of two votes of one annotator on a turn the first counts.
    """
    votes, faults, turn = {}, [], ""
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if line.startswith("["):
            found = _LABEL_LINE.match(line)
            turn = found[1] if found else ""
        elif line and not line.startswith(_OTHER_LINES):
            match = _VOTE.fullmatch(line)
            if not match or not turn:
                faults.append((turn, f"vote not understood: line {number}: {line[:80]}", "not counted"))
                continue
            annotator = match[1]
            labels, unknown = _labels(match[2])
            if unknown:
                done = "its other labels count" if labels else "not counted"
                faults.append((turn, f"unknown word in a vote: {annotator}: {', '.join(unknown)}", done))
            if (turn, annotator) in votes:
                faults.append((turn, f"second vote of an annotator: {annotator}, line {number}", "the first counts"))
            elif labels:
                votes[turn, annotator] = Vote(turn, annotator, annotator[0] != "E", labels)
            elif not unknown:
                faults.append((turn, f"vote without a label: {annotator}, line {number}", "not counted"))
    return list(votes.values()), faults


def _labels(text):
    """(raw labels, unknown words) of the part of a vote before its comment, each once."""
    words = dict.fromkeys(" ".join(word.split()) for word in text.split(";"))
    words.pop("", None)
    labels = dict.fromkeys(WORDS[word.lower()] for word in words if word.lower() in WORDS)
    return list(labels), [word for word in words if word.lower() not in WORDS]
