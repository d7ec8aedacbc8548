"""Draws figures 1 to 12 of the paper, and the scores, intervals and calibration of all systems, as SVG and PNG."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter
from sklearn.decomposition import PCA

from emofuse.fusion.alignment import align, combine, scale
from emofuse.fusion.calibration import error_of_bins
from emofuse.report.outputs import (
    ACCURACY_FIGURES,
    FIGURE_FORMATS,
    LOSS_FIGURES,
    MODALITY_TITLES,
    PCA_FIGURES,
    class_title,
    figure_names,
    split_title,
)
from emofuse.report.tables import fold_names, ranked, read_frame, read_test, short_title, shown_systems
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_metadata, read_parquet, whole

# The paper's colours; classes that it does not have take the next of the others.
CLASS_COLOURS = {"anger": "#cf3b38", "happiness": "#f2c037", "neutral": "#3f78bd", "sadness": "#3c9a5f"}
OTHER_COLOURS = ("#8a5bb0", "#e0803a", "#3aa6a6", "#c968a4", "#8a6a4f", "#7d8590", "#a3b13c")
# Folds must not be taken for classes: another family of colours (Okabe and Ito's, safe for colour-blind readers).
FOLD_COLOURS = (
    *("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"),
    *("#777777", "#9d7f00", "#4b3f8f", "#000000"),
)
KIND_COLOURS = {"baseline": "#777777", "single": "#3f78bd", "early": "#c4622d", "late": "#8a5bb0", "chosen": "#111111"}
RASTER_FROM = 1000  # points from which a scatter is drawn as pixels inside the SVG

STYLE = {
    "svg.hashsalt": "emofuse",  # else ids in the SVG differ from run to run
    "font.family": "DejaVu Sans",  # comes with matplotlib, so the same everywhere
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#777777",
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.7,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "xtick.labelcolor": "#222222",
    "ytick.labelcolor": "#222222",
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 200,
}
TIGHT_LEGEND = {"fontsize": 8, "columnspacing": 1.1, "handlelength": 1.3, "handletextpad": 0.5}


def make_figures(splits, histories, embeddings, pca_split, evaluation, folder, modalities, classes):
    """Write every figure of `figure_names(modalities)` as <name>.svg and <name>.png into `folder`.

    splits: paths of the protocol's split files. histories: paths .../{modality}/{encoder}/{split}/seed{seed}/history.parquet.
    embeddings: paths of the embedding files of fold `pca_split` and one seed, one a modality. evaluation: the folder
    evaluation/<protocol>. classes: class names in order.
    """
    folder = Path(folder)
    with matplotlib.rc_context(STYLE):
        tests = read_test(Path(evaluation) / "scores.parquet")
        drawn = {
            "systems": draw_systems(tests),
            "intervals": draw_intervals(tests, read_frame(evaluation, "intervals")),
            "figure01": draw_labels(splits, classes),
            "reliability": draw_reliability(read_frame(evaluation, "reliability")),
        }
        runs = read_histories(histories)
        for modality in modalities:
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
        drawn["figure12"] = draw_confusion(read_test(Path(evaluation) / "confusion.parquet"), classes)
        for name in figure_names(modalities):
            save(drawn[name], folder, name)


def save(figure, folder, name):
    """Write the figure in all formats, without dates, so that equal figures are equal files."""
    for ending in FIGURE_FORMATS:
        metadata = {"Date": None, "Creator": None} if ending == "svg" else {"Software": None}
        with whole(folder / f"{name}.{ending}") as partial:
            figure.savefig(partial, format=ending, metadata=metadata)


def colours(classes):
    """Class name -> colour: the paper's for its four classes, distinct others for the rest."""
    others = iter(OTHER_COLOURS * (1 + len(classes) // len(OTHER_COLOURS)))
    return {name: CLASS_COLOURS.get(class_title(name)) or next(others) for name in classes}


# Figure 1


def draw_labels(splits, classes):
    """Figure 1: number of turns of each class in each session, over all turns of the split files."""
    columns = ["turn_id", "class", "session"]
    turns = pd.concat([read_parquet(path, columns).to_pandas() for path in splits]).drop_duplicates("turn_id")
    counts = turns.groupby(["session", "class"]).size().unstack(fill_value=0).reindex(columns=classes, fill_value=0)
    figure, axes = _axes(figsize=(max(4.5, 0.6 + 0.34 * counts.size), 3.2))
    width = 0.84 / len(classes)
    for j, (name, colour) in enumerate(colours(classes).items()):
        at = np.arange(len(counts)) + (j - (len(classes) - 1) / 2) * width
        bars = axes.bar(at, counts[name], width * 0.92, color=colour, label=class_title(name))
        axes.bar_label(bars, padding=1.5, fontsize=7, color="#444444")
    axes.set_xticks(range(len(counts)), [f"session {session}\n{n} turns" for session, n in counts.sum(axis=1).items()])
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("turns")
    axes.yaxis.grid(True)
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    _legend_above(figure, axes, columns=len(classes))
    return figure


# Figures 2 to 7


def read_histories(paths):
    """All training histories as one frame, with modality, encoder, split and seed from where the files lie."""
    frames = []
    for path in map(Path, paths):
        modality, encoder, split, seed = path.parts[-5:-1]
        frame = read_parquet(path).to_pandas()
        frames.append(
            frame.assign(modality=modality, encoder=encoder, split=split, seed=int(seed.removeprefix("seed")))
        )
    return pd.concat(frames, ignore_index=True)


def watched(runs):
    """What the part that epochs were chosen on is called in these training histories."""
    return "test" if (runs["part"] == "test").any() else "validation"


def draw_loss(runs):
    """Figures 2 to 4: training loss beside the loss on the part that epochs were chosen on, one line a fold (and seed)."""
    figure, panels = _axes(1, 2, figsize=(7.4, 3.1), sharey=True, sharex=True)
    for axes, of_training, title in zip(panels, (True, False), ("training", watched(runs)), strict=True):
        _lines(axes, runs[(runs["part"] == "train") == of_training], "loss", f"no {title} loss in this run")
        axes.set_title(title.capitalize(), loc="left")
        axes.set_xlabel("training steps")
        axes.grid(True)
    panels[0].set_ylabel("cross-entropy loss (nats)")
    panels[0].set_ylim(bottom=0)
    _legend_above(figure, panels[0], columns=5)
    return figure


def draw_accuracy(runs):
    """Figures 5 to 7: WA on the part that epochs were chosen on, one line a fold (and seed), the best epoch dotted."""
    figure, axes = _axes(figsize=(5.2, 3.3))
    measured = runs[runs["part"] != "train"].assign(wa=lambda frame: 100 * frame["wa"])
    _lines(axes, measured, "wa", "no validation part in this run", best=True)
    axes.set_xlabel("training steps")
    axes.set_ylabel(f"{watched(runs)} WA (%)")
    axes.grid(True)
    axes.margins(y=0.08)
    _legend_above(figure, axes, columns=5)
    return figure


def _lines(axes, runs, measure, without, best=False):
    if runs.empty:
        axes.text(0.5, 0.5, without, ha="center", va="center", transform=axes.transAxes, color="#777777")
    folds = fold_names(runs)
    for (split, _seed), run in runs.groupby(["split", "seed"]):
        run = run.sort_values("step")
        index = folds.index(split)
        colour = FOLD_COLOURS[index % len(FOLD_COLOURS)]
        style = {
            "color": colour,
            "linestyle": _fold_line(index),
            "marker": "o" if len(run) == 1 else None,
            "markersize": 3,
        }
        axes.plot(run["step"], run[measure], linewidth=1.3, alpha=0.9, **style)
        if best:
            top = run.loc[run[measure].idxmax()]
            axes.plot(top["step"], top[measure], "o", color=colour, markersize=5, markeredgecolor="white", zorder=3)
    for index, split in enumerate(folds):
        colour = FOLD_COLOURS[index % len(FOLD_COLOURS)]
        axes.plot([], [], color=colour, linestyle=_fold_line(index), label=split_title(split))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))


