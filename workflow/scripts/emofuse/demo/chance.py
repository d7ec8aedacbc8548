"""Draws what the demo's turns are: the raw label of each, and the class that each modality shows.

Each turn has a true class. Its words, its voice and its face each show that class with the probability in SHOWN and
otherwise another class drawn at random, each by itself. So no modality holds the whole answer, and together they hold more of
it. The classes of a dialog's turns hang together in two ways, as in the real release: a mood lasts for some turns, whoever
speaks, which only who looks at other turns can use; and each scenario, which comes back in every session, has a class that
its moods tend to, and things that it is about (`words`). Everything else (who speaks, when, how long, how many words, how
loud, the listener) is drawn without looking at the class.
"""

import zlib

import numpy as np

from emofuse.corpora.iemocap.names import scenario_of
from emofuse.demo.plan import DIALOGS, TURNS_OF_EACH_SPEAKER, session_of

CLASSES = ("ang", "hap", "neu", "sad")
SHOWN = {"words": 0.72, "voice": 0.74, "face": 0.77}

STAYS = 0.8  # probability that a turn's mood is that of the turn before
LEANS = 0.5  # probability that a new mood is the scenario's own class and not drawn from all of them
CLASS_OF_SCENARIO = {"impro01": "sad", "impro05": "hap", "script01_1": "ang", "script02_1": "neu"}

# The raw labels of a session's turns, dealt out by mood: 49 in the four classes, 15 others at random.
LABELS = {"neu": 15, "ang": 10, "sad": 10, "exc": 9, "hap": 5, "fru": 7, "xxx": 5, "sur": 2, "oth": 1}
CLASS_OF = {"neu": "neu", "ang": "ang", "sad": "sad", "exc": "hap", "hap": "hap"}


def generator(seed, *names):
    """A generator of its own for each use, so that no draw hangs on how many draws another use made."""
    return np.random.default_rng([seed, *(zlib.crc32(str(name).encode()) for name in names)])


def speaking_order(dialog, seed):
    """The turn ids of a dialog in the order in which they are spoken."""
    letters = np.tile(list("FM"), (TURNS_OF_EACH_SPEAKER, 1))
    order = generator(seed, dialog, "order").permuted(letters, axis=1).ravel()
    count = {"F": 0, "M": 0}
    turns = []
    for letter in order:
        turns.append(f"{dialog}_{letter}{count[letter]:03d}")
        count[letter] += 1
    return turns


def moods(dialog, seed):
    """The class that the mood of each turn asks for, by turn id."""
    rng, mood, found = generator(seed, dialog, "moods"), None, {}
    for turn in speaking_order(dialog, seed):
        if mood is None or rng.random() > STAYS:
            mood = CLASS_OF_SCENARIO[scenario_of(dialog)] if rng.random() < LEANS else str(rng.choice(CLASSES))
        found[turn] = mood
    return found


def raw_labels(dialog, seed):
    """Raw label by turn id, for all turns of the dialog's session: those of the mood as long as there are any."""
    session = session_of(dialog)
    asked = {turn: mood for name in DIALOGS if session_of(name) == session for turn, mood in moods(name, seed).items()}
    rng = generator(seed, session, "labels")
    deck = rng.permutation([label for label, count in LABELS.items() for _ in range(count)]).tolist()
    others = [label for label in deck if label not in CLASS_OF]
    left = {name: [label for label in deck if CLASS_OF.get(label) == name] for name in CLASSES}
    turns = rng.permutation(list(asked)).tolist()
    dealt, waiting = dict(zip(turns, others, strict=False)), []
    for turn in turns[len(others) :]:
        if left[asked[turn]]:
            dealt[turn] = left[asked[turn]].pop()
        else:
            waiting.append(turn)
    rest = rng.permutation([label for labels in left.values() for label in labels]).tolist()
    return dealt | dict(zip(waiting, rest, strict=True))


def shown_classes(turn_id, label, seed):
    """The class that each modality shows."""
    rng = generator(seed, turn_id, "shown")
    true = CLASS_OF.get(label) or str(rng.choice(CLASSES))
    others = [name for name in CLASSES if name != true]
    return {modality: true if rng.random() < p else str(rng.choice(others)) for modality, p in SHOWN.items()}
