"""Trains a classifier on fused vectors and applies it: SVM, gradient-boosted trees, two-layer network."""

import warnings
from dataclasses import dataclass, field

import numpy as np
from threadpoolctl import threadpool_limits

from emofuse.errors import EmofuseError


@dataclass
class Prediction:
    """What a classifier says of m turns: class indices (m,), raw scores (m, classes), probabilities alike or None.

    A class without a single training turn has score nan and probability 0. `notes` are remarks for the reader.
    """

    classes: np.ndarray
    scores: np.ndarray
    probabilities: np.ndarray | None
    notes: list[str] = field(default_factory=list)


class Distances:
    """Squared Euclidean distances from every row to every training row, kept per modality.

    Those of a concatenation are the sum of its modalities', so systems that concatenate the same modalities share them.
    """

    def __init__(self, training):
        self.training = training
        self._kept = {}

    def of(self, blocks):
        """(n, training rows) float64 for the concatenation of `blocks`, {name: (n, d)}; a new array each time."""
        if len(blocks) == 1:
            return squared_distances(*blocks.values(), self.training)
        for name in blocks.keys() - self._kept.keys():
            self._kept[name] = squared_distances(blocks[name], self.training)
        return np.add.reduce([self._kept[name] for name in blocks])


def squared_distances(x, training):
    """Squared Euclidean distances of the rows of x (n, d) to its training rows, by one matrix product."""
    squares = np.einsum("ij,ij->i", x, x)
    distances = x @ x[training].T
    distances *= -2
    distances += squares[:, None]
    distances += squares[training]
    return np.maximum(distances, 0, out=distances)


def fit_predict(classifier, blocks, training, labels, classes, settings, seed, threads, distances=None):
    """Fit on the training rows alone and predict all others.

    classifier: svm, xgboost or mlp, with `settings` as keyword arguments of the function of that name.
    blocks: {name: (n, d) float64}, concatenated side by side. training: (n,) bool. labels: (n,) class indices, of which
    only the training rows' are looked at. classes: names, for messages. distances: a `Distances` to share between
    systems of one kind. Returns a Prediction for the rows outside training. EmofuseError where fewer than two classes
    have training turns.
    """
    present, codes = np.unique(labels[training], return_inverse=True)
    if len(present) < 2:
        found = " and ".join(classes[index] for index in present) or "no class"
        raise EmofuseError(
            f"A classifier needs training turns of two classes or more; those that every modality has are of {found}."
        )
    if classifier == "svm":
        result = svm(blocks, training, codes, threads=threads, distances=distances, **settings)
    else:
        x = np.concatenate(list(blocks.values()), axis=1)
        train = {"xgboost": xgboost, "mlp": mlp}[classifier]
        result = train(x[training], codes, x[~training], seed=seed, threads=threads, **settings)

    def spread(values, absent):
        wide = np.full((len(values), len(classes)), absent, dtype=np.float64)
        wide[:, present] = values
        return wide

    probabilities = None if result.probabilities is None else spread(result.probabilities, 0.0)
    return Prediction(present[result.classes], spread(result.scores, np.nan), probabilities, result.notes)


def svm(blocks, training, labels, C=1.0, gamma="scale", threads=1, distances=None):
    """Support vector machine with RBF kernel exp(-gamma |a - b|^2), as sklearn's SVC(kernel="rbf") but faster.

    The kernel is one matrix, made by BLAS. gamma "scale" is 1 / (width x variance of all training values), as in
    sklearn. Scores are the one-versus-rest decision values; there are no probabilities. Where the pairwise votes that
    decide a prediction are tied, the prediction may be another class than that of the highest score, as in sklearn.
    """
    from sklearn.svm import SVC

    with threadpool_limits(threads):
        kernel = (distances or Distances(training)).of(blocks)
        kernel *= -(scale_gamma([x[training] for x in blocks.values()]) if gamma == "scale" else gamma)
        np.exp(kernel, out=kernel)
        machine = SVC(C=C, kernel="precomputed", cache_size=500).fit(kernel[training], labels)
        rest = kernel[~training]
        scores = machine.decision_function(rest)
        if scores.ndim == 1:
            scores = np.column_stack([-scores, scores])
        return Prediction(machine.predict(rest), scores, None)


def scale_gamma(blocks):
    """sklearn's gamma="scale" for the concatenation of arrays (n, d), without concatenating them."""
    count = sum(x.size for x in blocks)
    mean = sum(x.sum() for x in blocks) / count
    variance = sum(np.square(x - mean).sum() for x in blocks) / count
    width = sum(x.shape[1] for x in blocks)
    return 1.0 / (width * variance) if variance > 0 else 1.0


def xgboost(x, labels, rest, n_estimators=100, max_depth=6, learning_rate=0.3, max_bin=64, seed=0, threads=1):
    """Gradient-boosted trees on histograms of `max_bin` bins. Scores are margins, probabilities their softmax."""
    import xgboost

    parameters = {
        "objective": "multi:softprob",
        "num_class": int(labels.max()) + 1,
        "base_score": 0.5,  # left to itself, xgboost estimates it with a rounding that depends on the number of threads
        "tree_method": "hist",
        "max_depth": max_depth,
        "learning_rate": learning_rate,
        "max_bin": max_bin,
        "seed": seed,
        "nthread": threads,
        "verbosity": 1,
    }
    data = xgboost.QuantileDMatrix(x, labels, max_bin=max_bin, nthread=threads)
    trees = xgboost.train(parameters, data, num_boost_round=n_estimators)
    rest = xgboost.DMatrix(rest, nthread=threads)
    margins, probabilities = trees.predict(rest, output_margin=True), trees.predict(rest)
    return Prediction(probabilities.argmax(axis=1), margins, probabilities)


def mlp(x, labels, rest, width=256, alpha=1e-4, learning_rate=1e-3, max_iter=200, seed=0, threads=1):
    """Two-layer network: one hidden layer of `width` rectified units and the output layer, by Adam, L2 penalty `alpha`.

    It trains until the training loss stops falling or for `max_iter` epochs, which is noted: early stopping would need
    turns held out at random. Scores are the probabilities' logarithms. BLAS runs on one thread whatever `threads` says,
    because rounding that depends on the number of threads would grow over the epochs.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    network = MLPClassifier(
        (width,), alpha=alpha, learning_rate_init=learning_rate, max_iter=max_iter, random_state=seed
    )
    with threadpool_limits(1), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        network.fit(x, labels)
        probabilities = network.predict_proba(rest)
    unfinished = any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
    notes = [f"the network's loss was still falling after {max_iter} epochs (max_iter)"] if unfinished else []
    scores = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    return Prediction(probabilities.argmax(axis=1), scores, probabilities, notes)
