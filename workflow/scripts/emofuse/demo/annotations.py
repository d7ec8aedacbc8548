"""Writes down a dialog as annotators and transcribers do: its labels, their votes and its transcript."""

import numpy as np

from emofuse.demo.chance import generator
from emofuse.demo.plan import session_of
from emofuse.demo.votes import WORDS, evaluators

# Which dialog shows which quirk of the real release.
WINDOWS_LINE_ENDS = {"Ses01F_script01_1", "Ses04M_impro05"}
BYTE_ORDER_MARK = {"Ses02F_impro01", "Ses05F_script02_1"}
CP1252_COMMENT = {"Ses02M_impro05", "Ses04F_script01_1"}
LINES_WITHOUT_LABEL = {"Ses01F_impro01", "Ses03M_impro05a"}
ODD_RATINGS = {"Ses02F_script01_1"}

_RATINGS = {  # valence, activation, dominance, 1 to 5
    "neu": (3, 2, 2),
    "ang": (2, 4, 4),
    "sad": (2, 2, 2),
    "hap": (4, 3, 3),
    "exc": (4, 4, 3),
    "fru": (2, 3, 3),
    "sur": (3, 4, 3),
}


def label_file(dialog, turns, seed):
    """`EmoEvaluation/<dialog>.txt`: a block for each turn, F's before M's."""
    rng = generator(seed, dialog, "votes")
    lines = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
    for i, turn in enumerate(turns):
        ratings = np.clip(_RATINGS.get(turn.label, (3, 3, 3)) + rng.integers(-1, 2, (2, 3)), 1, 5)
        mean = ratings.mean(axis=0)
        if dialog in ODD_RATINGS and i == 0:
            mean = np.array([5.5, 0.5, 3.0])
        values = ", ".join(f"{value:.4f}" for value in mean)
        own = rng.choice([WORDS.get(turn.label, "Frustration; Sadness"), WORDS[turn.words_class]])
        comment = "café: half… sure" if dialog in CP1252_COMMENT and i == 1 else rng.choice(["", "", "curious"])
        lines += [
            f"[{turn.start:.4f} - {turn.end:.4f}]\t{turn.turn_id}\t{turn.label}\t[{values}]",
            *(
                f"C-{name}:\t{vote};\t({comment if name == 'E2' else ''})"
                for name, vote in evaluators(turn, seed).items()
            ),
            f"C-{turn.gender}{session_of(dialog)}:\t{own};\t()",
            *(f"A-E{2 + 2 * k}:\tval {v}; act {a}; dom  {d};\t()" for k, (v, a, d) in enumerate(ratings)),
            "",
        ]
    return _encode(dialog, lines, "cp1252" if dialog in CP1252_COMMENT else "utf-8")


def votes_file(turns, seed):
    """`EmoEvaluation/Categorical/<dialog>_e2_cat.txt`: what one annotator said of each turn."""
    return "".join(f"{turn.turn_id} :{evaluators(turn, seed)['E2']}; ()\n" for turn in turns).encode()


def transcript_file(dialog, turns):
    """`transcriptions/<dialog>.txt`: a line for each turn, in the order of time, and in some dialogs a few more."""
    lines = [f"{t.turn_id} [{t.start:08.4f}-{t.end:08.4f}]: {t.words}" for t in turns]
    if dialog in LINES_WITHOUT_LABEL:
        last = turns[-1].end
        lines.insert(3, "M: Yeah.")
        lines.append(f"{dialog}_MXX0 [{last + 0.2:08.4f}-{last + 0.6:08.4f}]: [LAUGHTER], That's what they say.")
    return _encode(dialog, lines, "utf-8")


def _encode(dialog, lines, encoding):
    text = ("\r\n" if dialog in WINDOWS_LINE_ENDS else "\n").join([*lines, ""])
    return (b"\xef\xbb\xbf" if dialog in BYTE_ORDER_MARK else b"") + text.encode(encoding)