def _fold_line(index):
    """Folds beyond the colours are dashed."""
    return "-" if index < len(FOLD_COLOURS) else "--"


# Figures 8 to 11


def read_spaces(embeddings, splits, pca_split):
    """The vectors of one fold, `fusion.Aligned`, from its embedding files (one a modality) and the split files."""
    split = next((path for path in splits if read_metadata(path)["split"] == pca_split), None)
    if split is None:
        raise EmofuseError(f"figures 8 to 11 are to draw fold '{pca_split}', but it is not among the splits of the run")
    stores = {read_metadata(path)["modality"]: path for path in embeddings}
    return align(stores, split, int(read_metadata(embeddings[0])["seed"]))


def project(vectors, parts):
    """The test turns in the first two principal components of the training turns: (n, 2) float64, and the components'
    shares of the training variance, (2,). `vectors` is (turns, width), `parts` (turns,) names each turn's part.
    """
    pca = PCA(n_components=2, svd_solver="covariance_eigh").fit(vectors[parts == "train"])
    return pca.transform(vectors[parts == "test"]), pca.explained_variance_ratio_


def draw_pca(vectors, parts, truth, classes, title):
    """Figures 8 to 11: the test turns of one fold in the plane of `project`, coloured by class (`truth`, (turns,))."""
    points, shares = project(vectors, parts)
    names = truth[parts == "test"]
    palette = colours(classes)
    order = np.random.default_rng(0).permutation(len(points))  # else the last class lies on top of the others
    figure, axes = _axes(figsize=(4.8, 4.4))
    size = float(np.clip(9000 / max(len(points), 1), 9, 32))
    axes.scatter(
        *points[order].T,
        s=size,
        c=[palette[name] for name in names[order]],
        alpha=0.75,
        edgecolors="white",
        linewidths=0.3,
        rasterized=len(points) >= RASTER_FROM,
    )
    for axis, (set_label, share) in enumerate(zip((axes.set_xlabel, axes.set_ylabel), shares, strict=True), start=1):
        set_label(f"component {axis} ({100 * share:.1f} % of the training variance)")
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_title(title, loc="left")
    axes.grid(True)
    handles = [
        Line2D([], [], linestyle="", marker="o", markersize=6, color=palette[c], label=f"{class_title(c)} ({n})")
        for c in classes
        if (n := int((names == c).sum()))
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)), **TIGHT_LEGEND)
    return figure


