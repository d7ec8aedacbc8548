"""Which differences hold: the declared family of comparisons."""

import numpy as np
import pandas as pd

from emofuse.report.scores import BOOTSTRAP
from emofuse.report.systems import MEASURES
from emofuse.report.table import P, Table

PLACE = 35
TABLES = {"comparisons": "Which differences hold"}
NEEDS = ("folds",)
MCNEMAR = "Alone right (McNemar)"


def make(name, sources):
    """The final system against each single modality, the one that would be chosen on
    validation, each baseline and other fusion."""
    comparisons = sources.comparisons.assign(holds=sources.comparisons["holds"].map({True: "yes", False: "no"}))
    comparisons[["difference", "low", "high"]] *= 100
    heads = list(dict.fromkeys(zip(comparisons["second"], comparisons["role"], strict=True)))
    titles = {"difference": "Points", "p": "p", "p_holm": "p, Holm", "holds": "Holds"}
    wide = comparisons.pivot(index=["second", "role"], columns="measure")
    columns = {
        (MEASURES[measure], title): wide[column, measure]
        for measure in ("wa", "ua")
        for column, title in titles.items()
    }
    mcnemar = {"only_first": "Final", "only_second": "Other", "p_mcnemar": "p"}
    columns |= {(MCNEMAR, title): wide[column, "wa"] for column, title in mcnemar.items()}
    values = pd.DataFrame(columns).loc[heads]
    values.index = pd.MultiIndex.from_tuples(heads, names=["Compared with", "Role"])
    caption = (
        f"The final system less each of the {len(heads)} systems of the declared family, in points, with 95 % "
        f"intervals {BOOTSTRAP}. p: sign flips of whole dialogs, two-sided, which takes dialogs as independent and says "
        "nothing of other speakers. Holds: yes "
        f"where p is below 0.05 after Holm's correction for all {len(heads)}. McNemar: exact, on turns that one of "
        "the two alone has right; it takes turns as independent, which those of a dialog are not, so its p is too "
        "small. Other fusions have the classifier, and chosen-single the modality, that is chosen on validation, fold by "
        "fold."
    )
    bounds = []
    for end in ("low", "high"):
        ends = pd.DataFrame(np.nan, index=values.index, columns=values.columns)
        for measure in ("wa", "ua"):
            ends[MEASURES[measure], "Points"] = wide.loc[heads, (end, measure)].to_numpy()
        bounds.append(ends)
    digits = {column: 0 for column in columns if column[1] in ("Final", "Other")}
    digits |= {column: P for column in columns if column[1].startswith("p")}
    return Table(name, caption, values, digits=digits, bounds=tuple(bounds))
