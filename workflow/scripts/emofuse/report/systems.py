"""Which systems a table or a figure shows, in which order and under which titles."""

import re

from emofuse.fusion.systems import MODELS
from emofuse.report.outputs import MODALITY_TITLES
from emofuse.runtime import kinds

MEASURES = {"wa": "WA", "ua": "UA", "macro_f1": "Macro F1", "weighted_f1": "Weighted F1"}
REACHES = {"none": "the turn alone", "past": "the turn and what came before", "both": "the whole dialog"}
BASELINES = {
    "majority": "baseline: the most frequent class",
    "scenario": "baseline: the scenario's most frequent class",
}


def main_systems(scores):
    """The rows of baselines, single modalities, fusions of all modalities, systems that the config names and the final one.

    Not those of a part of the modalities, but for named ones, nor those that meet turns without one.
    """
    fused = scores["kind"].isin(["early", "late"])
    everything = max(scores.loc[fused, "modalities"], key=lambda names: names.count(","), default="")
    parts = fused & ((scores["modalities"] != everything) | (scores["combination"] == ""))
    return scores[~parts & (scores["kind"] != "substituted")]


def ranked(scores):
    """Pooled test scores of each of `main_systems`, means over seeds: best WA first, ties by UA, then in the file's order."""
    pooled = main_systems(scores[scores["split"] == "pooled"])
    means = pooled.groupby(["system", "kind", "encoders"], sort=False)[list(MEASURES)].mean().reset_index()
    return means.sort_values(["wa", "ua"], ascending=False, kind="stable", ignore_index=True)


def fold_names(scores):
    """The folds of a score table in natural order: the splits that are not 'pooled'."""
    folds = {split for split in scores["split"].unique() if split != "pooled"}
    return sorted(folds, key=lambda split: [int(t) if t.isdigit() else t for t in re.split(r"(\d+)", split)])


def shown_systems(systems):
    """Those of some systems that every table shows, in its order: baselines, single modalities, the final system.

    None of the `systems` is one that the config names, for these may have any name.
    """
    found = set(systems)
    singles = {system for system in found if "." not in system and system.split("-")[0] in MODALITY_TITLES}
    return [*(b for b in BASELINES if b in found), *sorted(singles, key=modality_rank), *({"chosen"} & found)]


def reach(entry):
    """How much of the dialog an entry of the config's section `systems` reads, in words: 'the turn, 3 before and 1 after'."""
    said = []
    for key in kinds.constants(MODELS)[entry["kind"]].get("REACH", ()):
        value = entry[key]
        if isinstance(value, str):
            return REACHES.get(value, f"{key} {value}")
        said += [f"{value} {key}"] if value else []
    return f"the turn, {' and '.join(said)}" if said else REACHES["none"]


def system_title(system):
    """'chosen' -> 'final system'; any other system stands for itself."""
    return "final system" if system == "chosen" else system


def short_title(system):
    """A system of `shown_systems` for the head of a column: 'audio-wav2vec2' -> 'speech'."""
    return system_title(system) if system in (*BASELINES, "chosen") else modality_title(system)


def modality_title(system):
    """'audio-wav2vec2' -> 'speech'."""
    modality = system.split("-", 1)[0]
    return MODALITY_TITLES.get(modality, modality)


def modality_rank(system):
    """Sort key of single modalities: the paper's order, then the name."""
    order = list(MODALITY_TITLES)
    modality = system.split("-", 1)[0]
    return (order.index(modality) if modality in order else len(order), system)
