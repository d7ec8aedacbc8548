"""How sure the systems are, against how often they are right."""

from emofuse.fusion.calibration import error_of_bins
from emofuse.report.figures.style import KIND_COLOURS, legend_above, new_axes
from emofuse.report.systems import short_title, shown_systems


def draw_reliability(reliability):
    """Accuracy against confidence, in bins, before and after calibration: a panel a system, ECE in its title."""
    systems = shown_systems(reliability["system"])
    if not systems:
        figure, axes = new_axes(figsize=(4.8, 2.2))
        axes.text(0.5, 0.5, "no validation part to calibrate on in this run", ha="center", va="center", color="#777777")
        axes.set_axis_off()
        return figure
    figure, panels = new_axes(
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
    legend_above(figure, panels[0, 0], columns=2)
    return figure
