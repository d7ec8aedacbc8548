"""Calibration against brute force in plain Python and SciPy, against scikit-learn, and on the data that break it."""

import json
import math
import warnings

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, softmax
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics import brier_score_loss, log_loss
from sklearn.tree import DecisionTreeClassifier

from emofuse.fusion.calibration import (
    TEMPERATURES,
    Temperature,
    brier,
    expected_calibration_error,
    fit_sigmoid,
    fit_temperature,
    reliability,
)


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def draw(turns, temperature=1.0, seed=0, classes=4):
    """Scores (n, C) that are too sharp by `temperature`, and classes drawn from the right probabilities."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(turns, classes)) * 2
    truth = np.array([rng.choice(classes, p=row) for row in softmax(logits, axis=1)])
    return logits * temperature, truth


@pytest.mark.parametrize(("turns", "bins"), [(1, 15), (40, 15), (500, 15), (500, 4), (200, 1)])
def test_error_of_calibration_by_a_plain_loop(turns, bins):
    scores, truth = draw(turns, 2.0, seed=turns + bins)
    probabilities = softmax(scores, axis=1)
    probabilities[0] = [0.6, 0.4, 0, 0]  # 9 / 15: on the edge of a bin
    in_bin = {index: [] for index in range(bins)}
    for row, label in zip(probabilities, truth, strict=True):
        index = next(i for i in range(bins) if row.max() <= (i + 1) / bins)
        in_bin[index].append((row.max(), row.argmax() == label))
    expected = 0
    found = reliability(probabilities, truth, bins)
    assert [len(values) for values in found] == [bins] * 3
    for index, members in in_bin.items():
        n, confidence, accuracy = (values[index] for values in found)
        assert n == len(members)
        if members:
            mean_confidence, mean_right = (math.fsum(values) / n for values in zip(*members, strict=True))
            assert (confidence, accuracy) == pytest.approx((mean_confidence, mean_right))
            expected += n / turns * abs(mean_right - mean_confidence)
        else:
            assert math.isnan(confidence) and math.isnan(accuracy)
    assert expected_calibration_error(probabilities, truth, bins) == pytest.approx(expected)


def test_error_of_calibration_of_known_cases():
    certain = np.eye(4)[[0, 1, 2, 3]]
    assert expected_calibration_error(certain, np.array([0, 1, 2, 3])) == 0
    assert expected_calibration_error(certain, np.array([1, 2, 3, 0])) == 1
    assert expected_calibration_error(certain, np.array([0, 1, 3, 2])) == 0.5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("classes", [2, 4])
def test_brier_score_is_that_of_scikit_learn(classes, dtype):
    scores, truth = draw(300, 2.0, classes=classes)
    probabilities = softmax(scores, axis=1).astype(dtype)
    expected = brier_score_loss(truth, probabilities, labels=list(range(classes)), scale_by_half=False)
    assert brier(probabilities, truth) == pytest.approx(expected, rel=1e-6)
    # As the columns of a Parquet file are put together again: float32 values in a float64 array.
    assert brier(probabilities.astype(np.float64), truth) == pytest.approx(expected, rel=1e-6)
    assert brier(np.eye(classes)[truth], truth) == 0
    assert brier(np.eye(classes)[(truth + 1) % classes], truth) == 2


def negative_log_likelihood(temperature, scores, truth):
    """Mean over the turns, in plain Python."""
    total = 0
    for row, label in zip(scores, truth, strict=True):
        shifted = [(value - max(row)) / temperature for value in row]
        total += math.log(math.fsum(math.exp(value) for value in shifted)) - shifted[label]
    return total / len(truth)


@pytest.mark.parametrize(("turns", "true"), [(12, 1.0), (60, 0.4), (400, 1.7), (400, 8.0)])
def test_temperature_has_the_least_loss(turns, true):
    scores, truth = draw(turns, true, seed=turns)
    fitted = fit_temperature(scores, truth)
    least = negative_log_likelihood(fitted.temperature, scores, truth)
    for factor in [0.1, 0.5, 0.9, 0.99, 0.999, 1.001, 1.01, 1.1, 2, 10]:
        assert least < negative_log_likelihood(fitted.temperature * factor, scores, truth)
    by_brute_force = minimize(
        lambda x: negative_log_likelihood(math.exp(x[0]), scores, truth), [0.0], method="Nelder-Mead", tol=1e-9
    )
    assert fitted.temperature == pytest.approx(math.exp(by_brute_force.x[0]), rel=1e-4)
    if turns == 400:
        assert fitted.temperature == pytest.approx(true, rel=0.2)


class Given(DecisionTreeClassifier):
    """A classifier that is fitted already; its features are its decision values."""

    def fit(self, x, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, x):
        return x


def test_temperature_is_that_of_scikit_learn_where_that_can_fit_one():
    scores, truth = draw(500, 2.5)
    theirs = CalibratedClassifierCV(Given(), method="temperature", cv=[(np.arange(500), np.arange(500))], ensemble=True)
    theirs.fit(scores, truth)
    ours = fit_temperature(scores, truth)
    assert ours.temperature == pytest.approx(1 / theirs.calibrated_classifiers_[0].calibrators[0].beta_, rel=1e-5)
    np.testing.assert_allclose(ours.apply(scores), theirs.predict_proba(scores), atol=1e-6)


def test_temperature_keeps_the_prediction_and_mends_the_probabilities():
    scores, truth = draw(2_000, 3.0)
    fitted = fit_temperature(scores[:1_000], truth[:1_000])
    scores, truth = scores[1_000:], truth[1_000:]
    before, after = softmax(scores, axis=1), fitted.apply(scores)
    assert after.dtype == np.float64
    assert (after.argmax(axis=1) == scores.argmax(axis=1)).all()
    np.testing.assert_allclose(after.sum(axis=1), 1)
    assert expected_calibration_error(before, truth) > 0.15
    assert expected_calibration_error(after, truth) < 0.06
    assert brier(after, truth) < brier(before, truth) - 0.02
    assert log_loss(truth, after) < log_loss(truth, before)


def platt(scores, positive):
    """Slope and intercept by brute force, with the targets of Platt (1999)."""
    hits = positive.sum()
    target = np.where(positive, (hits + 1) / (hits + 2), 1 / (len(positive) - hits + 2))

    def loss(x):
        p = expit(x[0] * scores + x[1])
        return -(target * np.log(p) + (1 - target) * np.log(1 - p)).sum()

    return minimize(loss, [0.5, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}).x


@pytest.mark.parametrize("turns", [25, 600])
def test_sigmoid_is_platts_for_each_class(turns):
    scores, truth = draw(turns, 0.5, seed=5)
    fitted = fit_sigmoid(scores, truth)
    columns = []
    for label in range(4):
        slope, intercept = platt(scores[:, label], truth == label)
        assert (fitted.slopes[label], fitted.intercepts[label]) == pytest.approx((slope, intercept), abs=1e-4)
        columns.append(expit(slope * scores[:, label] + intercept))
    expected = np.column_stack(columns)
    np.testing.assert_allclose(fitted.apply(scores), expected / expected.sum(axis=1, keepdims=True), atol=1e-4)


@pytest.mark.parametrize("fit", [fit_temperature, fit_sigmoid])
def test_a_class_without_training_turns_gets_probability_zero(fit):
    scores, truth = draw(300)
    scores[:, 2] = np.nan
    probabilities = fit(scores, truth).apply(scores)
    assert (probabilities[:, 2] == 0).all()
    assert (probabilities[:, [0, 1, 3]] > 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_turns_that_no_temperature_makes_likelier_are_left_out():
    scores, truth = draw(300, 2.0)
    scores[:, 2] = np.nan
    kept = truth != 2
    assert fit_temperature(scores, truth) == fit_temperature(scores[kept], truth[kept])
    scores[np.arange(20), truth[:20]] = -np.inf
    kept[:20] = False
    fitted = fit_temperature(scores, truth)
    assert fitted == fit_temperature(scores[kept], truth[kept])
    probabilities = fitted.apply(scores)
    assert (probabilities[np.arange(20), truth[:20]] == 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_scores_of_minus_infinity_are_as_very_small_ones():
    scores, truth = draw(100, 2.0)
    scores[np.arange(100), (truth + 1) % 4] = -np.inf
    low = np.where(np.isneginf(scores), -1e6, scores)
    assert fit_temperature(scores, truth).temperature == pytest.approx(fit_temperature(low, truth).temperature)


def test_a_row_without_any_score_is_shared_out():
    nothing = [[-np.inf, -np.inf, np.nan, np.nan], [np.nan] * 4]
    assert Temperature(2.0).apply(nothing).tolist() == [[0.5, 0.5, 0, 0], [0.25] * 4]
    assert Temperature(2.0).apply(np.empty((0, 4))).shape == (0, 4)


def test_a_class_without_rows_still_competes_for_probability():
    scores, truth = draw(300, 2.0)
    kept = truth != 1
    scores, truth = scores[kept], truth[kept]
    temperature = fit_temperature(scores, truth)
    least = negative_log_likelihood(temperature.temperature, scores, truth)
    assert least < negative_log_likelihood(
        fit_temperature(scores[:, [0, 2, 3]], truth.clip(1) - 1).temperature, scores, truth
    )
    assert (temperature.apply(scores)[:, 1] > 0).all()
    sigmoid = fit_sigmoid(scores, truth)
    assert (sigmoid.apply(scores)[:, 1] == 0).all()
    assert sigmoid.describe()["slopes"][1] is None


@pytest.mark.parametrize("turns", [4, 200])
@pytest.mark.parametrize("sharpness", [0.01, 1, 1_000])
def test_rows_that_are_all_right_or_all_wrong_leave_everything_finite(turns, sharpness):
    scores, _ = draw(turns, sharpness, seed=1)
    for truth in (scores.argmax(axis=1), scores.argmin(axis=1)):
        assert len(np.unique(truth)) > 1
        fitted = fit_temperature(scores, truth)
        assert TEMPERATURES[0] <= fitted.temperature <= TEMPERATURES[1]
        for probabilities in (fitted.apply(scores), fit_sigmoid(scores, truth).apply(scores)):
            assert np.isfinite(probabilities).all()
            np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    right = fit_temperature(scores, scores.argmax(axis=1)).apply(scores)
    assert negative_log_likelihood(1.0, np.log(np.maximum(right, 1e-300)), scores.argmax(axis=1)) < 1.4


@pytest.mark.parametrize("fit", [fit_temperature, fit_sigmoid])
def test_of_fewer_than_two_classes_nothing_is_fitted(fit):
    scores, truth = draw(50)
    assert fit(scores, np.full(50, 3)) is None
    assert fit(scores[:1], truth[:1]) is None
    assert fit(scores[:0], truth[:0]) is None
    scores[:, 1:] = np.nan
    assert fit(scores, truth) is None


def test_two_classes():
    scores, truth = draw(400, 2.0, classes=2)
    scores = (scores - scores[:, ::-1]) / 2  # as the SVM's: one is the other with its sign turned
    for fit in (fit_temperature, fit_sigmoid):
        probabilities = fit(scores, truth).apply(scores)
        assert probabilities.shape == (400, 2)
        assert expected_calibration_error(probabilities, truth) < 0.08


def test_descriptions_are_json():
    scores, truth = draw(200, 1.5)
    fitted = fit_temperature(scores, truth)
    assert json.loads(json.dumps(fitted.describe())) == {"method": "temperature", "temperature": fitted.temperature}
    truth[truth == 0] = 1
    fitted = fit_sigmoid(scores.astype(np.float32), truth)
    described = json.loads(json.dumps(fitted.describe()))
    assert described["method"] == "sigmoid"
    assert described["slopes"] == [None, *fitted.slopes[1:]]
    assert described["intercepts"] == [None, *fitted.intercepts[1:]]
