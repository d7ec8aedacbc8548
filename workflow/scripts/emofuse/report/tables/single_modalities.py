"""Table 4: each single modality by fold."""

import pandas as pd

from emofuse.report.outputs import split_title
from emofuse.report.scores import encoder_note, over_seeds, tested_turns
from emofuse.report.systems import MEASURES, fold_names, modality_rank, modality_title
from emofuse.report.table import Table

PLACE = 15
TABLES = {"table4": "Table 4"}
NEEDS = ()


def make(name, sources):
    """WA and UA of each single modality by fold, their mean, and pooled over the folds."""
    single = sources.scores[sources.scores["kind"] == "single"]
    folds = fold_names(single)
    parts = []
    for measure in ("wa", "ua"):
        wide = single.pivot(index=["system", "seed"], columns="split", values=measure).mul(100)
        wide = wide[[*folds, "pooled"]]
        wide.insert(len(folds), "mean", wide[folds].mean(axis=1))
        parts.append(wide.assign(measure=MEASURES[measure]).set_index("measure", append=True))
    values, spread = over_seeds(pd.concat(parts).reorder_levels(["system", "measure", "seed"]))
    rows = [(s, m) for s in sorted(single["system"].unique(), key=modality_rank) for m in ("WA", "UA")]
    heads = pd.MultiIndex.from_tuples(
        [(modality_title(s), f"{s}{encoder_note(single, s)}", m) for s, m in rows],
        names=["Modality", "System", "Measure"],
    )
    titles = {fold: split_title(fold).capitalize() for fold in folds} | {"mean": "Mean", "pooled": "Pooled"}
    shown = [
        None if frame is None else frame.loc[rows].set_axis(heads).rename(columns=titles) for frame in (values, spread)
    ]
    caption = (
        "Single modalities: WA and UA in percent by test fold, their mean over the folds, and pooled over "
        f"{tested_turns(sources.scores)}."
    )
    return Table(name, caption, *shown)
