"""Support vector machines with RBF kernel."""

from concurrent.futures import ThreadPoolExecutor
from functools import reduce

import numpy as np

from emofuse.fusion.classifiers._nystroem import LANDMARKS, Approximated, chunks
from emofuse.fusion.vectors import Prediction, blas_threads, joined

MOST = 10_000  # turns to learn from, or to be asked about at once, of which a kernel is made: 0.8 GB a modality
APPROXIMATED = f"the SVM's kernel is approximated by {LANDMARKS:,} training turns (Nystroem), of more than {MOST:,}"
PLACE = 1
TITLE = "SVM"
DECISION_VALUES = True  # its scores are no logarithms of probabilities
SENTENCE = "RBF support vector machine; its kernel is approximated where it learns from more than 10,000 turns."
SETTINGS = {
    "C": {
        "type": "number",
        "exclusiveMinimum": 0,
        "default": 1.0,
        "description": "Inverse strength of regularisation.",
        "listed": True,
    },
    "gamma": {
        "oneOf": [{"const": "scale"}, {"type": "number", "exclusiveMinimum": 0}],
        "default": "scale",
        "description": "Width of the kernel: a number, or `scale` for 1 / (width of the vectors × their variance), as in "
        "scikit-learn.",
        "listed": True,
    },
}


class Classifier:
    """Support vector machines with RBF kernel exp(-gamma |a - b|^2), as sklearn's SVC(kernel="rbf") but faster.

    Settings: C, gamma. gamma "scale" is 1 / (width x variance of all training values), as in sklearn. Of `MOST` training
    turns or fewer the kernel is one matrix, made by BLAS, that all C share; of more it is approximated, which is noted, and
    the settings mean the same. Scores are the one-versus-rest decision values. Where the pairwise votes that decide a
    prediction are tied, the prediction may be another class than that of the highest score, as in sklearn.
    """

    def __init__(self, lesson, candidates):
        wanted = [settings["gamma"] for settings in candidates]
        scaled = scale_gamma(list(lesson.blocks.values())) if "scale" in wanted else None
        gammas = [scaled if gamma == "scale" else gamma for gamma in wanted]
        strengths = [settings["C"] for settings in candidates]
        if len(lesson.labels) > MOST:
            self.machines = Approximated(lesson, strengths, gammas, APPROXIMATED)
        else:
            self.machines = Exact(lesson, strengths, gammas)

    def predict(self, blocks, wanted):
        return self.machines.predict(blocks, wanted)


class Exact:
    """sklearn's SVC on kernels of all training turns. strengths, gammas: C and kernel width of each candidate."""

    def __init__(self, lesson, strengths, gammas):
        from sklearn.svm import SVC

        self.threads, self.distances = lesson.threads, lesson.distances
        self.gammas, self.machines = gammas, [None] * len(gammas)

        def train(number):
            machine = SVC(C=strengths[number], kernel="precomputed", cache_size=500)
            self.machines[number] = machine.fit(kernel, lesson.labels)

        for gamma, numbers in self._by_gamma(range(len(gammas))):
            kernel = self._kernel(lesson.blocks, gamma)
            # libsvm runs on one thread, and outside the interpreter's lock.
            with ThreadPoolExecutor(self.threads) as pool:
                list(pool.map(train, numbers))

    def predict(self, blocks, wanted):
        several = [self._said(chunk, wanted) for chunk in chunks(blocks, MOST)]
        return [reduce(joined, of_chunks) for of_chunks in zip(*several, strict=True)]

    def _said(self, blocks, wanted):
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
