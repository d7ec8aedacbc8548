"""How sure the scores are: both kinds of interval of each system."""

import numpy as np
import pandas as pd

from emofuse.report.scores import BOOTSTRAP, by_measure, tested_turns
from emofuse.report.systems import MEASURES, ranked, shown_systems, system_title
from emofuse.report.table import Table

PLACE = 30
TABLES = {"intervals": "How sure the scores are"}
NEEDS = ("folds",)


def make(name, sources):
    """WA and UA of baselines, single modalities, final system, named systems and other fusions, with both kinds of interval."""
    order = ranked(sources.scores)
    others = order[order["kind"].isin(["early", "late", "named"])]["system"]
    rows = [*shown_systems(order.loc[order["kind"] != "named", "system"]), *others]
    columns = ("value", "low", "high", "fold_low", "fold_high", "seed_sd")
    wide = {column: by_measure(sources.intervals, column) for column in columns}
    middle = (wide["fold_low"] + wide["fold_high"]) / 2  # a t interval lies around the mean of the folds
    heads = pd.Index([system_title(system) for system in rows], name="System")

    def both(pooled, of_folds):
        columns = {}
        for measure in ("wa", "ua"):
            columns[MEASURES[measure], "Pooled"] = pooled[measure]
            columns[MEASURES[measure], "Mean of folds"] = of_folds[measure]
        return pd.DataFrame(columns).loc[rows].set_axis(heads)

    several = wide["seed_sd"].notna().any(axis=None)
    caption = (
        f"WA and UA in percent with 95 % intervals. Pooled: over {tested_turns(sources.scores)}, {BOOTSTRAP}. Mean of folds: "
        "Student's t, which takes the folds as independent, though their training parts overlap."
    )
    return Table(
        name,
        caption,
        both(wide["value"], middle),
        both(wide["seed_sd"], wide["seed_sd"] * np.nan) if several else None,
        bounds=(both(wide["low"], wide["fold_low"]), both(wide["high"], wide["fold_high"])),
    )
