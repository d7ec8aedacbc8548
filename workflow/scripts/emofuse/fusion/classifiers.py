"""Trains a classifier on vectors and applies it: SVM, gradient-boosted trees, two-layer network.

Each is a class with the candidates of its settings, all of which are trained, and a method `predict(blocks, wanted)` that
gives the Predictions of those with the numbers `wanted`. `blocks` are vectors to be concatenated side by side,
{name: (n, d) float64}; one of them may have a single row, which then stands in each of the n.
"""

import itertools
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, reduce

import numpy as np
from threadpoolctl import ThreadpoolController

from emofuse.runtime.errors import EmofuseError


@dataclass
class Prediction:
    """What a classifier says of n turns: class indices (n,) and scores (n, classes) float64.

    softmax(scores) are its probabilities, but for the SVM's scores, which are decision values. A class without a single
    training turn has score nan. `notes` are remarks for the reader.
    """

    classes: np.ndarray
    scores: np.ndarray
    notes: list[str] = field(default_factory=list)


def combinations_of(settings):
    """All settings to try, in order: a list of values stands for each of them, in every combination."""
    values = [value if isinstance(value, list) else [value] for value in settings.values()]
    return [dict(zip(settings, combination, strict=True)) for combination in itertools.product(*values)]


def fit(classifier, blocks, labels, classes, candidates, seed, threads, distances=None):
    """A trained classifier (svm, xgboost or mlp) for each of the `candidates`, as one object with `predict`.

    blocks: {name: (m, d) float64}, the training rows alone; labels: (m,) class indices; classes: all names; candidates:
    dicts of settings, keyword arguments of the classifier. distances: the `Distances` from these blocks, where several
    SVMs share them. EmofuseError where fewer than two classes have training turns.
    """
    present, codes = np.unique(labels, return_inverse=True)
    if len(present) < 2:
        found = " and ".join(classes[index] for index in present) or "no class"
        raise EmofuseError(
            f"A classifier needs training turns of two classes or more; those that every modality has are of {found}."
        )
    if classifier == "svm":
        trained = SupportVectors(blocks, codes, candidates, threads, distances or Distances(blocks))
    else:
        trained = {"xgboost": Trees, "mlp": Network}[classifier](blocks, codes, candidates, seed, threads)
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


class Distances:
    """Squared Euclidean distances to the rows of some blocks, {name: (m, d)}, kept for each block.

    Those of a concatenation are the sum of its blocks', so SVMs of concatenations of the same blocks share them.
    """

    def __init__(self, blocks):
        self.blocks = blocks
        self._kept = {}

    def to(self, blocks):
        """(n, m) float64, new: from the rows of the concatenation of `blocks`, {name: (n or 1, d)}."""
        found = [self._of(name, x) for name, x in blocks.items()]
        return reduce(np.add, found) if len(found) > 1 else found[0].copy()

    def _of(self, name, x):
        if len(x) == 1:
            return squared_distances(x, self.blocks[name])
        key = (name, x is self.blocks[name])
        if key not in self._kept or self._kept[key][0] is not x:
            self._kept[key] = x, squared_distances(x, self.blocks[name])
        return self._kept[key][1]


def squared_distances(x, y):
    """Squared Euclidean distances of the rows of x (n, d) to those of y (m, d), by one matrix product."""
    distances = x @ y.T
    distances *= -2
    distances += np.einsum("ij,ij->i", x, x)[:, None]
    distances += np.einsum("ij,ij->i", y, y)
    return np.maximum(distances, 0, out=distances)


def blas_threads(count):
    """A context in which BLAS runs on `count` threads."""
    return _libraries().limit(limits=count, user_api="blas")


@cache
def _libraries():
    return ThreadpoolController()  # looks through all that is loaded, which takes longer than many a prediction


class SupportVectors:
    """Support vector machines with RBF kernel exp(-gamma |a - b|^2), as sklearn's SVC(kernel="rbf") but faster.

    Settings: C, gamma. The kernel is one matrix, made by BLAS, that all C share. gamma "scale" is 1 / (width x variance
    of all training values), as in sklearn. Scores are the one-versus-rest decision values. Where the pairwise votes that
    decide a prediction are tied, the prediction may be another class than that of the highest score, as in sklearn.
    """

    def __init__(self, blocks, labels, candidates, threads, distances):
        from sklearn.svm import SVC

        self.threads, self.distances = threads, distances
        self.gammas, self.machines = [], [None] * len(candidates)
        for settings in candidates:
            gamma = settings.get("gamma", "scale")
            self.gammas.append(scale_gamma(list(blocks.values())) if gamma == "scale" else gamma)

        def train(number):
            machine = SVC(C=candidates[number].get("C", 1.0), kernel="precomputed", cache_size=500)
            self.machines[number] = machine.fit(kernel, labels)

        for gamma, numbers in self._by_gamma(range(len(candidates))):
            kernel = self._kernel(blocks, gamma)
            with ThreadPoolExecutor(threads) as pool:  # libsvm runs on one thread, and outside the interpreter's lock
                list(pool.map(train, numbers))

    def predict(self, blocks, wanted):
        predictions = {}
        for gamma, numbers in self._by_gamma(wanted):
            kernel = self._kernel(blocks, gamma)
            for number in numbers:
                scores = self.machines[number].decision_function(kernel)
                if scores.ndim == 1:
                    scores = np.column_stack([-scores, scores])
                predictions[number] = Prediction(self.machines[number].predict(kernel), scores)
        return [predictions[number] for number in wanted]

    def _by_gamma(self, numbers):
        return [(gamma, [n for n in numbers if self.gammas[n] == gamma]) for gamma in dict.fromkeys(self.gammas)]

    def _kernel(self, blocks, gamma):
        with blas_threads(self.threads):
            kernel = self.distances.to(blocks)
            kernel *= -gamma
            return np.exp(kernel, out=kernel)


