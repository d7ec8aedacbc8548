"""What reading more of the dialog brings to systems that are alike in all else."""

import numpy as np
import pandas as pd

from emofuse.report.scores import BOOTSTRAP
from emofuse.report.systems import MEASURES
from emofuse.report.table import P, Table

PLACE = 33
TABLES = {"contexts": "What the rest of the dialog brings"}
NEEDS = ("contexts", "folds")
HEADS = ["Reads more", "Reads less"]
COLUMNS = {"difference": "Points", "p": "p", "p_holm": "p, Holm", "holds": "Holds"}
HOW = (
    "in points, with 95 % intervals {bootstrap}. p: sign flips of whole dialogs, two-sided. Holds: yes where p is below 0.05 "
    "after Holm's correction for all pairs"
)


def make(name, sources):
    """A row a pair of named systems."""
    caption = f"The first system less the second, {HOW.format(bootstrap=BOOTSTRAP)}."
    return compared(name, caption, sources.contexts, {"first": HEADS[0], "second": HEADS[1]})


def compared(name, caption, contexts, heads):
    """The Table of rows of contexts.parquet, or of such as have no p; heads: {column of theirs: head}."""
    contexts = contexts.assign(holds=contexts["holds"].map({True: "yes", False: "no"}))
    contexts[["difference", "low", "high"]] = contexts[["difference", "low", "high"]].mul(100)
    wide = contexts.pivot(index=list(heads), columns="measure")
    order = list(dict.fromkeys(contexts[list(heads)].itertuples(index=False, name=None)))
    measures = ("wa", "ua")
    columns = {
        (MEASURES[measure], title): wide[column, measure] for measure in measures for column, title in COLUMNS.items()
    }
    values = pd.DataFrame(columns).loc[order].rename_axis(list(heads.values()))
    bounds = []
    for end in ("low", "high"):
        ends = pd.DataFrame(np.nan, index=values.index, columns=values.columns)
        for measure in measures:
            ends[MEASURES[measure], "Points"] = wide.loc[order, (end, measure)].to_numpy()
        bounds.append(ends)
    digits = {column: P for column in columns if column[1].startswith("p")}
    return Table(name, caption, values, digits=digits, bounds=tuple(bounds))
