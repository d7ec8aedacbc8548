"""Turns scores into probabilities that mean something, and measures whether they do."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_expit, log_softmax, softmax

TEMPERATURES = (0.05, 100.0)  # few rows, all of them right, would drive it to 0, and scores that mislead to infinity


def reliability(probabilities, truth, bins=15):
    """Turns (int64), mean confidence and accuracy (float64, nan without turns) of `bins` bins, (bins,) each.

    Confidence is the highest probability of a turn, (n, C), and the class that has it is compared with `truth`, (n,)
    class indices. Bin i is of confidences above i / bins, up to and with (i + 1) / bins.
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    confidence = probabilities.max(axis=1)
    edges = np.arange(1, bins) / bins
    found = np.searchsorted(edges, confidence)
    right = probabilities.argmax(axis=1) == truth
    turns = np.bincount(found, minlength=bins)
    filled = np.where(turns, turns, np.nan)
    means = (np.bincount(found, weights=values, minlength=bins) / filled for values in (confidence, right))
    return turns, *means


def expected_calibration_error(probabilities, truth, bins=15):
    """Mean distance of accuracy and confidence over the bins of `reliability`, weighted by turns (Guo et al. 2017)."""
    return error_of_bins(*reliability(probabilities, truth, bins))


def error_of_bins(turns, confidence, accuracy):
    """Expected calibration error, a fraction, of bins as of `reliability`."""
    return float(np.nansum(turns * np.abs(accuracy - confidence)) / np.sum(turns))


def brier(probabilities, truth):
    """Mean over the turns of the squared distance of probabilities (n, C) from truth (n,): 0 is best, 2 worst."""
    # sklearn's brier_score_loss takes probabilities that were stored as float32 for such as do not sum to 1.
    probabilities = np.asarray(probabilities, dtype=np.float64)
    return float(np.square(probabilities - np.eye(probabilities.shape[1])[truth]).sum(axis=1).mean())


@dataclass(frozen=True)
class Temperature:
    """Probabilities as softmax(scores / temperature); the most probable class stays the same."""

    temperature: float

    def apply(self, scores):
        """Probabilities (n, C) float64 of scores (n, C), each row's sum 1; 0 where the score is nan or -inf."""
        return _normalised(np.asarray(scores, dtype=np.float64) / self.temperature)

    def describe(self):
        """What was fitted, for metadata."""
        return {"method": "temperature", "temperature": self.temperature}


@dataclass(frozen=True)
class Sigmoid:
    """Probabilities as 1 / (1 + exp(-(slope * score + intercept))) of each class, divided by their sum.

    slopes, intercepts: (C,) float64; nan for a class that could not be fitted, which gets probability 0. The most
    probable class may be another than that of the highest score.
    """

    slopes: np.ndarray
    intercepts: np.ndarray

    def apply(self, scores):
        """Probabilities (n, C) float64 of decision values (n, C), each row's sum 1; 0 where the value is nan."""
        return _normalised(log_expit(np.asarray(scores, dtype=np.float64) * self.slopes + self.intercepts))

    def describe(self):
        """What was fitted, for metadata; None for a class that could not be fitted."""

        def plain(values):
            return [None if np.isnan(value) else float(value) for value in values]

        return {"method": "sigmoid", "slopes": plain(self.slopes), "intercepts": plain(self.intercepts)}


def fit_temperature(scores, truth):
    """The Temperature with the least negative log likelihood, within TEMPERATURES; None where none can be fitted.

    scores: (n, C), whose softmax is the uncalibrated probability, nan for a class without training turns; truth: (n,)
    class indices. Turns whose own class has the score nan or -inf are left out, for no temperature makes them likelier.
    None where the others are of fewer than two classes.

    sklearn's CalibratedClassifierCV(method="temperature") would have to see every class among the turns, takes scores
    that look like probabilities for such, and knows no -inf; in other cases it finds the same.
    """
    scores, truth = np.asarray(scores, dtype=np.float64), np.asarray(truth)
    scores = np.where(np.isnan(scores), -np.inf, scores)
    own = np.isfinite(scores[np.arange(len(truth)), truth])
    scores, truth = scores[own], truth[own]
    if len(np.unique(truth)) < 2:
        return None

    def loss(log_temperature):
        return -log_softmax(scores / np.exp(log_temperature), axis=1)[np.arange(len(truth)), truth].mean()

    found = minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded", options={"xatol": 1e-8})
    return Temperature(float(np.exp(found.x)))


def fit_sigmoid(scores, truth):
    """A Sigmoid by Platt's method, one class versus the rest; None where fewer than two classes can be fitted.

    scores: (n, C) decision values, nan for a class without training turns; truth: (n,) class indices. A class is fitted
    on the turns in which it has a score, if some of them are its own and some are not.
    """
    from sklearn.calibration import CalibratedClassifierCV  # here, for it takes a second that the argmax does not need

    scores, truth = np.asarray(scores, dtype=np.float64), np.asarray(truth)
    slopes, intercepts = np.full((2, scores.shape[1]), np.nan)
    for label in np.unique(truth):
        rows = np.flatnonzero(np.isfinite(scores[:, label]))
        if 0 < np.count_nonzero(truth[rows] == label) < len(rows):
            # Nothing is fitted but the sigmoid, so one fold of all turns does; five would need five of each class.
            folds = [(np.arange(len(rows)),) * 2]
            machine = CalibratedClassifierCV(_given(), method="sigmoid", cv=folds, ensemble=True)
            machine.fit(scores[rows][:, [label]], truth[rows] == label)
            fitted = machine.calibrated_classifiers_[0].calibrators[0]
            slopes[label], intercepts[label] = -fitted.a_, -fitted.b_
    return Sigmoid(slopes, intercepts) if np.isfinite(slopes).sum() > 1 else None


def _given():
    """A classifier of two classes whose decision values are its one feature."""
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Given(ClassifierMixin, BaseEstimator):
        classes_ = np.array([False, True])

        def fit(self, scores, truth):
            return self

        def decision_function(self, scores):
            return scores[:, 0]

    return Given()


def _normalised(scores):
    """softmax of the rows, nan as -inf; a row of nothing else is shared out among all its classes but those with nan."""
    known = np.where(np.isnan(scores), -np.inf, scores)
    none = np.isneginf(known).all(axis=1)
    known[none] = np.where(np.isneginf(scores[none]), 0.0, -np.inf)
    known[np.isneginf(known).all(axis=1)] = 0.0
    return softmax(known, axis=1)