def scale_gamma(blocks):
    """sklearn's gamma="scale" for the concatenation of arrays (n, d), without concatenating them."""
    count = sum(x.size for x in blocks)
    mean = sum(x.sum() for x in blocks) / count
    variance = sum(np.square(x - mean).sum() for x in blocks) / count
    width = sum(x.shape[1] for x in blocks)
    return 1.0 / (width * variance) if variance > 0 else 1.0


class Trees:
    """Gradient-boosted trees on histograms of `max_bin` bins, by xgboost. Scores are margins.

    Settings: n_estimators, max_depth, learning_rate, max_bin. Candidates that differ in n_estimators alone are one
    training, of which the others take the first rounds.
    """

    def __init__(self, blocks, labels, candidates, seed, threads):
        import xgboost

        self.threads = threads
        self.rounds = [settings.get("n_estimators", 100) for settings in candidates]
        shapes = [{key: value for key, value in c.items() if key != "n_estimators"} for c in candidates]
        self.twins = [shapes.index(shape) for shape in shapes]
        self.trees = {}
        x = side_by_side(blocks)
        for number in dict.fromkeys(self.twins):
            shape = {"max_depth": 6, "learning_rate": 0.3, "max_bin": 64} | shapes[number]
            parameters = shape | {
                "objective": "multi:softprob",
                "num_class": int(labels.max()) + 1,
                "base_score": 0.5,  # left to itself, xgboost estimates it with a rounding that depends on the threads
                "tree_method": "hist",
                "seed": seed,
                "nthread": threads,
                "verbosity": 1,
            }
            data = xgboost.QuantileDMatrix(x, labels, max_bin=shape["max_bin"], nthread=threads)
            most = max(r for r, twin in zip(self.rounds, self.twins, strict=True) if twin == number)
            self.trees[number] = xgboost.train(parameters, data, num_boost_round=most)

    def predict(self, blocks, wanted):
        import xgboost

        data = xgboost.DMatrix(side_by_side(blocks), nthread=self.threads)
        margins = [
            self.trees[self.twins[n]].predict(data, output_margin=True, iteration_range=(0, self.rounds[n]))
            for n in wanted
        ]
        return [Prediction(scores.argmax(axis=1), scores) for scores in margins]


class Network:
    """Two-layer network: one hidden layer of rectified units and the output layer, by Adam with an L2 penalty.

    Settings: width (of the hidden layer), alpha (the penalty), learning_rate, max_iter. It trains until the training loss
    stops falling or for `max_iter` epochs, which is noted: early stopping would need turns held out at random. Scores are
    the probabilities' logarithms. BLAS runs on one thread whatever `threads` says, because rounding that depends on the
    number of threads would grow over the epochs.
    """

    def __init__(self, blocks, labels, candidates, seed, threads):
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPClassifier

        x = side_by_side(blocks)
        self.networks, self.notes = [], []
        for settings in candidates:
            epochs = settings.get("max_iter", 200)
            network = MLPClassifier(
                (settings.get("width", 256),),
                alpha=settings.get("alpha", 1e-4),
                learning_rate_init=settings.get("learning_rate", 1e-3),
                max_iter=epochs,
                random_state=seed,
            )
            with blas_threads(1), warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", ConvergenceWarning)
                network.fit(x, labels)
            unfinished = any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
            note = f"the network's loss was still falling after {epochs} epochs (max_iter)"
            self.networks.append(network)
            self.notes.append([note] if unfinished else [])

    def predict(self, blocks, wanted):
        x = side_by_side(blocks)
        predictions = []
        for number in wanted:
            with blas_threads(1):
                probabilities = self.networks[number].predict_proba(x)
            scores = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
            predictions.append(Prediction(scores.argmax(axis=1), scores, self.notes[number]))
        return predictions


def side_by_side(blocks):
    """The concatenation of blocks, {name: (n or 1, d)}, as (n, sum of d)."""
    rows = max(len(x) for x in blocks.values())
    return np.concatenate([np.broadcast_to(x, (rows, x.shape[1])) for x in blocks.values()], axis=1)
