"""WA and UA of all systems, with the spread of the folds or with intervals."""

import numpy as np
import pandas as pd

from emofuse.report.figures.style import KIND_COLOURS, new_axes
from emofuse.report.systems import ranked


def draw_systems(scores):
    """The overview: WA and UA of every system, within its kind by WA; folds as ticks, the majority class as a line."""
    folds = scores[scores["split"] != "pooled"].groupby(["system", "split"])[["wa", "ua"]].mean()

    def ticks(axes, measure, row, height):
        values = 100 * folds.loc[[row.system], measure]
        colour = KIND_COLOURS[row.kind]
        axes.plot([values.min(), values.max()], [height, height], color=colour, alpha=0.25, linewidth=1.2)
        axes.plot(values, np.full(len(values), height), "|", color=colour, alpha=0.55, markersize=6)

    return _draw_systems(ranked(scores), ("chosen", "named", "early", "late", "single", "baseline"), ticks)


def draw_intervals(scores, intervals):
    """A forest plot: WA and UA of the systems with their 95 % intervals; the majority class as a line."""
    ends = intervals.set_index(["system", "measure"])[["low", "high"]].mul(100)

    def interval(axes, measure, row, height):
        axes.plot(ends.loc[row.system, measure], [height, height], color=KIND_COLOURS[row.kind], linewidth=1.6)

    return _draw_systems(ranked(scores), ("chosen", "single", "baseline", "named", "early", "late"), interval)


def _draw_systems(order, kinds, draw_spread):
    """WA and UA as dots, a row a system, best first within each of `kinds`; draw_spread(axes, measure, row, height)."""
    kinds = [kind for kind in kinds if kind in set(order["kind"])]
    rows = pd.concat([order[order["kind"] == kind] for kind in kinds], ignore_index=True)
    heights = np.arange(len(rows)) + 0.6 * rows["kind"].map(kinds.index).to_numpy()  # a gap between kinds
    figure, panels = new_axes(1, 2, figsize=(7.6, 0.9 + 0.235 * heights[-1]), sharey=True, sharex=True)
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
