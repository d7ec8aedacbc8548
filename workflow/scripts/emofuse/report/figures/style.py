"""What the figures share: colours, fonts, axes, legends."""

from matplotlib.figure import Figure

from emofuse.report.outputs import class_title

# The paper's colours; classes that it does not have take the next of the others.
CLASS_COLOURS = {"anger": "#cf3b38", "happiness": "#f2c037", "neutral": "#3f78bd", "sadness": "#3c9a5f"}
OTHER_COLOURS = ("#8a5bb0", "#e0803a", "#3aa6a6", "#c968a4", "#8a6a4f", "#7d8590", "#a3b13c")
KIND_COLOURS = {
    **{"baseline": "#777777", "single": "#3f78bd", "named": "#2a7f6f"},
    **{"early": "#c4622d", "late": "#8a5bb0", "chosen": "#111111"},
}
PROTOCOL_COLOURS = {"session": "#3f78bd", "speaker": "#8a5bb0", "scenario": "#c4622d", "scenario_control": "#2a7f6f"}
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


def colours(classes):
    """Class name -> colour: the paper's for its four classes, distinct others for the rest."""
    others = iter(OTHER_COLOURS * (1 + len(classes) // len(OTHER_COLOURS)))
    return {name: CLASS_COLOURS.get(class_title(name)) or next(others) for name in classes}


def new_axes(rows=1, columns=1, *, figsize, **sharing):
    """A figure of that size in inches, and its axes."""
    figure = Figure(figsize=figsize)
    return figure, figure.subplots(rows, columns, **sharing)


def legend_above(figure, axes, columns):
    """The legend of `axes` above the figure, if there is anything in it."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper center", ncols=min(columns, len(labels)), **TIGHT_LEGEND)
