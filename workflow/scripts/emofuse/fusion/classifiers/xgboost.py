"""Gradient-boosted trees."""

import numpy as np

from emofuse.fusion.vectors import Prediction, side_by_side

PLACE = 2
TITLE = "XGBoost"
SENTENCE = "Gradient-boosted trees."
SETTINGS = {
    "n_estimators": {
        "type": "integer",
        "minimum": 1,
        "maximum": 2147483647,
        "default": 100,
        "description": "Boosting rounds.",
        "listed": True,
    },
    "max_depth": {
        "type": "integer",
        "minimum": 1,
        "maximum": 2147483647,
        "default": 6,
        "description": "Depth of a tree.",
        "listed": True,
    },
    "learning_rate": {
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": 1,
        "default": 0.3,
        "description": "Shrinkage of each tree.",
    },
    "max_bin": {
        "type": "integer",
        "minimum": 2,
        "maximum": 2147483647,
        "default": 64,
        "description": "Histogram bins a feature.",
    },
}


class Classifier:
    """Gradient-boosted trees on histograms of `max_bin` bins, by xgboost. Scores are margins.

    Settings: n_estimators, max_depth, learning_rate, max_bin. Candidates that differ in n_estimators alone are one
    training, of which the others take the first rounds.
    """

    def __init__(self, lesson, candidates):
        import xgboost

        self.threads = lesson.threads
        self.rounds = [settings["n_estimators"] for settings in candidates]
        shapes = [{key: value for key, value in c.items() if key != "n_estimators"} for c in candidates]
        self.twins = [shapes.index(shape) for shape in shapes]
        self.trees = {}
        x = side_by_side(lesson.blocks, np.float32)  # which xgboost would make of it
        for number in dict.fromkeys(self.twins):
            parameters = shapes[number] | {
                "objective": "multi:softprob",
                "num_class": int(lesson.labels.max()) + 1,
                "base_score": 0.5,  # left to itself, xgboost estimates it with a rounding that depends on the threads
                "tree_method": "hist",
                "seed": lesson.seed,
                "nthread": lesson.threads,
                "verbosity": 1,
            }
            data = xgboost.QuantileDMatrix(x, lesson.labels, max_bin=parameters["max_bin"], nthread=lesson.threads)
            most = max(r for r, twin in zip(self.rounds, self.twins, strict=True) if twin == number)
            self.trees[number] = xgboost.train(parameters, data, num_boost_round=most)

    def predict(self, blocks, wanted):
        import xgboost

        data = xgboost.DMatrix(side_by_side(blocks, np.float32), nthread=self.threads)
        margins = [
            self.trees[self.twins[n]].predict(data, output_margin=True, iteration_range=(0, self.rounds[n]))
            for n in wanted
        ]
        return [Prediction(scores.argmax(axis=1), scores) for scores in margins]
