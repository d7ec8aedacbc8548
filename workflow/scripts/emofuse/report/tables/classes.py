"""Table 7: the classes of the final system."""

import pandas as pd

from emofuse.report.outputs import class_title
from emofuse.report.scores import over_seeds
from emofuse.report.table import Table

PLACE = 25
TABLES = {"table7": "Table 7"}
NEEDS = ()


def make(name, sources):
    """Precision, recall, F1 and support of each class of the final system, with macro and weighted rows."""
    per_class = sources.per_class
    frame = per_class[(per_class["system"] == "chosen") & (per_class["split"] == "pooled")]
    frame = frame.set_index(["class", "seed"])[["precision", "recall", "f1", "support"]].astype(float)
    averages = []
    for seed, of_seed in frame.groupby("seed"):
        weights = of_seed["support"] / of_seed["support"].sum()
        # A class with turns that is never said has no precision; in the averages it counts as 0.
        counted = of_seed[of_seed["support"] > 0].fillna(0)
        for row, mean in (("macro", counted.mean()), ("weighted", counted.mul(weights, axis=0).sum())):
            mean["support"] = of_seed["support"].sum()
            averages.append(mean.rename((row, seed)))
    averages = pd.DataFrame(averages)
    averages.index = pd.MultiIndex.from_tuples(averages.index, names=["class", "seed"])
    both = pd.concat([frame, averages])
    both[["precision", "recall", "f1"]] *= 100
    rows = [*(c for c in sources.classes if c in frame.index.get_level_values("class")), "macro", "weighted"]
    titles = {"macro": "macro average", "weighted": "weighted average"}
    heads = pd.Index([titles.get(row, class_title(row)) for row in rows], name="Class")
    columns = ["Precision", "Recall", "F1", "Support"]
    shown = [
        None if part is None else part.loc[rows].set_axis(heads).set_axis(columns, axis=1) for part in over_seeds(both)
    ]
    caption = (
        "The final system by class: precision, recall and F1 in percent, support in turns, over the test turns of all "
        "folds. The macro average of recall is UA, its weighted average WA."
    )
    return Table(name, caption, *shown, digits={"Support": 0})
