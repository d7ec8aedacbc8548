"""Reads who says what from when to when: srt, vtt, and tables of spans."""

import csv
import re
from pathlib import Path
from typing import NamedTuple

from emofuse.corpora.iemocap.text import read_text
from emofuse.runtime.errors import EmofuseError, listing

TIME = r"(?:\d+:)?\d+:\d+(?:[.,]\d+)?"
CUE = re.compile(rf"^\s*({TIME})\s+-->\s+({TIME})")
VOICE = re.compile(r"<v(?:\.[^ >]*)?\s+([^>]+)>")
TAG = re.compile(r"<[^>]*>|\{\\[^}]*\}")


class Span(NamedTuple):
    """Seconds from the start of the recording; words; who says them, or ''."""

    start_s: float
    end_s: float
    text: str
    speaker: str = ""


def read_transcript(path):
    """The Spans of a transcript, in the order of the file; EmofuseError with all lines that cannot be used.

    A table (.csv, .tsv) has the columns start, end and text (or start_s, end_s), in seconds or as hours:minutes:seconds, and
    may have speaker. A span without words is one of which no words are known.
    """
    path = Path(path)
    text, _ = read_text(path)
    problems = []
    read = _table if path.suffix.lower() in (".csv", ".tsv") else _cues
    spans = read(text.removeprefix("\ufeff"), path, problems)
    if not spans and not problems:
        problems.append("it holds no span")
    if problems:
        raise EmofuseError(f"{path}: the transcript cannot be used:\n{listing(problems)}")
    return spans


def seconds(text):
    """'1:02:03,5', '02:03.5' or '123.5' -> seconds; ValueError for anything else."""
    value = 0.0
    for part in text.strip().replace(",", ".").split(":"):
        value = 60 * value + float(part)
    return value


def _cues(text, path, problems):
    found, lines = [], text.splitlines()
    for number, line in enumerate(lines):
        if cue := CUE.match(line):
            words, at = [], number + 1
            while at < len(lines) and lines[at].strip() and not CUE.match(lines[at]):
                words.append(lines[at])
                at += 1
            said = " ".join(words)
            voice = VOICE.search(said)
            plain = " ".join(TAG.sub(" ", said).split())
            _add(
                found,
                Span(seconds(cue[1]), seconds(cue[2]), plain, voice[1].strip() if voice else ""),
                number + 1,
                problems,
            )
        elif "-->" in line:
            problems.append(f"line {number + 1}: '{line.strip()}' is no span of time")
    return found


def _table(text, path, problems):
    rows = list(csv.reader(text.splitlines(), delimiter="\t" if path.suffix.lower() == ".tsv" else ","))
    names = [name.strip().lower().removesuffix("_s") for name in rows[0]] if rows else []
    if lacking := [name for name in ("start", "end", "text") if name not in names]:
        problems.append(f"its first line does not name the column {' and '.join(lacking)}")
        return []
    found = []
    for number, row in enumerate(rows[1:], 2):
        given = dict(zip(names, row, strict=False))
        if not any(row):
            continue
        try:
            start, end = seconds(given["start"]), seconds(given["end"])
        except (KeyError, ValueError):
            problems.append(f"line {number}: start or end is no time: {', '.join(row)}")
            continue
        words, speaker = (" ".join(given.get(name, "").split()) for name in ("text", "speaker"))
        _add(found, Span(start, end, words, speaker), number, problems)
    return found


def _add(found, span, number, problems):
    if span.end_s <= span.start_s:
        problems.append(f"line {number}: its span ends at {span.end_s:g} s, before it has begun at {span.start_s:g} s")
    else:
        found.append(span)
