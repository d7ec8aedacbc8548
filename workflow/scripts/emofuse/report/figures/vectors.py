"""Figures 8 to 11: the vectors of one fold in two dimensions."""

import numpy as np
from matplotlib.lines import Line2D
from sklearn.decomposition import PCA

from emofuse.fusion.alignment import align
from emofuse.report.figures.style import TIGHT_LEGEND, colours, new_axes
from emofuse.report.outputs import class_title
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_metadata

DRAWN = 5_000  # points at most, of which one still sees each
RASTER_FROM = 1000  # points from which a scatter is drawn as pixels inside the SVG


def read_spaces(embeddings, splits, pca_split):
    """The vectors of one fold, `fusion.Aligned`, from its embedding files (one a modality) and the split files."""
    split = next((path for path in splits if read_metadata(path)["split"] == pca_split), None)
    if split is None:
        raise EmofuseError(f"figures 8 to 11 are to draw fold '{pca_split}', but it is not among the splits of the run")
    stores = {read_metadata(path)["modality"]: path for path in embeddings}
    return align(stores, split, int(read_metadata(embeddings[0])["seed"]))


def project(vectors, parts):
    """The test turns in the first two principal components of the training turns: (n, 2) float64, and the components'
    shares of the training variance, (2,). `vectors` is (turns, width), `parts` (turns,) names each turn's part.
    """
    pca = PCA(n_components=2, svd_solver="covariance_eigh").fit(vectors[parts == "train"])
    return pca.transform(vectors[parts == "test"]), pca.explained_variance_ratio_


def draw_pca(vectors, parts, truth, classes, title):
    """The test turns of one fold in the plane of `project`, coloured by class (`truth`, (turns,)).

    Of more than DRAWN as many are drawn by lot, which the title says; the legend counts all.
    """
    points, shares = project(vectors, parts)
    names = truth[parts == "test"]
    palette = colours(classes)
    order = np.random.default_rng(0).permutation(len(points))[:DRAWN]  # else the last class lies on top of the others
    if len(order) < len(points):
        title = f"{title}: {len(order):,} of {len(points):,} test turns"
    figure, axes = new_axes(figsize=(4.8, 4.4))
    size = float(np.clip(9000 / max(len(order), 1), 9, 32))
    axes.scatter(
        *points[order].T,
        s=size,
        c=[palette[name] for name in names[order]],
        alpha=0.75,
        edgecolors="white",
        linewidths=0.3,
        rasterized=len(order) >= RASTER_FROM,
    )
    for axis, (set_label, share) in enumerate(zip((axes.set_xlabel, axes.set_ylabel), shares, strict=True), start=1):
        set_label(f"component {axis} ({100 * share:.1f} % of the training variance)")
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_title(title, loc="left")
    axes.grid(True)
    handles = [
        Line2D([], [], linestyle="", marker="o", markersize=6, color=palette[c], label=f"{class_title(c)} ({n})")
        for c in classes
        if (n := int((names == c).sum()))
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)), **TIGHT_LEGEND)
    return figure
