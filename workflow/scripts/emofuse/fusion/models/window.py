"""Support vector machine on a turn's vector and those of the turns around it."""

import numpy as np

from emofuse.fusion.batches import scaled
from emofuse.fusion.distances import Distances
from emofuse.fusion.learning import fit
from emofuse.fusion.vectors import Lesson

PLACE = 5
TITLE = "support vector machine"
SENTENCE = "A support vector machine on a turn's vectors, beside those of the turns before and after it."
READS = "vectors"
REACH = ("before", "after")
LATER = "after"
DECISION_VALUES = True
CLASSIFIER = "svm"
SETTINGS = {
    "before": {
        "type": "integer",
        "minimum": 0,
        "maximum": 20,
        "default": 0,
        "description": "Turns before it.",
    },
    "after": {
        "type": "integer",
        "minimum": 0,
        "maximum": 20,
        "default": 0,
        "description": "Turns after it, with which it works on recordings only.",
    },
    "weight": {
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": 1,
        "default": [0.1, 0.3, 1.0],
        "description": "What the numbers of those turns are multiplied with, for several turns drown one.",
        "listed": True,
    },
    "C": {
        "type": "number",
        "exclusiveMinimum": 0,
        "default": [0.3, 1.0, 3.0, 10.0],
        "description": "Penalty of an error.",
        "listed": True,
    },
}


class Machine:
    """A trained one. `record`: what there is to tell of it."""

    def __init__(self, trained, blocks):
        self.trained, self.blocks, self.record = trained, blocks, {}

    def ask(self, rows):
        """Decision values of the rows (indices), (rows, classes) float64."""
        return self.trained.predict({m: x[rows] for m, x in self.blocks.items()}, [0])[0].scores


def train(task):
    """A Machine that has learned from a `networks.Task`."""
    turns, settings = task.turns, task.settings
    turns.require_apart(task.learned)
    vectors = scaled(turns, turns.vectors, task.learned)
    blocks = dict(vectors)
    for distance in [*range(-settings["before"], 0), *range(1, settings["after"] + 1)]:
        other = np.arange(len(turns.ids)) + distance
        there = (other >= 0) & (other < len(turns.ids))
        other = np.clip(other, 0, len(turns.ids) - 1)
        there &= turns.dialogs[other] == turns.dialogs
        weight = np.where(there, settings["weight"], 0)[:, None]
        blocks |= {f"{m}{distance:+d}": weight * x[other] for m, x in vectors.items()}
        blocks[f"own{distance:+d}"] = (there & (turns.speakers[other] == turns.speakers))[:, None].astype(np.float64)
    blocks = {m: x.astype(np.float64) for m, x in blocks.items()}
    rows = np.flatnonzero(task.learned)
    taken = {m: x[rows] for m, x in blocks.items()}
    lesson = Lesson(taken, turns.labels[rows], task.seed, task.threads, Distances(taken))
    return Machine(fit(CLASSIFIER, lesson, turns.classes, [{"C": settings["C"]}]), blocks)


def notes(settings):
    """What a reader has to know of it."""
    return ["it reads turns that come after the one that it speaks of"] if settings["after"] else []
