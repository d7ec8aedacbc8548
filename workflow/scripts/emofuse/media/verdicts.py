"""Says what of a turn its medium holds: one answer for the check of a release and for cutting its clips."""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from emofuse.media.wav import RATE

# A medium may be shorter or longer than its turn by this much before it is worth a note.
TOLERANCE_S = 0.1


@dataclass(frozen=True)
class Verdict:
    """status: ok, past_end (the medium ends before the turn) or missing (it holds nothing in the turn's time). first, end:
    the part to cut, in samples or frames' numbers. note: why there is no clip, or that it ends early; else ''."""

    status: str
    first: int
    end: int
    note: str


def exact(seconds):
    """The decimal number that a label file states, without the rounding of binary floats."""
    return Fraction(repr(float(seconds)))


def of_sound(start_s, end_s, samples, medium="the dialog's wav"):
    """The Verdict on a turn, in a medium of so many samples at 16 kHz; `medium` is what notes call it."""
    first, end = (round(exact(seconds) * RATE) for seconds in (start_s, end_s))
    if first >= samples:
        return Verdict("past_end", first, first, f"{medium} ends at {samples / RATE:.2f} s")
    if first >= end:
        return Verdict("missing", first, end, "the turn is shorter than one sample of sound")
    late = end / RATE - samples / RATE
    note = f"{medium} ends {late:.2f} s before the turn" if late > TOLERANCE_S else ""
    return Verdict("ok", first, min(end, samples), note)


def of_picture(start_s, end_s, ticks, time_base, step):
    """The Verdict on a turn, in a video whose frames are shown at `ticks`, int64 (frames,), rising, of `time_base` seconds.

    A clip's frames are those shown from the turn's start on and before its end, by exact times.
    """
    first, end = (int(np.searchsorted(ticks, math.ceil(exact(seconds) / time_base))) for seconds in (start_s, end_s))
    over = float((int(ticks[-1]) + step) * time_base)
    if first == len(ticks):
        return Verdict("past_end", first, first, f"the video ends at {over:.2f} s")
    if first == end:
        return Verdict("missing", first, end, "the video has no frame in the turn's time")
    late = end_s - over
    return Verdict("ok", first, end, f"the video ends {late:.2f} s before the turn" if late > TOLERANCE_S else "")


def of_shown(start_s, end_s, begins, ends):
    """The Verdict on a turn, in a picture on screen from `begins` to `ends` (Fractions, seconds): status and note."""
    if start_s >= ends:
        return Verdict("past_end", 0, 0, f"the picture ends at {float(ends):.2f} s")
    if start_s >= end_s:
        return Verdict("missing", 0, 0, "the turn has no length")
    notes = [
        f"the picture {verb} {float(late):.2f} s {where} the turn"
        for verb, late, where in (("begins", begins - start_s, "after"), ("ends", end_s - ends, "before"))
        if late > TOLERANCE_S
    ]
    return Verdict("ok", 0, 0, "; ".join(notes))
