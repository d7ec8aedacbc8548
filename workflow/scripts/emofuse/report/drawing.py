"""Draws figures 1 to 12 of the paper, and the scores, intervals and calibration of all systems, as SVG and PNG."""

from pathlib import Path

import matplotlib

from emofuse.fusion.alignment import combine, scale
from emofuse.report.figures.confusions import draw_confusion
from emofuse.report.figures.labels import draw_labels
from emofuse.report.figures.reliability import draw_reliability
from emofuse.report.figures.style import STYLE
from emofuse.report.figures.systems import draw_intervals, draw_systems
from emofuse.report.figures.training import draw_accuracy, draw_loss, read_histories
from emofuse.report.figures.vectors import draw_pca, read_spaces
from emofuse.report.outputs import (
    ACCURACY_FIGURES,
    FIGURE_FORMATS,
    LOSS_FIGURES,
    MODALITY_TITLES,
    PCA_FIGURES,
    figure_names,
    split_title,
)
from emofuse.report.sources import read_frame, read_test
from emofuse.runtime.store import whole


def make_figures(splits, histories, embeddings, pca_split, evaluation, folder, modalities, classes):
    """Write every figure of `figure_names(modalities)` as <name>.svg and <name>.png into `folder`.

    splits: paths of the protocol's split files. histories: paths .../{modality}/{encoder}/{split}/seed{seed}/history.parquet.
    embeddings: paths of the embedding files of fold `pca_split` and one seed, one a modality. evaluation: the folder
    evaluation/<protocol>. modalities: {modality: whether its encoder is, or may be, fine-tuned}. classes: class names in order.
    """
    folder, trained = Path(folder), [modality for modality, learns in modalities.items() if learns]
    with matplotlib.rc_context(STYLE):
        tests = read_test(evaluation, "scores")
        drawn = {
            "systems": draw_systems(tests),
            "intervals": draw_intervals(tests, read_frame(evaluation, "intervals")),
            "figure01": draw_labels(splits, classes),
            "reliability": draw_reliability(read_frame(evaluation, "reliability")),
        }
        runs = read_histories(histories)
        for modality in trained:
            drawn[LOSS_FIGURES[modality]] = draw_loss(runs[runs["modality"] == modality])
            drawn[ACCURACY_FIGURES[modality]] = draw_accuracy(runs[runs["modality"] == modality])
        fold = read_spaces(embeddings, splits, pca_split)
        spaces = {
            PCA_FIGURES[modality]: (MODALITY_TITLES[modality], fold.embeddings[modality]) for modality in modalities
        }
        if len(modalities) > 1:
            training = fold.parts == "train"
            spaces["figure11"] = ("all modalities", combine(scale(fold.embeddings, training), "concat"))
        for name, (title, vectors) in spaces.items():
            title = f"{title}, {split_title(pca_split)}".capitalize()
            drawn[name] = draw_pca(vectors, fold.parts, fold.truth, classes, title)
        drawn["figure12"] = draw_confusion(read_test(evaluation, "confusion"), classes)
        for name in figure_names(modalities, trained):
            save(drawn[name], folder, name)


def save(figure, folder, name):
    """Write the figure in all formats, without dates, so that equal figures are equal files."""
    for ending in FIGURE_FORMATS:
        metadata = {"Date": None, "Creator": None} if ending == "svg" else {"Software": None}
        with whole(folder / f"{name}.{ending}") as partial:
            figure.savefig(partial, format=ending, metadata=metadata)
