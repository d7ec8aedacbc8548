"""Keeps gradient-boosted trees in XGBoost's own format, UBJSON."""

from pathlib import Path

from emofuse.fusion.vectors import Prediction

SENTENCE = "its trees hold thresholds of vectors, and no vector of a turn"


def keep(trained, blocks, folder):
    """Write xgboost.ubj, of the rounds that count, into `folder`. trained: a Classifier of one candidate."""
    [rounds] = trained.rounds
    trained.trees[0][:rounds].save_model(Path(folder) / "xgboost.ubj")


class Kept:
    """What `keep` wrote."""

    def __init__(self, folder):
        import xgboost

        self.trees = xgboost.Booster(model_file=Path(folder) / "xgboost.ubj")

    def predict(self, x):
        """The Prediction for vectors (n, d) float64, of the classes that it learned."""
        import xgboost

        scores = self.trees.predict(xgboost.DMatrix(x), output_margin=True)
        return Prediction(scores.argmax(axis=1), scores)
