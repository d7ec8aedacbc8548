"""Trains the classifiers of a system, a classifier for each task, chooses their settings, and lets them answer together."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from emofuse.fusion.alignment import combine
from emofuse.fusion.calibration import Temperature, fit_sigmoid
from emofuse.fusion.distances import Distances
from emofuse.fusion.learning import combinations_of, fit
from emofuse.fusion.systems import COMBINED, LEARNERS
from emofuse.fusion.vectors import Lesson, Prediction, joined
from emofuse.runtime import kinds
from emofuse.runtime.errors import EmofuseError


@dataclass(frozen=True)
class Method:
    """How a job classifies. classifier: argmax, or one that is named by its file. settings: its, of which a list holds
    candidates: of all combinations each system takes the one with the best WA in the validation part (of equals the better
    UA, then the first); empty for argmax. early: combinations of early fusion. train_vectors: in_sample, validation or
    cross_fitted (see `train_vectors.tasks`): what systems learn from of which an encoder is fine-tuned."""

    classifier: str
    settings: dict
    early: list[str]
    train_vectors: str
    seed: int
    threads: int

    @property
    def candidates(self):
        """All settings to choose from."""
        return combinations_of(self.settings)

    @property
    def decides(self):
        """Whether its scores are decision values, and no logarithms of probabilities."""
        return bool(kinds.constants(LEARNERS).get(self.classifier, {}).get("DECISION_VALUES"))


@dataclass(frozen=True)
class Rows:
    """The validation and test turns of a split: `turns`, `parts` (n,) str, `truth` (n,) indices into `classes`.

    Turns of no class may follow them, with the part 'unlabelled' and the truth -1.
    """

    turns: np.ndarray
    parts: np.ndarray
    truth: np.ndarray
    classes: list[str]

    @property
    def judged(self):
        """(n,) bool: the validation turns, on which all is chosen and calibrated."""
        return self.parts == "val"


def train(known, tasks_of, learned_from, rows, method, voices):
    """Yield (system, chosen settings, Prediction) for the trained systems `known`, and after each those substituted for it.

    learned_from: system -> the kind of training vectors. tasks_of: (kind, kind of training vectors) -> Tasks. voices: how
    many cross-fitted encoders speak of each turn of which there are cross-fitted vectors. rows: the validation and test
    turns alone; what is said of the turns of no class, which the Tasks have, follows what is said of these.
    """
    of_kind = {}
    for kind in ("early", "late"):
        for system in (system for system in known if system.kind == kind):
            of_kind.setdefault((kind, learned_from(system)), []).append(system)
    for (kind, train_vectors), systems in of_kind.items():
        tasks = tasks_of(kind, train_vectors)
        shared = [Distances(task.train) for task in tasks]
        for system in systems:
            # Other combinations make vectors that no other system has.
            distances = shared if side_by_side(system) else [None] * len(tasks)
            spoken = voices if train_vectors == "cross_fitted" else 0
            ensemble = Ensemble(system, tasks, distances, rows, method, spoken)
            settings = ensemble.learn(method.candidates)
            yield system, settings, ensemble.ask()
            for modality in system.modalities:
                if system.without(modality) in known:
                    yield system.without(modality), settings, ensemble.ask(modality)


class Ensemble:
    """The classifiers of one system, a classifier for each Task, from the choice of settings to the answers."""

    def __init__(self, system, of_kind, distances, rows, method, voices):
        self.system, self.tasks, self.rows, self.voices = system, of_kind, rows, voices
        self.method, self.distances = method, distances
        self.apply = [blocks_of(system, task.apply) for task in of_kind]
        self.trained, self.probable = {}, None

    def learn(self, candidates):
        """Train with all candidates where validation turns are spoken of, choose, train the rest; the chosen settings."""
        best = 0
        if len(candidates) > 1:
            for number, task in enumerate(self.tasks):
                if self.rows.judged[task.rows % len(self.rows.turns)].any():
                    self.trained[number] = self._fit(number, candidates)
            judged, truth = self.rows.judged, self.rows.truth[self.rows.judged]
            said = [prediction.classes[judged] for prediction in self._answer(range(len(candidates)))]
            best = max(range(len(candidates)), key=lambda number: quality(said[number], truth))
        self.chosen = dict.fromkeys(self.trained, best)
        for number in range(len(self.tasks)):
            if number not in self.trained:
                self.trained[number] = self._fit(number, [candidates[best]])
                self.chosen[number] = 0
        return candidates[best]

    def ask(self, missing=""):
        """The Prediction for all turns, then those of no class, with something neutral for the modality `missing`.

        They are asked about by themselves, for a product of matrices with more rows has other last digits.
        """
        return joined(self._answer([None], missing)[0], self._answer([None], missing, unlabelled=True)[0])

    def _fit(self, number, candidates):
        task = self.tasks[number]
        blocks = blocks_of(self.system, task.train)
        distances = self.distances[number] or Distances(blocks)
        lesson = Lesson(blocks, task.labels, self.method.seed, self.method.threads, distances)
        return fit(self.method.classifier, lesson, self.rows.classes, candidates)

    def _answer(self, wanted, missing="", unlabelled=False):
        """A Prediction for each candidate in `wanted` (None: the chosen one), from the classifiers trained so far.

        unlabelled: whether of the turns of no class.
        """
        seats = sum(len(task.unlabelled_rows if unlabelled else task.rows) for task in self.tasks)
        classes = np.zeros((len(wanted), seats), dtype=np.int64)
        scores = np.full((len(wanted), seats, len(self.rows.classes)), np.nan)
        notes = [Counter() for _ in wanted]
        for number, trained in self.trained.items():
            task = self.tasks[number]
            asked, seat = (task.unlabelled, task.unlabelled_rows) if unlabelled else (task.apply, task.rows)
            if not len(seat):
                continue
            kept = not (missing or unlabelled)
            blocks = self.apply[number] if kept else blocks_of(self.system, asked, task.train, missing)
            numbers = [self.chosen[number] if candidate is None else candidate for candidate in wanted]
            for index, prediction in enumerate(trained.predict(blocks, numbers)):
                classes[index, seat] = prediction.classes
                scores[index, seat] = prediction.scores
                notes[index].update(prediction.notes)
        several = f" of {len(self.trained)} trainings" if len(self.trained) > 1 else ""
        told = [[note + (several and f", in {n}{several}") for note, n in counted.items()] for counted in notes]
        if not self.voices:
            return [Prediction(*answer) for answer in zip(classes, scores, told, strict=True)]
        return [self._average(s, n, missing or unlabelled) for s, n in zip(scores, told, strict=True)]

    def _average(self, scores, notes, fitted):
        """The mean of the probabilities that cross-fitted encoders give, whose logarithm is the score.

        Decision values of several SVMs cannot be averaged, so each is made a probability first, by a sigmoid fitted on the
        validation part. fitted: whether by the one fitted last; with a substituted modality by the one fitted without.
        """
        scores = scores.reshape(self.voices, len(scores) // self.voices, scores.shape[1])
        if not fitted:
            self.probable = [self._probable(of_voice) for of_voice in scores]
        each = [calibration.apply(of_voice) for calibration, of_voice in zip(self.probable, scores, strict=True)]
        mean = np.mean(each, axis=0)
        logarithm = np.log(np.maximum(mean, np.finfo(np.float32).tiny))
        logarithm[np.isnan(scores).all(axis=0)] = np.nan
        return Prediction(mean.argmax(axis=1), logarithm, notes)

    def _probable(self, scores):
        """What makes probabilities of one voice's scores."""
        if not self.method.decides:
            return Temperature(1.0)
        judged = self.rows.judged
        sigmoid = fit_sigmoid(scores[judged], self.rows.truth[judged])
        if sigmoid is None:
            raise EmofuseError(
                f"Decision values of {self.method.classifier} cannot be made probabilities: the validation part has turns of"
                f" fewer than two classes that it has learned. Leave {self.method.classifier} out of the classifiers, or set"
                " train_vectors: in_sample."
            )
        return sigmoid


def quality(said, truth):
    """WA and UA, what settings are chosen by."""
    right = said == truth
    return right.mean(), np.mean([right[truth == label].mean() for label in np.unique(truth)])


def blocks_of(system, vectors, learned=None, missing=""):
    """The input of a system's classifier: {name: (n, d)}, to be concatenated, of vectors {modality: (n, d)}.

    Something neutral stands for the modality `missing`: what the combination calls NEUTRAL (ones in a product), else the
    mean of its rows in `learned`, which is zero for standardised vectors.
    """
    inputs = {modality: vectors[modality] for modality in system.modalities}
    if missing:
        neutral = _constant(system, "NEUTRAL")
        mean = learned[missing].mean(axis=0, keepdims=True)
        inputs[missing] = mean if neutral is None else np.full_like(mean, neutral)
    return inputs if side_by_side(system) else {"fused": combine(inputs, system.combination)}


def side_by_side(system):
    """Whether its classifier gets the modalities' vectors as they are."""
    return not system.combination or bool(_constant(system, "SIDE_BY_SIDE"))


def _constant(system, name):
    return kinds.constants(COMBINED).get(system.combination, {}).get(name)