# Figure 12, scores and probabilities


def confusion_matrix(confusion, classes, system="chosen"):
    """Test turns by true class (rows) and prediction, summed over folds, mean over seeds; (classes, classes)."""
    frame = confusion[(confusion["system"] == system) & (confusion["split"] != "pooled")]
    summed = frame.groupby(["truth", "prediction"])["count"].sum().unstack(fill_value=0)
    matrix = summed.reindex(index=classes, columns=classes, fill_value=0).to_numpy(dtype=np.float64)
    return matrix / frame["seed"].nunique()


def draw_confusion(confusion, classes):
    """Figure 12: counts and row percentages of the final system's test predictions, the percentages as colour."""
    matrix = confusion_matrix(confusion, classes)
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(100 * matrix, totals, out=np.zeros_like(matrix), where=totals > 0)
    figure, axes = _axes(figsize=(1.9 + 0.85 * len(classes), 1.2 + 0.72 * len(classes)))
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for (i, j), share in np.ndenumerate(shares):
        colour = "white" if share > 55 else "#1d1d1d"
        axes.text(
            j, i - 0.11, f"{matrix[i, j]:.0f}", ha="center", va="center", color=colour, fontsize=10, weight="bold"
        )
        axes.text(j, i + 0.19, f"{share:.1f} %", ha="center", va="center", color=colour, fontsize=7.5)
    titles = [class_title(name) for name in classes]
    axes.set_xticks(range(len(classes)), titles)
    axes.set_yticks(range(len(classes)), [f"{t}\n({n:.0f})" for t, n in zip(titles, totals[:, 0], strict=True)])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class (turns)")
    bar = figure.colorbar(image, ax=axes, format=PercentFormatter(decimals=0), shrink=0.9)
    bar.set_label("share of the true class")
    bar.outline.set_visible(False)
    return figure


def draw_systems(scores):
    """The overview: WA and UA of every system, within its kind by WA; folds as ticks, the majority class as a line."""
    folds = scores[scores["split"] != "pooled"].groupby(["system", "split"])[["wa", "ua"]].mean()

    def ticks(axes, measure, row, height):
        values = 100 * folds.loc[[row.system], measure]
        colour = KIND_COLOURS[row.kind]
        axes.plot([values.min(), values.max()], [height, height], color=colour, alpha=0.25, linewidth=1.2)
        axes.plot(values, np.full(len(values), height), "|", color=colour, alpha=0.55, markersize=6)

    return _draw_systems(ranked(scores), ("chosen", "early", "late", "single", "baseline"), ticks)


def draw_intervals(scores, intervals):
    """A forest plot: WA and UA of the systems with their 95 % intervals; the majority class as a line."""
    ends = intervals.set_index(["system", "measure"])[["low", "high"]].mul(100)

    def interval(axes, measure, row, height):
        axes.plot(ends.loc[row.system, measure], [height, height], color=KIND_COLOURS[row.kind], linewidth=1.6)

    return _draw_systems(ranked(scores), ("chosen", "single", "baseline", "early", "late"), interval)


