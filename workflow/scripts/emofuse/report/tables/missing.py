"""What is left when a modality is missing at test time."""

import pandas as pd

from emofuse.report.outputs import MODALITY_TITLES
from emofuse.report.scores import KINDS, over_seeds, tested_turns, trained
from emofuse.report.systems import MEASURES
from emofuse.report.table import Table

PLACE = 50
TABLES = {"missing": "A modality missing at test time"}
NEEDS = ("fusion", "folds")


def make(name, sources):
    """The remaining ones' own system, or something neutral instead."""
    present = [modality for modality in MODALITY_TITLES if modality in sources.modalities]
    fusions = _of_ways(trained(sources.scores))
    own, neutral = fusions[fusions["missing"] == ""], fusions[fusions["missing"] != ""]
    rows = {("none", "all modalities"): own[own["modalities"] == ", ".join(present)]}
    for modality in present:
        others = [other for other in present if other != modality]
        remaining = " + ".join(MODALITY_TITLES[other] for other in others)
        title = MODALITY_TITLES[modality]
        rows[title, f"{remaining}, trained alone"] = own[own["modalities"] == ", ".join(others)]
        rows[title, f"all modalities, {title} substituted"] = neutral[neutral["missing"] == modality]
    frames = {
        head: frame.groupby(["seed", "kind"])[["wa", "ua"]].mean().mul(100).unstack("kind")
        for head, frame in rows.items()
    }
    both = pd.concat(frames, names=["Missing", "Answered by", "seed"])
    columns = {
        (KINDS[kind], MEASURES[measure]): both[measure, kind] for kind in ("early", "late") for measure in ("wa", "ua")
    }
    caption = (
        f"WA and UA in percent on {tested_turns(sources.scores)} when a modality is missing in all of them: mean over the "
        "trained classifiers and the combinations. Substituted: the training mean (ones in a product) stands for the "
        "modality in the system of all."
    )
    return Table(name, caption, *over_seeds(pd.DataFrame(columns)))


def _of_ways(scores):
    """The rows with the way of fusing as the kind of substituted ones: 'early-concat-svm.no-text' is early."""
    way = scores["system"].str.split("-").str[0]
    return scores.assign(kind=scores["kind"].where(scores["kind"] != "substituted", way))
