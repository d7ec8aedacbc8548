"""Figures 2 to 7: loss and accuracy while the encoders train."""

from pathlib import Path

import pandas as pd
from matplotlib.ticker import MaxNLocator

from emofuse.report.figures.style import legend_above, new_axes
from emofuse.report.outputs import split_title
from emofuse.report.systems import fold_names
from emofuse.runtime.store import read_parquet

# Folds must not be taken for classes: another family of colours (Okabe and Ito's, safe for colour-blind readers).
FOLD_COLOURS = (
    *("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"),
    *("#777777", "#9d7f00", "#4b3f8f", "#000000"),
)


def read_histories(paths):
    """All training histories as one frame, with modality, encoder, split and seed from where the files lie."""
    frames = []
    for path in map(Path, paths):
        modality, encoder, split, seed = path.parts[-5:-1]
        frame = read_parquet(path).to_pandas()
        frames.append(
            frame.assign(modality=modality, encoder=encoder, split=split, seed=int(seed.removeprefix("seed")))
        )
    if not frames:  # of frozen encoders there are none
        return pd.DataFrame(
            columns=["step", "epoch", "part", "loss", "wa", "ua", "modality", "encoder", "split", "seed"]
        )
    return pd.concat(frames, ignore_index=True)


def watched(runs):
    """What the part that epochs were chosen on is called in these training histories."""
    return "test" if (runs["part"] == "test").any() else "validation"


def draw_loss(runs):
    """Figures 2 to 4: training loss beside the loss on the part that epochs were chosen on, one line a fold (and seed)."""
    figure, panels = new_axes(1, 2, figsize=(7.4, 3.1), sharey=True, sharex=True)
    for axes, of_training, title in zip(panels, (True, False), ("training", watched(runs)), strict=True):
        _lines(axes, runs[(runs["part"] == "train") == of_training], "loss", f"no {title} loss in this run")
        axes.set_title(title.capitalize(), loc="left")
        axes.set_xlabel("training steps")
        axes.grid(True)
    panels[0].set_ylabel("cross-entropy loss (nats)")
    panels[0].set_ylim(bottom=0)
    legend_above(figure, panels[0], columns=5)
    return figure


def draw_accuracy(runs):
    """Figures 5 to 7: WA on the part that epochs were chosen on, one line a fold (and seed), the best epoch dotted."""
    figure, axes = new_axes(figsize=(5.2, 3.3))
    measured = runs[runs["part"] != "train"].assign(wa=lambda frame: 100 * frame["wa"])
    _lines(axes, measured, "wa", "no validation part in this run", best=True)
    axes.set_xlabel("training steps")
    axes.set_ylabel(f"{watched(runs)} WA (%)")
    axes.grid(True)
    axes.margins(y=0.08)
    legend_above(figure, axes, columns=5)
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
