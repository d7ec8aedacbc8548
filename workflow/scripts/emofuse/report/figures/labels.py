"""Figure 1: the turns of each class in each session."""

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from emofuse.report.figures.style import colours, legend_above, new_axes
from emofuse.report.outputs import class_title
from emofuse.runtime.store import read_parquet


def draw_labels(splits, classes):
    """Number of turns of each class in each session, over all turns of the split files."""
    columns = ["turn_id", "class", "session"]
    turns = pd.concat([read_parquet(path, columns).to_pandas() for path in splits]).drop_duplicates("turn_id")
    counts = turns.groupby(["session", "class"]).size().unstack(fill_value=0).reindex(columns=classes, fill_value=0)
    figure, axes = new_axes(figsize=(max(4.5, 0.6 + 0.34 * counts.size), 3.2))
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
    legend_above(figure, axes, columns=len(classes))
    return figure
