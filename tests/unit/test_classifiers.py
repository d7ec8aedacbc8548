import subprocess
import sys

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from emofuse.fusion import distances as distances_module
from emofuse.fusion.classifiers.svm import scale_gamma
from emofuse.fusion.distances import Distances, squared_distances
from emofuse.fusion.learning import combinations_of, fit
from emofuse.fusion.vectors import Lesson
from emofuse.runtime.errors import EmofuseError

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


def learn(classifier, data, candidates=({},), seed=0, threads=1, distances=None):
    blocks, training, labels = data
    learned = {name: x[training] for name, x in blocks.items()}
    settings = [SETTINGS[classifier] | changed for changed in candidates]
    lesson = Lesson(learned, labels[training], seed, threads, distances or Distances(learned))
    return fit(classifier, lesson, CLASSES, settings)


def run(classifier, data, seed=0, threads=1, **changed):
    """The Prediction for the rows outside training."""
    trained = learn(classifier, data, [changed], seed, threads)
    return trained.predict({name: x[~data[1]] for name, x in data[0].items()}, [0])[0]


def probabilities_of(scores):
    powers = np.exp(scores - np.nanmax(scores, axis=1, keepdims=True))
    return powers / np.nansum(powers, axis=1, keepdims=True)


def test_squared_distances_by_hand():
    x, y = np.random.default_rng(0).normal(size=(9, 3)), np.random.default_rng(1).normal(size=(4, 3))
    expected = [[sum((a - b) ** 2) for b in y] for a in x]
    np.testing.assert_allclose(squared_distances(x, y), expected, atol=1e-12)
    assert (squared_distances(1e6 + x, 1e6 + x) >= 0).all()


def test_lists_of_settings_stand_for_every_combination():
    assert combinations_of({"C": [1, 10], "gamma": ["scale", 0.1], "x": 3}) == [
        {"C": 1, "gamma": "scale", "x": 3},
        {"C": 1, "gamma": 0.1, "x": 3},
        {"C": 10, "gamma": "scale", "x": 3},
        {"C": 10, "gamma": 0.1, "x": 3},
    ]
    assert combinations_of({"C": 1.0}) == [{"C": 1.0}] and combinations_of({}) == [{}]


@pytest.mark.parametrize(("c", "gamma"), [(1.0, "scale"), (10.0, "scale"), (1.0, 0.05), (0.3, 0.5)])
def test_svm_equals_sklearns_rbf(data, c, gamma):
    blocks, training, labels = data
    x = np.concatenate(list(blocks.values()), axis=1)
    reference = SVC(C=c, gamma=gamma, kernel="rbf").fit(x[training], labels[training])
    result = run("svm", data, C=c, gamma=gamma)
    np.testing.assert_array_equal(result.classes, reference.predict(x[~training]))
    np.testing.assert_allclose(result.scores, reference.decision_function(x[~training]), atol=1e-6)
    if gamma == "scale":
        assert 0.4 < (result.classes == labels[~training]).mean() < 1


def test_gamma_scale_of_blocks_is_that_of_their_concatenation(data):
    x = np.concatenate(list(data[0].values()), axis=1)
    assert scale_gamma(list(data[0].values())) == pytest.approx(1 / (x.shape[1] * x.var()), rel=1e-12)


def test_distances_are_computed_once_a_modality_and_shared(data, monkeypatch):
    blocks, training, labels = data
    blocks = {**blocks, "video": np.random.default_rng(5).normal(size=(240, 6))}
    learned, asked = ({name: x[rows] for name, x in blocks.items()} for rows in (training, ~training))
    computed = []

    def counted(x, y):
        computed.append((len(x), x.shape[1]))
        return squared_distances(x, y)

    monkeypatch.setattr(distances_module, "squared_distances", counted)
    shared = Distances(learned)
    candidates = [{"C": 1.0}, {"C": 10.0}, {"C": 1.0, "gamma": 0.1}]
    for names in (["text", "audio", "video"], ["text"], ["audio", "video"], ["text", "audio", "video"]):
        subset = {name: learned[name] for name in names}
        x, rest = (np.concatenate([vectors[name] for name in names], axis=1) for vectors in (learned, asked))
        trained = fit("svm", Lesson(subset, labels[training], 0, 1, shared), CLASSES, candidates)
        results = trained.predict({name: asked[name] for name in names}, range(3))
        for settings, result in zip(candidates, results, strict=True):
            expected = SVC(**settings).fit(x, labels[training])
            np.testing.assert_array_equal(result.classes, expected.predict(rest))
            np.testing.assert_allclose(result.scores, expected.decision_function(rest), atol=1e-3)  # libsvm's own tol
    assert sorted(computed) == [(rows, width) for rows in (80, 160) for width in (5, 6, 7)]


