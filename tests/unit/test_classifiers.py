import subprocess
import sys

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from emofuse import classifiers
from emofuse.classifiers import Distances, fit_predict, mlp, scale_gamma, squared_distances, svm
from emofuse.errors import EmofuseError

CLASSES = ["ang", "hap", "neu", "sad"]
SETTINGS = {
    "svm": {"C": 2.0, "gamma": "scale"},
    "xgboost": {"n_estimators": 8, "max_depth": 3, "learning_rate": 0.3, "max_bin": 32},
    "mlp": {"width": 12, "alpha": 1e-4, "learning_rate": 5e-3, "max_iter": 60},
}


@pytest.fixture
def data():
    """Two blocks of unequal width, 240 turns, 160 of them training."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 4, 240)
    blocks = {
        "text": 0.9 * rng.normal(size=(4, 7))[labels] + rng.normal(size=(240, 7)),
        "audio": 0.9 * rng.normal(size=(4, 5))[labels] + 3 * rng.normal(size=(240, 5)),
    }
    return blocks, np.arange(240) % 3 != 0, labels


def run(classifier, data, seed=0, threads=1, **changed):
    blocks, training, labels = data
    return fit_predict(classifier, blocks, training, labels, CLASSES, SETTINGS[classifier] | changed, seed, threads)


def test_squared_distances_by_hand():
    x = np.random.default_rng(0).normal(size=(9, 3))
    training = np.arange(9) < 4
    expected = [[sum((a - b) ** 2) for b in x[:4]] for a in x]
    np.testing.assert_allclose(squared_distances(x, training), expected, atol=1e-12)
    assert (squared_distances(1e6 + x, training) >= 0).all()


@pytest.mark.parametrize(("c", "gamma"), [(1.0, "scale"), (10.0, "scale"), (1.0, 0.05), (0.3, 0.5)])
def test_svm_equals_sklearns_rbf(data, c, gamma):
    blocks, training, labels = data
    x = np.concatenate(list(blocks.values()), axis=1)
    reference = SVC(C=c, gamma=gamma, kernel="rbf").fit(x[training], labels[training])
    result = run("svm", data, C=c, gamma=gamma)
    np.testing.assert_array_equal(result.classes, reference.predict(x[~training]))
    np.testing.assert_allclose(result.scores, reference.decision_function(x[~training]), atol=1e-6)
    assert result.probabilities is None
    if gamma == "scale":
        assert 0.4 < (result.classes == labels[~training]).mean() < 1


def test_gamma_scale_of_blocks_is_that_of_their_concatenation(data):
    x = np.concatenate(list(data[0].values()), axis=1)
    assert scale_gamma(list(data[0].values())) == pytest.approx(1 / (x.shape[1] * x.var()), rel=1e-12)


def test_distances_are_computed_once_a_modality_and_shared(data, monkeypatch):
    blocks, training, labels = data
    blocks = {**blocks, "video": np.random.default_rng(5).normal(size=(240, 6))}
    computed = []

    def counted(x, mask):
        computed.append(x.shape[1])
        return squared_distances(x, mask)

    monkeypatch.setattr(classifiers, "squared_distances", counted)
    shared = Distances(training)
    for names in (["text", "audio", "video"], ["text", "audio"], ["audio", "video"], ["text", "audio", "video"]):
        subset = {name: blocks[name] for name in names}
        x = np.concatenate(list(subset.values()), axis=1)
        result = svm(subset, training, labels[training], distances=shared)
        expected = SVC().fit(x[training], labels[training]).predict(x[~training])
        np.testing.assert_array_equal(result.classes, expected)
    assert sorted(computed) == [5, 6, 7]


@pytest.mark.parametrize("classifier", SETTINGS)
def test_rows_outside_training_change_nothing_that_is_fitted(data, classifier):
    blocks, training, labels = data
    before = run(classifier, data)
    rest = np.flatnonzero(~training)
    spoiled = {name: x.copy() for name, x in blocks.items()}
    for x in spoiled.values():
        x[rest[40:]] = 1e3
    shuffled = labels.copy()
    shuffled[rest] = shuffled[rest][::-1]
    after = run(classifier, (spoiled, training, shuffled))
    np.testing.assert_array_equal(before.classes[:40], after.classes[:40])
    np.testing.assert_allclose(before.scores[:40], after.scores[:40], atol=1e-9)


@pytest.mark.parametrize("classifier", SETTINGS)
def test_the_same_again_and_on_more_threads(data, classifier):
    first = run(classifier, data, threads=1)
    for threads in (1, 2):
        again = run(classifier, data, threads=threads)
        np.testing.assert_array_equal(first.classes, again.classes)
        np.testing.assert_array_equal(first.scores.astype(np.float32), again.scores.astype(np.float32))


@pytest.mark.parametrize("classifier", ["xgboost", "mlp"])
def test_probabilities_agree_with_scores_and_predictions(data, classifier):
    result = run(classifier, data)
    np.testing.assert_allclose(result.probabilities.sum(axis=1), 1, atol=1e-6)
    powers = np.exp(result.scores - result.scores.max(axis=1, keepdims=True))
    np.testing.assert_allclose(result.probabilities, powers / powers.sum(axis=1, keepdims=True), atol=1e-6)
    np.testing.assert_array_equal(result.classes, result.probabilities.argmax(axis=1))
    assert (result.classes == data[2][~data[1]]).mean() > 0.4


@pytest.mark.parametrize("classifier", SETTINGS)
@pytest.mark.parametrize("known", [[1, 2, 3], [0, 2]])
def test_classes_without_training_turns_are_never_predicted(data, classifier, known):
    blocks, training, labels = data
    result = run(classifier, (blocks, training & np.isin(labels, known), labels))
    assert set(result.classes) == set(known)
    absent = [index for index in range(4) if index not in known]
    assert np.isnan(result.scores[:, absent]).all()
    assert np.isfinite(result.scores[:, known]).all()
    agreement = (result.scores[:, known].argmax(axis=1) == np.searchsorted(known, result.classes)).mean()
    assert agreement > 0.95 if classifier == "svm" else agreement == 1  # the SVM's votes may be tied
    if result.probabilities is not None:
        assert (result.probabilities[:, absent] == 0).all()
        np.testing.assert_allclose(result.probabilities.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("classifier", SETTINGS)
def test_one_class_is_nothing_to_learn_from(data, classifier):
    blocks, training, labels = data
    with pytest.raises(EmofuseError, match="two classes or more; those that every modality has are of hap"):
        run(classifier, (blocks, training & (labels == 1), labels))


def test_a_network_that_ran_out_of_epochs_is_noted(data, recwarn):
    assert "after 3 epochs" in run("mlp", data, max_iter=3).notes[0]
    assert run("mlp", data, max_iter=2000).notes == []
    assert not recwarn.list


def test_the_network_is_two_layers_by_hand(data):
    """One hidden layer of rectified units: the prediction from the fitted weights, by NumPy."""
    blocks, training, labels = data
    x = blocks["text"]
    result = mlp(x[training], labels[training], x[~training], seed=4, **SETTINGS["mlp"])
    network = MLPClassifier((12,), alpha=1e-4, learning_rate_init=5e-3, max_iter=60, random_state=4)
    with pytest.warns(ConvergenceWarning):
        network.fit(x[training], labels[training])
    hidden = np.maximum(x[~training] @ network.coefs_[0] + network.intercepts_[0], 0)
    output = hidden @ network.coefs_[1] + network.intercepts_[1]
    np.testing.assert_array_equal(result.classes, output.argmax(axis=1))
    assert len(network.coefs_) == 2


def test_the_seed_matters_to_the_network_alone(data):
    assert not np.array_equal(run("mlp", data, seed=0).scores, run("mlp", data, seed=1).scores)
    for classifier in ("svm", "xgboost"):
        np.testing.assert_array_equal(run(classifier, data, seed=0).scores, run(classifier, data, seed=1).scores)


def test_an_argmax_job_imports_no_classifier_library():
    code = "import sys, emofuse.classification; print({'sklearn', 'xgboost', 'pandas', 'torch'} & set(sys.modules))"
    folder = str(classifiers.__file__).rsplit("/emofuse/", 1)[0]
    result = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": folder}, capture_output=True, text=True)
    assert result.stdout.strip() == "set()", result.stderr
