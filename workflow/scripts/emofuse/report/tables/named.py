"""The systems that the config names, beside what is published of the works that they are after."""

import numpy as np
import pandas as pd

from emofuse.corpora.class_sets import CLASS_SETS
from emofuse.fusion.systems import MODELS
from emofuse.report.outputs import MODALITY_TITLES
from emofuse.report.scores import BOOTSTRAP, by_measure, over_seeds, tested_turns
from emofuse.report.systems import MEASURES, reach
from emofuse.report.table import Table
from emofuse.runtime import kinds
from emofuse.runtime.store import read_tsv

PLACE = 32
TABLES = {"named": "Systems that the config names"}
NEEDS = ("named", "folds")
SHOWN = ("wa", "ua", "macro_f1")
PUBLISHED = "Published WA"


def make(name, sources):
    """What each is, its encoders, WA and UA with intervals, macro F1, and published WA where it may stand beside them."""
    scores = sources.scores
    pooled = scores[(scores["split"] == "pooled") & (scores["kind"] == "named")]
    systems = list(dict.fromkeys(pooled["system"]))
    heads = pd.MultiIndex.from_tuples(
        [_head(system, sources.systems[system], pooled) for system in systems],
        names=["System", "What it is", "Encoders"],
    )

    def shown(frame):
        return frame.reindex(columns=list(SHOWN)).loc[systems].set_axis(heads).rename(columns=MEASURES)

    values, spread = over_seeds(pooled.set_index(["system", "seed"])[list(SHOWN)].mul(100))
    values, spread = shown(values), None if spread is None else shown(spread)
    ends = sources.intervals[sources.intervals["measure"].isin(["wa", "ua"])]
    bounds = tuple(shown(by_measure(ends, end)) for end in ("low", "high"))
    caption = (
        f"Scores in percent on {tested_turns(scores)}, with 95 % intervals {BOOTSTRAP}. A system that reads the whole dialog, "
        "or turns after its own, works on recordings alone."
    )
    references = _references(sources, systems)
    numbers = {row["system"]: float(row["published_wa"]) for row in references if row["comparable"] == "yes"}
    if numbers:
        values[PUBLISHED] = [numbers.get(system, np.nan) for system in systems]
        beside = [frame.assign(**{PUBLISHED: np.nan}) for frame in bounds]
        bounds, spread = tuple(beside), None if spread is None else spread.assign(**{PUBLISHED: np.nan})
    return Table(name, caption + _notes(references), values, spread, {PUBLISHED: 2}, bounds)


def _head(system, entry, scores):
    """(name, what it is, its encoders by modality)."""
    row = scores[scores["system"] == system].iloc[0]
    encoders = zip(row["modalities"].split(", "), row["encoders"].split(", "), strict=True)
    title = kinds.constants(MODELS)[entry["kind"]]["TITLE"]
    return system, f"{title}: {reach(entry)}", ", ".join(f"{MODALITY_TITLES.get(m, m)} {n}" for m, n in encoders)


def _references(sources, systems):
    """The rows of the reference numbers that are of some systems; none where the classes are not those that they are of."""
    if not sources.references or set(sources.classes) != set(CLASS_SETS["four"]):
        return []
    return [row for row in read_tsv(sources.references) if row["system"] in systems]


def _notes(references):
    """What the published numbers are of, and why there is none, a sentence for each note."""
    systems = {}
    for row in references:
        systems.setdefault((row["reference"], row["note"]), []).append(row["system"])
    if not systems:
        return ""
    notes = [f"{', '.join(of)}: {reference}, {note}" for (reference, note), of in systems.items()]
    return f" Published, each under another protocol than ours. {'. '.join(notes)}."
