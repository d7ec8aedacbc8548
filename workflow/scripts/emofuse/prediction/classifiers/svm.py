"""Keeps support vector machines with RBF kernel as arrays: their support vectors, or the landmarks of an approximation."""

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from emofuse.fusion.distances import squared_distances
from emofuse.fusion.vectors import Prediction, side_by_side
from emofuse.runtime.store import read_json, write_json

SENTENCE = "its support vectors, or its landmarks, are vectors of the turns that it learned from"


def keep(trained, blocks, folder):
    """Write svm.safetensors and svm.json into `folder`.

    trained: a `fusion/classifiers` Classifier of one candidate, that learned from `blocks`. Arrays, float64: vectors (s, d),
    the support vectors, in the order of their classes, or landmarks; weights (classes - 1, s), or (classes or 1, s) of an
    approximation; intercepts, one a pair of classes or a row of weights. int64: counts (classes,), support vectors of each
    class; or, float64, map (s, s), which makes kernels with landmarks what the weights are of.
    """
    machines = trained.machines
    [machine], [gamma] = machines.machines, machines.gammas
    if hasattr(machines, "maps"):
        mapping = machines.maps[gamma]
        arrays = {"vectors": mapping.components_, "map": mapping.normalization_, "weights": machine.coef_}
    else:
        arrays = {"vectors": side_by_side(blocks)[machine.support_], "weights": machine.dual_coef_}
        arrays["counts"] = machine.n_support_.astype(np.int64)
    arrays["intercepts"] = machine.intercept_
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, Path(folder) / "svm.safetensors")
    write_json(Path(folder) / "svm.json", {"kernel": "rbf", "gamma": float(gamma)})


class Kept:
    """What `keep` wrote."""

    def __init__(self, folder):
        arrays = load_file(Path(folder) / "svm.safetensors")
        self.vectors, self.weights, self.intercepts = (arrays[name] for name in ("vectors", "weights", "intercepts"))
        self.map, self.counts = arrays.get("map"), arrays.get("counts")
        self.gamma = read_json(Path(folder) / "svm.json")["gamma"]

    def predict(self, x):
        """The Prediction for vectors (n, d) float64, of the classes that it learned."""
        kernel = np.exp(-self.gamma * squared_distances(x, self.vectors))
        if self.map is not None:
            mapped = (kernel @ self.map.T).astype(np.float32)  # as the machine learned from it
            values = mapped.astype(np.float64) @ self.weights.T + self.intercepts
            scores = np.column_stack([-values, values]) if values.shape[1] == 1 else values
            return Prediction(scores.argmax(axis=1), scores)
        if len(self.counts) == 2:  # scikit-learn turns the sign of two classes around
            values = kernel @ self.weights[0] + self.intercepts[0]
            return Prediction((values > 0).astype(np.int64), np.column_stack([-values, values]))
        return self._by_votes(kernel)

    def _by_votes(self, kernel):
        """As scikit-learn has it: the votes of the pairs, and by how much they were won, as less than a third of a vote."""
        count, starts = len(self.counts), np.concatenate([[0], np.cumsum(self.counts)])
        votes, sums = np.zeros((2, len(kernel), count))
        for number, (one, other) in enumerate(zip(*np.triu_indices(count, 1), strict=True)):
            mine, yours = (slice(starts[of], starts[of + 1]) for of in (one, other))
            values = kernel[:, mine] @ self.weights[other - 1, mine] + kernel[:, yours] @ self.weights[one, yours]
            values += self.intercepts[number]
            votes[:, one] += values >= 0
            votes[:, other] += values < 0
            sums[:, one] += values
            sums[:, other] -= values
        return Prediction(votes.argmax(axis=1), votes + sums / (3 * (np.abs(sums) + 1)))
