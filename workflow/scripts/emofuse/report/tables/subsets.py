"""Every subset of the modalities, without choosing."""

from itertools import combinations

import pandas as pd

from emofuse.report.outputs import MODALITY_TITLES
from emofuse.report.scores import KINDS, over_seeds, tested_turns, trained
from emofuse.report.systems import MEASURES
from emofuse.report.table import Table

PLACE = 45
TABLES = {"subsets": "Every subset of the modalities"}
NEEDS = ("fusion", "folds")


def make(name, sources):
    """Each subset, early and late: mean over the trained classifiers and the combinations."""
    scores = sources.scores
    present = [modality for modality in MODALITY_TITLES if modality in sources.modalities]
    wanted = [names for size in range(1, len(present) + 1) for names in combinations(present, size)]
    own = scores[(scores["kind"] == "single") & (scores["split"] == "pooled")]
    whole_inputs = pd.concat([own, trained(scores[scores["missing"] == ""])])
    both = whole_inputs.groupby(["modalities", "seed", "kind"])[["wa", "ua"]].mean().mul(100).unstack("kind")
    columns = [(kind, measure) for kind in KINDS for measure in ("wa", "ua") if (measure, kind) in both.columns]
    both = pd.DataFrame({(KINDS[kind], MEASURES[measure]): both[measure, kind] for kind, measure in columns})
    rows = [", ".join(names) for names in wanted]
    heads = pd.Index([" + ".join(MODALITY_TITLES[m] for m in names) for names in wanted], name="Modalities")
    shown = [None if frame is None else frame.loc[rows].set_axis(heads) for frame in over_seeds(both)]
    caption = (
        f"WA and UA in percent on {tested_turns(scores)}, of each subset of the modalities. Encoder alone: its own "
        "softmax. Early and late: mean over the trained classifiers and, of several modalities, the combinations, so "
        "that no choice favours a subset."
    )
    return Table(name, caption, *shown)
