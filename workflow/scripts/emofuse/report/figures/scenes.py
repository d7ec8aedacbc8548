"""WA of systems where scenes recur, and where they are new."""

import numpy as np

from emofuse.report.figures.style import PROTOCOL_COLOURS, legend_above, new_axes
from emofuse.report.outputs import protocol_title
from emofuse.report.systems import system_title


def draw_scenes(scored, systems):
    """Dots with 95 % intervals, a row a system of `systems`, a colour a protocol.

    scored: those rows of intervals.parquet that are of WA, with their protocol.
    """
    protocols = list(dict.fromkeys(scored["protocol"]))
    found = scored.set_index(["protocol", "system"])[["value", "low", "high"]].mul(100)
    figure, axes = new_axes(figsize=(7.6, 1.1 + 0.16 * len(systems) * (len(protocols) + 1)))
    offsets = 0.22 * (np.arange(len(protocols)) - (len(protocols) - 1) / 2)
    for protocol, offset in zip(protocols, offsets, strict=True):
        rows = found.loc[protocol].loc[systems]
        heights, colour = np.arange(len(systems)) + offset, PROTOCOL_COLOURS.get(protocol, "#7d8590")
        axes.hlines(heights, rows["low"], rows["high"], color=colour, linewidth=1.6)
        axes.plot(
            rows["value"],
            heights,
            "o",
            color=colour,
            markersize=5.5,
            markeredgecolor="white",
            label=protocol_title(protocol),
        )
    axes.set_yticks(range(len(systems)), map(system_title, systems))
    axes.set_ylim(len(systems) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("WA on the test turns (%)")
    axes.xaxis.grid(True)
    for line in np.arange(len(systems) - 1) + 0.5:
        axes.axhline(line, color="#e4e4e4", linewidth=0.7)
    axes.get_yticklabels()[systems.index("chosen")].set_fontweight("bold")
    legend_above(figure, axes, columns=len(protocols))
    return figure
