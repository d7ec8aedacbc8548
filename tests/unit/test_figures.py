"""Figures: which are made, that they repeat to the byte, and that their numbers equal independent computations."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest
from report_inputs import make_inputs
from report_run import CLASSES

from emofuse.fusion.calibration import error_of_bins
from emofuse.report.drawing import make_figures
from emofuse.report.figures.confusions import confusion_matrix
from emofuse.report.figures.labels import draw_labels
from emofuse.report.figures.reliability import draw_reliability
from emofuse.report.figures.style import colours
from emofuse.report.figures.systems import draw_intervals, draw_systems
from emofuse.report.figures.training import draw_accuracy, draw_loss, read_histories
from emofuse.report.figures.vectors import project, read_spaces
from emofuse.report.outputs import FIGURE_FORMATS, figure_caption, figure_names
from emofuse.report.sources import read_test
from emofuse.runtime.errors import EmofuseError


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_inputs(tmp_path_factory.mktemp("figures"))


def of_fold(inputs, split="session5"):
    return [path for path in inputs.embeddings if path.parent.name == split]


def draw(inputs, folder, **changes):
    arguments = {
        "splits": inputs.splits["session"],
        "histories": inputs.histories,
        "embeddings": of_fold(inputs),
        "pca_split": "session5",
        "evaluation": inputs.evaluation(),
        "folder": folder,
        "modalities": dict.fromkeys(inputs.modalities, True),
        "classes": CLASSES,
    }
    make_figures(**{**arguments, **changes})


def test_every_figure_is_made_and_repeats_to_the_byte(made, tmp_path):
    expected = {f"{name}.{ending}" for name in figure_names(made.modalities) for ending in FIGURE_FORMATS}
    for folder in ("first", "second"):
        draw(made, tmp_path / folder)
    assert {path.name for path in (tmp_path / "first").iterdir()} == expected
    assert len(expected) == 30
    for name in expected:
        first, second = ((tmp_path / folder / name).read_bytes() for folder in ("first", "second"))
        assert first == second, name
        if name.endswith(".svg"):
            assert ElementTree.fromstring(first).tag.endswith("svg")


def test_figures_of_absent_modalities_are_not_made(tmp_path):
    one = make_inputs(tmp_path / "in", turns_per_session=30, modalities=("audio",), validated=False)
    draw(one, tmp_path / "out")
    assert {path.stem for path in (tmp_path / "out").iterdir()} == {
        *("systems", "intervals", "figure01", "figure03", "figure06", "figure09", "figure12", "reliability")
    }
    assert figure_names(["text", "video"]) == [
        *("systems", "intervals", "figure01", "figure02", "figure04", "figure05", "figure07", "figure08", "figure10"),
        *("figure11", "figure12", "reliability"),
    ]
    assert all(figure_caption(name, "session5") for name in figure_names(["text", "audio", "video"]))


@pytest.mark.parametrize("modality", ["text", "video"])
def test_projection_equals_an_svd_of_the_training_turns(made, modality):
    fold = read_spaces(of_fold(made), made.splits["session"], "session5")
    points, shares = project(fold.embeddings[modality], fold.parts)

    split = pd.read_parquet(made.splits["session"][4])
    path = next(path for path in of_fold(made) if path.parts[-4] == modality)
    store = pd.read_parquet(path).merge(split[["turn_id", "class"]], on="turn_id")
    text = pd.read_parquet(next(path for path in of_fold(made) if path.parts[-4] == "text"))
    store = store[store["turn_id"].isin(text["turn_id"])].sort_values("turn_id")  # turns that every modality has
    train = np.stack(store.loc[store["part"] == "train", "embedding"]).astype(np.float64)
    test = np.stack(store.loc[store["part"] == "test", "embedding"]).astype(np.float64)
    _, singular, axes = np.linalg.svd(train - train.mean(0), full_matrices=False)
    np.testing.assert_allclose(shares, (singular**2 / (singular**2).sum())[:2], rtol=1e-6)
    np.testing.assert_allclose(np.abs(points), np.abs((test - train.mean(0)) @ axes[:2].T), rtol=1e-4, atol=1e-5)
    assert (fold.truth[fold.parts == "test"] == store.loc[store["part"] == "test", "class"]).all()


def test_test_turns_do_not_move_the_projection(made):
    fold = read_spaces(of_fold(made), made.splits["session"], "session5")
    vectors, test = fold.embeddings["text"], fold.parts == "test"
    before, _ = project(vectors, fold.parts)
    moved = vectors.copy()
    moved[fold.parts == "val"] += 100
    moved[np.flatnonzero(test)[0]] += 100
    after, _ = project(moved, fold.parts)
    np.testing.assert_array_equal(before[1:], after[1:])


def test_vectors_of_another_fold_are_refused(made, tmp_path):
    with pytest.raises(EmofuseError, match="session4"):
        draw(made, tmp_path, embeddings=of_fold(made, "session4"))
    with pytest.raises(EmofuseError, match="session9"):
        draw(made, tmp_path, pca_split="session9")


def test_label_bars_count_the_turns(made):
    axes = draw_labels(made.splits["session"], CLASSES).axes[0]
    turns = pd.read_parquet(made.splits["session"][0])
    for name, bars in zip(CLASSES, axes.containers, strict=True):
        counted = [int(((turns["session"] == k) & (turns["class"] == name)).sum()) for k in range(1, 6)]
        assert [bar.get_height() for bar in bars] == counted


def test_training_curves_are_the_histories(made):
    runs = read_histories(made.histories)
    runs = runs[runs["modality"] == "audio"]
    history = pd.read_parquet(
        next(path for path in made.histories if "/audio/" in str(path) and "session3" in str(path))
    )
    validation = history[history["part"] == "val"]
    train, val = draw_loss(runs).axes
    assert len([line for line in train.lines if len(line.get_xdata())]) == 5
    assert any(np.array_equal(line.get_ydata(), history[history["part"] == "train"]["loss"]) for line in train.lines)
    assert any(np.array_equal(line.get_ydata(), validation["loss"]) for line in val.lines)
    accuracy = draw_accuracy(runs).axes[0]
    assert any(
        np.allclose(line.get_ydata(), 100 * validation["wa"]) for line in accuracy.lines if len(line.get_ydata()) > 1
    )


def test_confusion_matrix_pools_the_folds(made):
    matrix = confusion_matrix(read_test(made.evaluation(), "confusion"), CLASSES)
    pairs = [made.predictions["chosen", f"session{k}", 1, "test"] for k in range(1, 6)]
    truth, guess = (np.concatenate(column) for column in zip(*pairs, strict=True))
    expected = [[np.sum((truth == t) & (guess == p)) for p in CLASSES] for t in CLASSES]
    np.testing.assert_array_equal(matrix, expected)


def test_colours_are_the_papers_and_others_are_distinct():
    palette = colours(["ang", "hap", "neu", "sad", "fru", "exc"])
    assert len(set(palette.values())) == 6

    def channels(name):
        return [int(palette[name][i : i + 2], 16) for i in (1, 3, 5)]

    assert np.argmax(channels("ang")) == 0
    assert np.argmax(channels("neu")) == 2
    assert np.argmax(channels("sad")) == 1
    assert min(channels("hap")[:2]) > 2 * channels("hap")[2]  # yellow: red and green without blue


def test_intervals_are_those_of_the_file(made):
    tests = read_test(made.evaluation(), "scores")
    intervals = pd.read_parquet(made.evaluation("intervals.parquet"))
    figure = draw_intervals(tests, intervals)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[0] == "final system"
    assert {"majority", "scenario"} <= set(labels)
    assert not [label for label in labels if "." in label]  # no part of the modalities, none missing
    own = intervals[(intervals["system"] == "chosen") & (intervals["measure"] == "ua")].iloc[0]
    line = next(line for line in figure.axes[1].lines if line.get_ydata()[0] == line.get_ydata()[-1] == 0)
    np.testing.assert_allclose(line.get_xdata(), [100 * own["low"], 100 * own["high"]])
    assert [label.get_text() for label in draw_systems(tests).axes[0].get_yticklabels()][-1] in ("majority", "scenario")


def test_reliability_diagrams(made):
    reliability = pd.read_parquet(made.evaluation("reliability.parquet"))
    figure = draw_reliability(reliability)
    assert [axes.get_title(loc="left").split("\n")[0] for axes in figure.axes] == [
        "Text",
        "Speech",
        "Video",
        "Final system",
    ]
    assert figure.axes[3].get_title(loc="left").endswith("ECE 12.0 → 2.0 %")
    drawn = reliability[(reliability["system"] == "chosen") & (reliability["when"] == "after") & (reliability["n"] > 0)]
    assert any(np.array_equal(line.get_ydata(), 100 * drawn["accuracy"]) for line in figure.axes[3].lines)
    bins = pd.DataFrame({"n": [30, 10], "confidence": [0.9, 0.5], "accuracy": [0.8, 0.7]})
    assert error_of_bins(bins["n"], bins["confidence"], bins["accuracy"]) == pytest.approx(0.125)