def _draw_systems(order, kinds, draw_spread):
    """WA and UA as dots, a row a system, best first within each of `kinds`; draw_spread(axes, measure, row, height)."""
    kinds = [kind for kind in kinds if kind in set(order["kind"])]
    rows = pd.concat([order[order["kind"] == kind] for kind in kinds], ignore_index=True)
    heights = np.arange(len(rows)) + 0.6 * rows["kind"].map(kinds.index).to_numpy()  # a gap between kinds
    figure, panels = _axes(1, 2, figsize=(7.6, 0.9 + 0.235 * heights[-1]), sharey=True, sharex=True)
    for axes, measure in zip(panels, ("wa", "ua"), strict=True):
        majority = rows.loc[rows["system"] == "majority", measure].item()
        axes.axvline(100 * majority, color="#777777", linestyle=(0, (4, 3)), linewidth=1)
        for height, row in zip(heights, rows.itertuples(), strict=True):
            draw_spread(axes, measure, row, height)
            marker, colour = "D" if row.kind == "chosen" else "o", KIND_COLOURS[row.kind]
            axes.plot(100 * getattr(row, measure), height, marker, color=colour, markersize=6, markeredgecolor="white")
        axes.set_title({"wa": "WA", "ua": "UA"}[measure], loc="left")
        axes.set_xlabel(f"{measure.upper()} on the test turns (%)")
        axes.xaxis.grid(True)
        axes.spines["left"].set_visible(False)
    panels[0].set_yticks(heights, rows["system"].replace("chosen", "final system"))
    panels[0].set_ylim(heights[-1] + 0.8, -0.8)
    for axes in panels:
        axes.tick_params(axis="y", length=0)
    for label, kind in zip(panels[0].get_yticklabels(), rows["kind"], strict=True):
        label.set_color(KIND_COLOURS[kind])
        label.set_fontsize(8)
        if kind == "chosen":
            label.set_fontweight("bold")
    return figure


def draw_reliability(reliability):
    """Accuracy against confidence, in bins, before and after calibration: a panel a system, ECE in its title."""
    systems = shown_systems(reliability["system"])
    if not systems:
        figure, axes = _axes(figsize=(4.8, 2.2))
        axes.text(0.5, 0.5, "no validation part to calibrate on in this run", ha="center", va="center", color="#777777")
        axes.set_axis_off()
        return figure
    figure, panels = _axes(
        1, len(systems), figsize=(0.5 + 2.15 * len(systems), 3.2), sharey=True, sharex=True, squeeze=False
    )
    for axes, system in zip(panels[0], systems, strict=True):
        axes.plot([0, 100], [0, 100], color="#777777", linestyle=(0, (4, 3)), linewidth=1)
        after = KIND_COLOURS["chosen" if system == "chosen" else "single"]
        errors = []
        for when, colour in (("before", "#d08a4e"), ("after", after)):
            bins = reliability[
                (reliability["system"] == system) & (reliability["when"] == when) & (reliability["n"] > 0)
            ]
            if bins.empty:
                continue
            errors.append(f"{100 * error_of_bins(bins['n'], bins['confidence'], bins['accuracy']):.1f}")
            axes.plot(100 * bins["confidence"], 100 * bins["accuracy"], color=colour, linewidth=1, label=when)
            sizes = 60 * bins["n"] / reliability["n"].max()
            axes.scatter(100 * bins["confidence"], 100 * bins["accuracy"], s=6 + sizes, color=colour, linewidths=0)
        axes.set_title(f"{short_title(system).capitalize()}\nECE {' → '.join(errors)} %", loc="left", fontsize=9)
        axes.set_xlabel("confidence (%)")
        axes.set_xlim(0, 100)
        axes.set_ylim(0, 100)
        axes.set_aspect("equal")
        axes.grid(True)
    panels[0, 0].set_ylabel("accuracy (%)")
    _legend_above(figure, panels[0, 0], columns=2)
    return figure


def _axes(rows=1, columns=1, *, figsize, **sharing):
    figure = Figure(figsize=figsize)
    return figure, figure.subplots(rows, columns, **sharing)


def _legend_above(figure, axes, columns):
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper center", ncols=min(columns, len(labels)), **TIGHT_LEGEND)
