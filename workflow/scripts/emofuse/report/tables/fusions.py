"""Tables 5 and 6: early and late fusion by combination and classifier."""

import pandas as pd

from emofuse.report.outputs import classifier_titles, combination_titles, in_order
from emofuse.report.scores import over_seeds, tested_turns
from emofuse.report.systems import MEASURES, main_systems
from emofuse.report.table import Table

PLACE = 20
TABLES = {"table5": "Table 5", "table6": "Table 6"}
NEEDS = ("fusion",)


def make(name, sources):
    """Pooled WA and UA by combination (rows) and classifier (columns), with the classifiers' average.

    The average takes the trained classifiers only, so that early and late fusion are compared like with like; argmax,
    where late fusion has it, stands beside it.
    """
    kind, scores = "early" if name == "table5" else "late", sources.scores
    frame = main_systems(scores[(scores["kind"] == kind) & (scores["split"] == "pooled")])
    present = in_order(classifier_titles(), frame["classifier"].unique())
    trained = [classifier for classifier in present if classifier != "argmax"]
    average = ["average"] if len(trained) > 1 else []
    columns, wides = [], {}
    for measure in ("wa", "ua"):
        wide = frame.pivot(index=["combination", "seed"], columns="classifier", values=measure).mul(100)
        wide["average"] = wide[trained].mean(axis=1)
        wides[MEASURES[measure]] = wide
    for classifier in [*present, *average]:
        columns += [(classifier, measure) for measure in wides]
    both = pd.DataFrame({column: wides[column[1]][column[0]] for column in columns})
    values, spread = over_seeds(both)
    rows = in_order(combination_titles(), frame["combination"].unique())
    heads = pd.Index(list(rows.values()), name="Combination")
    titles = present | {"average": "Average"}
    top = pd.MultiIndex.from_tuples([(titles[c][0].upper() + titles[c][1:], measure) for c, measure in columns])
    shown = [None if f is None else f.loc[list(rows)].set_axis(heads).set_axis(top, axis=1) for f in (values, spread)]
    caption = (
        f"{kind.capitalize()} fusion: WA and UA in percent, pooled over {tested_turns(scores)}."
        + " Average: over the trained classifiers" * bool(average)
        + (", without argmax." if "argmax" in present else ".") * bool(average)
    )
    return Table(name, caption, *shown)
