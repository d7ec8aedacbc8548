"""The drawn figures by section of the report."""

from emofuse.report.outputs import (
    ACCURACY_FIGURES,
    LOSS_FIGURES,
    PCA_FIGURES,
    figure_caption,
    figure_names,
    figure_title,
)
from emofuse.report.pages import drawing


def figure_sections(folder, modalities, trained, pca_split, watched):
    """The figures by section of the report, each with its title, caption and the SVG as a data URI."""
    sections = {name: [] for name in ("systems", "intervals", "data", "training", "vectors", "final", "reliability")}
    # Loss beside accuracy, a modality a row; all other figures in the order of their numbers.
    names = [figures[m] for m in modalities if m in trained for figures in (LOSS_FIGURES, ACCURACY_FIGURES)]
    names += [name for name in figure_names(modalities, trained) if name not in names]
    place = {"figure01": "data", "figure11": "vectors", "figure12": "final"}
    place |= {name: name for name in ("systems", "intervals", "reliability")}
    place |= dict.fromkeys([*LOSS_FIGURES.values(), *ACCURACY_FIGURES.values()], "training")
    place |= dict.fromkeys(PCA_FIGURES.values(), "vectors")
    for name in names:
        shown = drawing(folder, name, figure_title(name), figure_caption(name, pca_split, watched))
        sections[place[name]].append(shown)
    return sections
