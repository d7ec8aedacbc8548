"""Trains a classifier with each of its candidate settings, whatever classes the training rows have."""

import itertools
from dataclasses import dataclass, replace

import numpy as np

from emofuse.fusion.systems import LEARNERS
from emofuse.runtime import kinds
from emofuse.runtime.errors import EmofuseError


def combinations_of(settings):
    """All settings to try, in order: a list of values stands for each of them, in every combination."""
    values = [value if isinstance(value, list) else [value] for value in settings.values()]
    return [dict(zip(settings, combination, strict=True)) for combination in itertools.product(*values)]


def fit(classifier, lesson, classes, candidates):
    """A trained classifier, named by its file, for each of the `candidates`, as one object with `predict`.

    lesson: a `Lesson` whose labels are indices into `classes`, all names; candidates: dicts of settings, with the file's
    defaults for those not named. EmofuseError where fewer than two classes have training turns.
    """
    present, codes = np.unique(lesson.labels, return_inverse=True)
    if len(present) < 2:
        found = " and ".join(classes[index] for index in present) or "no class"
        raise EmofuseError(
            f"A classifier needs training turns of two classes or more; those that every modality has are of {found}."
        )
    module = kinds.load(LEARNERS, classifier)
    defaults = {name: setting["default"] for name, setting in module.SETTINGS.items()}
    candidates = [defaults | settings for settings in candidates]
    trained = module.Classifier(replace(lesson, labels=codes), candidates)
    return Trained(trained, present, len(classes))


@dataclass
class Trained:
    """A classifier that knows the classes `present` in its training rows, as one of all `count` classes."""

    classifier: object
    present: np.ndarray
    count: int

    def predict(self, blocks, wanted):
        """A list of Predictions, one for each of the candidates with the numbers `wanted`."""
        predictions = self.classifier.predict(blocks, wanted)
        for prediction in predictions:
            scores = np.full((len(prediction.scores), self.count), np.nan)
            scores[:, self.present] = prediction.scores
            prediction.classes, prediction.scores = self.present[prediction.classes], scores
        return predictions
