"""WA under degraded input, against how strong the degradation is."""

import numpy as np

from emofuse.report.figures.style import KIND_COLOURS, legend_above, new_axes

COLUMNS = 3


def draw_robustness(panels):
    """A panel a degradation: the modality alone and the system that fuses, with 95 % intervals.

    panels: dicts with title, unit, ticks (texts of the severities), alone, fused and missing: DataFrames with the columns wa,
    wa_low and wa_high in percent, the turns as they are first; of `missing` one row, or None; other: (title, WA) of the best
    other modality alone, or None; titles: those of alone and fused.
    """
    rows = -(-len(panels) // COLUMNS)
    columns = min(COLUMNS, len(panels))
    figure, grid = new_axes(rows, columns, figsize=(0.6 + 2.5 * COLUMNS, 0.5 + 2.3 * rows), sharey=True, squeeze=False)
    for axes, panel in zip(grid.flat, panels, strict=False):
        _draw(axes, panel)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel("WA (%)")
    legend_above(figure, grid[0, 0], columns=4)
    return figure


def _draw(axes, panel):
    ticks = ["clean", *panel["ticks"]]
    colours = {"alone": KIND_COLOURS["single"], "fused": KIND_COLOURS["chosen"]}
    labels = {"alone": "the modality alone", "fused": panel["fused_title"]}
    if panel["other"] is not None:
        axes.axhline(
            panel["other"],
            color=KIND_COLOURS["baseline"],
            linewidth=1,
            linestyle="--",
            label="best other modality alone",
        )
    for name, shift in (("alone", -0.06), ("fused", 0.06)):
        rows = panel[name]
        if rows is not None:
            _line(axes, np.arange(len(rows)) + shift, rows, colours[name], "-", labels[name])
    if panel["missing"] is not None:
        ticks.append("missing")
        label = f"{panel['fused_title']} without it"
        _line(
            axes, np.array([len(ticks) - 1.0]), panel["missing"], colours["fused"], "", label, marker="D", face="white"
        )
    axes.set_xticks(range(len(ticks)), ticks)
    axes.set_xlim(-0.4, len(ticks) - 0.6)
    axes.set_title(panel["title"])
    axes.set_xlabel(panel["unit"])
    axes.yaxis.grid(True)


def _line(axes, places, rows, colour, style, label, marker="o", face=None):
    axes.vlines(places, rows["wa_low"], rows["wa_high"], color=colour, linewidth=1.3)
    axes.plot(
        places,
        rows["wa"],
        style,
        marker=marker,
        color=colour,
        markersize=5,
        markerfacecolor=face or colour,
        markeredgecolor=colour if face else "white",
        linewidth=1.4,
        label=label,
    )
