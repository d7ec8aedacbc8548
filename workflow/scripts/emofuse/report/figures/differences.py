"""Paired differences of runs with their intervals: a forest plot."""

import numpy as np

from emofuse.report.figures.style import OTHER_COLOURS, legend_above, new_axes
from emofuse.report.outputs import class_title, split_title

COLOURS = ("#3f78bd", "#c4622d", "#2a7f6f", *OTHER_COLOURS)


def draw_differences(compared):
    """WA of all turns and of each fold beside UA and the recall of each class, in points, a colour a pair; of a Compared."""
    tested, parts = (frame.set_index(["run", "less"]).sort_index() for frame in (compared.differences, compared.parts))
    pairs = list(dict.fromkeys(zip(compared.differences["run"], compared.differences["less"], strict=True)))
    sides = {"wa": ("fold", "wa", split_title), "ua": ("class", "recall", class_title)}
    most = 1 + max(compared.parts.groupby("by")["part"].nunique())
    figure, panels = new_axes(1, 2, figsize=(7.6, 1.0 + 0.17 * most * (len(pairs) + 0.8)), sharex=True)
    offsets = (np.arange(len(pairs)) - (len(pairs) - 1) / 2) * 0.8 / max(len(pairs), 2)
    for axes, (measure, (by, of_part, title)) in zip(panels, sides.items(), strict=True):
        for number, (pair, offset) in enumerate(zip(pairs, offsets, strict=True)):
            whole, own = tested.loc[[pair]], parts.loc[[pair]]
            whole = whole[whole["measure"] == measure]
            own = own[(own["by"] == by) & (own["measure"] == of_part)]
            low, high, value = (100 * np.r_[whole[end], own[end]] for end in ("low", "high", "difference"))
            names = ["all turns", *map(title, own["part"])]
            heights = np.r_[0, 1.4 + np.arange(len(own))] + offset
            colour = COLOURS[number % len(COLOURS)]
            axes.hlines(heights, low, high, color=colour, linewidth=1.6)
            style = {"color": colour, "markersize": 5.5, "markeredgecolor": "white"}
            axes.plot(value[1:], heights[1:], "o", **style)
            axes.plot(value[:1], heights[:1], "D", label=f"{pair[0]} less {pair[1]}", **style)
        axes.axvline(0, color="#777777", linestyle=(0, (4, 3)), linewidth=1)
        axes.set_yticks([0, *(1.4 + np.arange(len(names) - 1))], names)
        axes.set_ylim(1.4 + most - 1, -0.8)
        axes.tick_params(axis="y", length=0)
        axes.get_yticklabels()[0].set_fontweight("bold")
        axes.spines["left"].set_visible(False)
        axes.xaxis.grid(True)
        axes.set_title("WA, by fold" if measure == "wa" else "UA, and recall by class", loc="left")
        axes.set_xlabel("Difference (points)")
    legend_above(figure, panels[0], columns=3)
    return figure
