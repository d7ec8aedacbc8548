"""Keeps the two-layer network as arrays."""

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from scipy.special import log_expit, log_softmax

from emofuse.fusion.vectors import Prediction

SENTENCE = "its weights hold no vector of a turn"
LEAST = np.log(np.finfo(np.float32).tiny)  # as fusion/classifiers/mlp.py has it


def keep(trained, blocks, folder):
    """Write mlp.safetensors into `folder`: weight.0 (d, width), bias.0, weight.1 (width, classes or 1), bias.1, float64.

    trained: a Classifier of one candidate.
    """
    [network] = trained.networks
    arrays = {f"weight.{layer}": array for layer, array in enumerate(network.coefs_)}
    arrays |= {f"bias.{layer}": array for layer, array in enumerate(network.intercepts_)}
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, Path(folder) / "mlp.safetensors")


class Kept:
    """What `keep` wrote."""

    def __init__(self, folder):
        self.arrays = load_file(Path(folder) / "mlp.safetensors")

    def predict(self, x):
        """The Prediction for vectors (n, d) float64, of the classes that it learned."""
        hidden = np.maximum(x @ self.arrays["weight.0"] + self.arrays["bias.0"], 0)
        last = hidden @ self.arrays["weight.1"] + self.arrays["bias.1"]
        two = last.shape[1] == 1  # scikit-learn then has one number, for the second class
        scores = np.maximum(log_expit(np.hstack([-last, last])) if two else log_softmax(last, axis=1), LEAST)
        return Prediction(scores.argmax(axis=1), scores)
