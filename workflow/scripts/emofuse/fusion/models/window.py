"""Support vector machine on a turn's vector and those of the turns around it."""

from functools import partial

import numpy as np

from emofuse.fusion.batches import scaled
from emofuse.fusion.classifiers import svm
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

    def __init__(self, trained, number, vectors):
        self.trained, self.number, self.vectors, self.record = trained, number, vectors, {}

    def ask(self, rows):
        """Decision values of the rows (indices), (rows, classes) float64."""
        [prediction] = self.trained.predict(self.vectors(rows), [self.number])
        if prediction.notes:
            self.record["notes"] = prediction.notes
        return prediction.scores


def train(task):
    """A Machine for each of the candidates of a `networks.Task`; those that differ in C alone share one Gram matrix."""
    turns, rows = task.turns, np.flatnonzero(task.learned)
    turns.require_apart(task.learned)
    # Without a kernel the last digits matter less than the memory, which grows with the turns around.
    precision = np.float64 if len(rows) <= svm.MOST else np.float32
    own = {m: x.astype(precision) for m, x in scaled(turns, turns.vectors, task.learned).items()}
    machines = [None] * len(task.candidates)
    alike = {}
    for number, settings in enumerate(task.candidates):
        alike.setdefault((settings["before"], settings["after"], settings["weight"]), []).append(number)
    for (before, after, weight), numbers in alike.items():
        vectors = partial(_vectors, turns, own, before, after, weight)
        taken = vectors(rows)
        lesson = Lesson(taken, turns.labels[rows], task.seed, task.threads, Distances(taken))
        strengths = [{"C": task.candidates[number]["C"]} for number in numbers]
        trained = fit(CLASSIFIER, lesson, turns.classes, strengths)
        for place, number in enumerate(numbers):
            machines[number] = Machine(trained, place, vectors)
    return machines


def _vectors(turns, own, before, after, weight, rows):
    """Blocks of the turns with the numbers `rows`: their own, and those of each turn around times the weight (zeros
    where the dialog has none), and whether the same one speaks."""
    blocks = {m: x[rows] for m, x in own.items()}
    for distance in [*range(-before, 0), *range(1, after + 1)]:
        other = rows + distance
        there = (other >= 0) & (other < len(turns.ids))
        other = np.clip(other, 0, len(turns.ids) - 1)
        there &= turns.dialogs[other] == turns.dialogs[rows]
        for m, x in own.items():
            blocks[f"{m}{distance:+d}"] = np.where(there, weight, 0.0).astype(x.dtype)[:, None] * x[other]
        blocks[f"own{distance:+d}"] = (there & (turns.speakers[other] == turns.speakers[rows]))[:, None].astype(float)
    return blocks


def notes(settings):
    """What a reader has to know of it."""
    return ["it reads turns that come after the one that it speaks of"] if settings["after"] else []
