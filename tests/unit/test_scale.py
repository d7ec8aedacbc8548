"""The SVM of more training turns than a kernel is made of: a Nystroem map and linear machines in its place."""

import json
import logging
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from fusion_inputs import CLASSES, ENCODERS, Corpus
from test_systems import made_turns, trained

from emofuse.evaluation.scores import approximated
from emofuse.evaluation.statistics import count, resample, sign_flip
from emofuse.fusion.classification import Source, classify
from emofuse.fusion.classifiers import _nystroem, svm
from emofuse.fusion.distances import Distances
from emofuse.fusion.ensemble import Method
from emofuse.fusion.learning import fit
from emofuse.fusion.vectors import Lesson
from emofuse.report.figures import vectors as figures
from emofuse.report.sections.setup import setup
from emofuse.runtime.store import read_metadata, read_parquet

CANDIDATES = [{"C": c, "gamma": gamma} for c in (1.0, 10.0) for gamma in ("scale", 0.02)]


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Few epochs, for these are few turns."""
    monkeypatch.setattr(_nystroem, "SEEN", 20_000)


@pytest.fixture
def data():
    """Two blocks, 1,200 turns, 900 of them training; two modes a class, so that no line parts the classes."""
    rng = np.random.default_rng(5)
    labels, mode = rng.integers(0, 4, 1200), rng.integers(0, 2, 1200)
    means = rng.normal(size=(2, 4, 2, 12))
    blocks = {name: m[labels, mode] + 0.8 * rng.normal(size=(1200, 12)) for name, m in zip("ab", means, strict=True)}
    return blocks, np.arange(1200) % 4 != 0, labels


def learn(data, labels=None, classes=CLASSES, seed=0, threads=1):
    """What is trained, and what it says of the rows outside training with each of the CANDIDATES."""
    blocks, training, truth = data
    learned = {name: x[training] for name, x in blocks.items()}
    labels = (truth if labels is None else labels)[training]
    trained = fit("svm", Lesson(learned, labels, seed, threads, Distances(learned)), classes, CANDIDATES)
    return trained, trained.predict({name: x[~training] for name, x in blocks.items()}, range(len(CANDIDATES)))


def test_up_to_the_number_it_is_the_kernel_svm_bit_by_bit_and_beyond_it_nearly_as_good(data, monkeypatch):
    truth = data[2][~data[1]]
    _, exact = learn(data)
    monkeypatch.setattr(svm, "MOST", data[1].sum())
    for one, other in zip(exact, learn(data)[1], strict=True):
        assert np.array_equal(one.scores, other.scores) and other.notes == []

    monkeypatch.setattr(svm, "MOST", data[1].sum() - 1)
    monkeypatch.setattr(_nystroem, "LANDMARKS", 200)
    for one, other in zip(exact, learn(data)[1], strict=True):
        assert other.notes == [svm.APPROXIMATED]
        assert not np.array_equal(one.scores, other.scores) and other.scores.shape == (len(truth), 4)
        assert (other.scores.argmax(1) == other.classes).all()
        assert 0.75 < (one.classes == truth).mean() < (other.classes == truth).mean() + 0.03


def test_what_is_approximated_is_drawn_by_the_seed_and_depends_on_no_other_rows(data, monkeypatch):
    monkeypatch.setattr(svm, "MOST", 100)
    monkeypatch.setattr(_nystroem, "LANDMARKS", 60)
    blocks, training, labels = data
    trained, said = learn(data)
    for one, other, another in zip(said, learn(data, threads=2)[1], learn(data, seed=1)[1], strict=True):
        assert np.array_equal(one.scores, other.scores)
        assert not np.array_equal(one.scores, another.scores)
    # Landmarks are training turns: their vectors stand in the map.
    side = np.concatenate([x[training] for x in blocks.values()], axis=1)
    for made in trained.classifier.machines.maps.values():
        assert len(made.components_) == 60
        assert (made.components_[:, None] == side[None]).all(axis=2).any(axis=1).all()
    # Other rows outside training change nothing of what is said of the first.
    noise = {name: np.where(training[:, None], x, 9 * x) for name, x in blocks.items()}
    again, _ = learn((noise, training, labels))
    asked = {name: x[~training] for name, x in blocks.items()}
    assert np.array_equal(again.predict(asked, [0])[0].scores, said[0].scores)


@pytest.mark.parametrize("most", [100, 10_000])
def test_chunks_and_rows_of_one_say_the_same(data, most, monkeypatch):
    monkeypatch.setattr(svm, "MOST", most)
    monkeypatch.setattr(_nystroem, "LANDMARKS", 60)
    blocks, training, _ = data
    trained, said = learn(data)
    monkeypatch.setattr(_nystroem, "CHUNK", 70)
    monkeypatch.setattr(svm, "MOST", 70)
    asked = {name: x[~training] for name, x in blocks.items()}
    for number, one in enumerate(said):
        [other] = trained.predict(asked, [number])
        assert np.allclose(one.scores, other.scores, atol=1e-5) and (one.classes == other.classes).mean() > 0.99
    short, full = asked | {"b": asked["b"][:1]}, asked | {"b": np.repeat(asked["b"][:1], 300, axis=0)}
    assert np.allclose(trained.predict(short, [1])[0].scores, trained.predict(full, [1])[0].scores, atol=1e-5)


def test_a_class_without_turns_and_two_classes(data, monkeypatch):
    monkeypatch.setattr(svm, "MOST", 100)
    monkeypatch.setattr(_nystroem, "LANDMARKS", 60)
    labels = np.array([0, 0, 3, 3])[data[2]]
    _, said = learn(data, labels)
    for prediction in said:
        assert np.isnan(prediction.scores).all(axis=0).tolist() == [False, True, True, False]
        assert set(prediction.classes) == {0, 3} and prediction.scores.shape == (300, 4)
        assert np.array_equal(prediction.scores[:, 0], -prediction.scores[:, 3])
    assert (said[0].classes == labels[~data[1]]).mean() > 0.7


def test_classify_writes_that_the_kernel_was_approximated(tmp_path, monkeypatch, caplog):
    corpus = Corpus(tmp_path)
    stores, trainings, split = corpus.write_source(2)
    labels = {"text": ENCODERS["text"]}
    source = Source({"text": stores["text"]}, {"text": trainings["text"]}, split)
    method = Method("svm", {"C": [1.0, 10.0], "gamma": "scale"}, [], "in_sample", seed=1, threads=1)
    found = {}
    for name, most in (("kernel", 96), ("map", 95)):
        monkeypatch.setattr(svm, "MOST", most)
        monkeypatch.setattr(_nystroem, "LANDMARKS", 40)
        with caplog.at_level(logging.WARNING):
            caplog.clear()
            classify(source, labels, method, tmp_path / f"{name}.parquet")
        systems = json.loads(read_metadata(tmp_path / f"{name}.parquet")["systems"])
        found[name] = [of["notes"] for of in systems], caplog.text, approximated([tmp_path / f"{name}.parquet"])
        assert all(of["calibration"]["method"] == "sigmoid" and of["settings"]["C"] in (1.0, 10.0) for of in systems)
    notes, log, names = found["kernel"]
    assert not any(notes) and "approximated" not in log and names == []
    notes, log, names = found["map"]
    assert all(of == [svm.APPROXIMATED] for of in notes) and svm.APPROXIMATED in log and len(names) == len(notes)
    table = read_parquet(tmp_path / "map.parquet").to_pandas()
    test = table[(table["part"] == "test") & (table["system"] == "text.early-svm")]
    assert (test["truth"] == test["prediction"]).mean() > 0.5


def test_a_window_of_many_turns_notes_it_and_answers_alike(monkeypatch):
    turns = made_turns()
    exact = trained(turns, "window", {"before": 1, "weight": 0.5, "C": 3.0})
    said = exact.ask(np.arange(len(turns.ids)))
    assert exact.record == {}
    monkeypatch.setattr(svm, "MOST", 10)
    model = trained(turns, "window", {"before": 1, "weight": 0.5, "C": 3.0})
    again = model.ask(np.arange(len(turns.ids)))
    assert model.record == {"notes": [svm.APPROXIMATED]} and again.shape == said.shape
    learned = turns.parts == "train"
    assert (again[learned].argmax(1) == turns.labels[learned]).mean() > 0.9  # few turns: the map holds them all


def test_the_report_says_in_how_many_systems():
    turns = pd.DataFrame({"label": ["ang"], "start_s": [0.0], "end_s": [1.0]})
    run = SimpleNamespace(class_of={"ang": "ang"}, facts={"systems": {}})
    scores = pd.DataFrame({"kind": ["single"], "classifier": ["argmax"], "combination": [""]})
    said = {}
    for names in ([], ["a", "b"]):
        said[len(names)] = dict(
            setup({"encoders": {}}, turns, run, SimpleNamespace(scores=scores, approximated=names), [])
        )
    assert "Approximated" not in said[0]
    assert said[2]["Approximated"] == [f"in 2 systems {svm.APPROXIMATED}"]


def test_figures_draw_so_many_points_and_say_so(monkeypatch):
    rng = np.random.default_rng(0)
    vectors, parts = rng.normal(size=(90, 4)), np.repeat(["train", "test"], 45)
    for most, title in ((45, "text"), (20, "text: 20 of 45 test turns")):
        monkeypatch.setattr(figures, "DRAWN", most)
        figure = figures.draw_pca(vectors, parts, np.array(["ang", "sad", "neu"] * 30), ["ang", "neu", "sad"], "text")
        [axes] = figure.axes
        assert axes.get_title(loc="left") == title and len(axes.collections[0].get_offsets()) == most
        assert sum(int(text.get_text().split("(")[1][:-1]) for text in figure.legends[0].get_texts()) == 45


def test_statistics_of_many_clusters_are_drawn_in_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    clusters, truth = np.array([f"t{number:04}" for number in range(600)]), rng.integers(0, 3, 600)
    said = np.where(rng.random((3, 1, 600)) < 0.6, truth, rng.integers(0, 3, (3, 1, 600)))
    counts = count(clusters, np.repeat(["1", "2"], 300), truth, said, 3)
    whole = resample(counts, 200), sign_flip(counts, [(0, 1), (0, 2)], 200)
    largest = []
    multinomial = np.random.Generator.multinomial

    class Watched(np.random.Generator):
        def multinomial(self, *args, **kwargs):
            largest.append(multinomial(self, *args, **kwargs))
            return largest[-1]

    monkeypatch.setattr("emofuse.evaluation.statistics.DRAWN", 4_000)
    monkeypatch.setattr(np.random, "default_rng", lambda seed: Watched(np.random.PCG64(seed)))
    blocked = resample(counts, 200), sign_flip(counts, [(0, 1), (0, 2)], 200)
    assert len(largest) > 20 and max(weights.size for weights in largest) <= 4_000
    for name, values in whole[0].items():
        assert np.array_equal(values, blocked[0][name])
    for name, values in whole[1].items():
        assert np.array_equal(values, blocked[1][name])
