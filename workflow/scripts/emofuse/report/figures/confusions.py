"""Figure 12: what the final system takes for what."""

import numpy as np
from matplotlib.ticker import PercentFormatter

from emofuse.report.confusion import confusion_matrix, shares
from emofuse.report.figures.style import new_axes
from emofuse.report.outputs import class_title


def draw_confusion(confusion, classes):
    """Counts and row percentages of the final system's test predictions, the percentages as colour."""
    matrix = confusion_matrix(confusion, classes)
    percent = shares(matrix)
    figure, axes = new_axes(figsize=(1.9 + 0.85 * len(classes), 1.2 + 0.72 * len(classes)))
    image = axes.imshow(percent, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for (i, j), share in np.ndenumerate(percent):
        colour = "white" if share > 55 else "#1d1d1d"
        axes.text(
            j, i - 0.11, f"{matrix[i, j]:.0f}", ha="center", va="center", color=colour, fontsize=10, weight="bold"
        )
        axes.text(j, i + 0.19, f"{share:.1f} %", ha="center", va="center", color=colour, fontsize=7.5)
    titles = [class_title(name) for name in classes]
    axes.set_xticks(range(len(classes)), titles)
    axes.set_yticks(range(len(classes)), [f"{t}\n({n:.0f})" for t, n in zip(titles, matrix.sum(axis=1), strict=True)])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class (turns)")
    bar = figure.colorbar(image, ax=axes, format=PercentFormatter(decimals=0), shrink=0.9)
    bar.set_label("share of the true class")
    bar.outline.set_visible(False)
    return figure
