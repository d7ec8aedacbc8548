"""How well the probabilities are calibrated."""

import numpy as np
import pandas as pd

from emofuse.report.scores import tested_turns
from emofuse.report.systems import ranked, shown_systems, system_title
from emofuse.report.table import Table

PLACE = 55
TABLES = {"calibration": "How well the probabilities are calibrated"}
NEEDS = ("folds",)


def make(name, sources):
    """Expected calibration error and Brier score before and after calibration: single modalities, final system, others."""
    calibration, order = sources.calibration, ranked(sources.scores)
    others = order[order["kind"].isin(["early", "late", "named"])]["system"]
    rows = [*shown_systems(order.loc[order["kind"] != "named", "system"]), *others]
    rows = [system for system in rows if system in set(calibration["system"])]
    wide = calibration.pivot(index="system", columns="when", values=["ece", "brier"])
    titles = {"ece": "ECE (%)", "brier": "Brier score"}
    columns = {
        (title, when.capitalize()): wide.get((measure, when), pd.Series(np.nan, index=wide.index)).astype(float)
        for measure, title in titles.items()
        for when in ("before", "after")
    }
    values = pd.DataFrame(columns).loc[rows]
    values.index = pd.Index([system_title(system) for system in rows], name="System")
    values["ECE (%)"] *= 100
    caption = (
        f"Probabilities on {tested_turns(sources.scores)}, before and after calibration on the validation part of each fold "
        "(temperature; for the SVM, which has no probabilities before, a sigmoid a class). ECE: mean distance of "
        "confidence and accuracy over 15 bins. Brier score: 0 is best, 2 worst."
        if rows
        else "There is no validation part to calibrate on, so no probabilities are calibrated."
    )
    return Table(name, caption, values, digits={column: 3 for column in columns if column[0] == "Brier score"})