@pytest.mark.parametrize("classifier", SETTINGS)
def test_a_block_of_one_row_stands_in_each(data, classifier):
    blocks, training, _ = data
    row = np.full((1, 5), 0.3)
    trained = learn(classifier, data)
    asked = {"text": blocks["text"][~training], "audio": row}
    [short] = trained.predict(asked, [0])
    [full] = trained.predict(asked | {"audio": np.repeat(row, 80, axis=0)}, [0])
    np.testing.assert_array_equal(short.classes, full.classes)
    np.testing.assert_allclose(short.scores, full.scores, atol=1e-9)
    assert not np.array_equal(short.scores, run(classifier, data).scores)


@pytest.mark.parametrize(
    ("classifier", "candidates"),
    [
        ("svm", [{"C": c, "gamma": gamma} for c in (0.5, 5.0) for gamma in (0.02, "scale")]),
        ("xgboost", [{"n_estimators": n, "max_depth": depth} for n in (2, 6, 4) for depth in (2, 3)]),
        ("mlp", [{"width": 4}, {"width": 9}]),
    ],
)
def test_candidates_trained_together_are_as_trained_alone(data, classifier, candidates):
    asked = {name: x[~data[1]] for name, x in data[0].items()}
    trained = learn(classifier, data, candidates, threads=2)
    for number, settings in enumerate(candidates):
        alone = run(classifier, data, **settings)
        for together in (trained.predict(asked, range(len(candidates)))[number], *trained.predict(asked, [number])):
            np.testing.assert_array_equal(together.classes, alone.classes)
            np.testing.assert_allclose(together.scores, alone.scores, atol=1e-9)


def test_fewer_rounds_are_the_first_of_one_training(data, monkeypatch):
    import xgboost

    trained, train = [], xgboost.train
    monkeypatch.setattr(xgboost, "train", lambda *args, **k: trained.append(k["num_boost_round"]) or train(*args, **k))
    learn("xgboost", data, [{"n_estimators": n, "max_depth": depth} for n in (2, 6, 4) for depth in (2, 3)])
    assert trained == [6, 6]


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


def test_the_softmax_of_scores_is_the_librarys_probability(data):
    import xgboost

    blocks, training, labels = data
    x = np.concatenate(list(blocks.values()), axis=1)
    settings = SETTINGS["xgboost"]
    trees = xgboost.XGBClassifier(**settings, tree_method="hist", base_score=0.5).fit(x[training], labels[training])
    network = MLPClassifier((12,), alpha=1e-4, learning_rate_init=5e-3, max_iter=60, random_state=0)
    with pytest.warns(ConvergenceWarning):
        network.fit(x[training], labels[training])
    for classifier, library in (("xgboost", trees), ("mlp", network)):
        result = run(classifier, data)
        np.testing.assert_allclose(probabilities_of(result.scores), library.predict_proba(x[~training]), atol=1e-6)
        np.testing.assert_array_equal(result.classes, library.predict(x[~training]))
        assert (result.classes == labels[~training]).mean() > 0.4


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
    result = run("mlp", ({"text": x}, training, labels), seed=4)
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


def test_an_argmax_job_imports_neither_xgboost_nor_torch():
    code = "import sys, emofuse.fusion.classification; print({'xgboost', 'torch'} & set(sys.modules))"
    folder = str(distances_module.__file__).rsplit("/emofuse/", 1)[0]
    result = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": folder}, capture_output=True, text=True)
    assert result.stdout.strip() == "set()", result.stderr
