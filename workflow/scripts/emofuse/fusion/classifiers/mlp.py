"""Two-layer network."""

import warnings

import numpy as np

from emofuse.fusion.vectors import Prediction, blas_threads, side_by_side

PLACE = 3
TITLE = "two-layer network"
SENTENCE = "The two-layer network."
SETTINGS = {
    "width": {
        "type": "integer",
        "minimum": 1,
        "maximum": 2147483647,
        "default": 256,
        "description": "Units of the hidden layer.",
        "listed": True,
    },
    "alpha": {"type": "number", "minimum": 0, "default": 1e-4, "description": "L2 penalty."},
    "learning_rate": {
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": 1,
        "default": 1e-3,
        "description": "Initial step of Adam.",
    },
    "max_iter": {
        "type": "integer",
        "minimum": 1,
        "maximum": 2147483647,
        "default": 200,
        "description": "Epochs at most.",
    },
}


class Classifier:
    """Two-layer network: one hidden layer of rectified units and the output layer, by Adam with an L2 penalty.

    Settings: width (of the hidden layer), alpha (the penalty), learning_rate, max_iter. It trains until the training loss
    stops falling or for `max_iter` epochs, which is noted: early stopping would need turns held out at random. Scores are
    the probabilities' logarithms. BLAS runs on one thread whatever `threads` says, because rounding that depends on the
    number of threads would grow over the epochs.
    """

    def __init__(self, lesson, candidates):
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPClassifier

        x = side_by_side(lesson.blocks)
        self.networks, self.notes = [], []
        for settings in candidates:
            epochs = settings["max_iter"]
            network = MLPClassifier(
                (settings["width"],),
                alpha=settings["alpha"],
                learning_rate_init=settings["learning_rate"],
                max_iter=epochs,
                random_state=lesson.seed,
            )
            with blas_threads(1), warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", ConvergenceWarning)
                network.fit(x, lesson.labels)
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
