"""Draws what the demo's turns are: the raw label of each, and the class that each modality shows.

Each turn has a true class. Its words, its voice and its face each show that class with the probability in SHOWN and
otherwise another class drawn at random, each by itself. Everything else (who speaks, when, how long, in which scenario,
how many words, how loud, the listener) is drawn without looking at the class. So no modality holds the whole answer,
together they hold more of it, and nothing but words, samples and pixels holds any.
"""

import zlib

import numpy as np

from emofuse.demo.plan import DIALOGS, session_of, turn_ids

CLASSES = ("ang", "hap", "neu", "sad")
SHOWN = {"words": 0.72, "voice": 0.74, "face": 0.77}

# The raw labels of a session's turns, dealt out at random: 49 in the four classes, 15 others.
LABELS = {"neu": 15, "ang": 10, "sad": 10, "exc": 9, "hap": 5, "fru": 7, "xxx": 5, "sur": 2, "oth": 1}
CLASS_OF = {"neu": "neu", "ang": "ang", "sad": "sad", "exc": "hap", "hap": "hap"}


def generator(seed, *names):
    """A generator of its own for each use, so that no draw hangs on how many draws another use made."""
    return np.random.default_rng([seed, *(zlib.crc32(str(name).encode()) for name in names)])


def raw_labels(dialog, seed):
    """Raw label by turn id, for all turns of the dialog's session."""
    session = session_of(dialog)
    turns = [turn for name in DIALOGS if session_of(name) == session for turn in turn_ids(name)]
    deck = [label for label, count in LABELS.items() for _ in range(count)]
    return dict(zip(turns, generator(seed, session, "labels").permutation(deck).tolist(), strict=True))


def shown_classes(turn_id, label, seed):
    """The class that each modality shows."""
    rng = generator(seed, turn_id, "shown")
    true = CLASS_OF.get(label) or str(rng.choice(CLASSES))
    others = [name for name in CLASSES if name != true]
    return {modality: true if rng.random() < p else str(rng.choice(others)) for modality, p in SHOWN.items()}
