"""The table that answers first: baselines, single modalities, the final system, the best on test."""

import pandas as pd

from emofuse.report.scores import BOOTSTRAP, by_measure, encoder_note, over_seeds, tested_turns
from emofuse.report.systems import BASELINES, MEASURES, modality_rank, modality_title, ranked, system_title
from emofuse.report.table import Table

PLACE = 5
TABLES = {"headline": "What beats what"}
NEEDS = ()


def make(name, sources):
    """WA, UA and F1, with intervals where they were measured."""
    scores, rows = sources.scores, _rows(sources)
    pooled = scores[scores["split"] == "pooled"].set_index(["system", "seed"])[list(MEASURES)].mul(100)
    values, spread = over_seeds(pooled)
    heads = pd.MultiIndex.from_tuples([(system_title(system), role) for system, role in rows], names=["System", "Role"])
    systems = [system for system, _ in rows]
    caption, bounds = f"Scores in percent on {tested_turns(scores)}.", None
    if sources.intervals is not None:
        caption = f"Scores in percent on {tested_turns(scores)}, with 95 % intervals {BOOTSTRAP}."
        shown = sources.intervals[sources.intervals["measure"].isin(["wa", "ua"])]
        bounds = tuple(
            _picked(by_measure(shown, end).reindex(columns=list(MEASURES)), systems, heads) for end in ("low", "high")
        )
    values, spread = (_picked(frame, systems, heads) for frame in (values, spread))
    return Table(name, caption, values, spread, bounds=bounds)


def _rows(sources):
    """[(system, its role)]."""
    order, final_system = ranked(sources.scores), sources.final_system
    best = order[~order["kind"].isin(["baseline", "chosen"])].iloc[0]["system"]
    singles = order[order["kind"] == "single"]["system"].tolist()
    roles = dict(BASELINES)
    for system in sorted(singles, key=modality_rank):
        note = ", the best one on test" if len(singles) > 1 and system == singles[0] else ""
        roles[system] = f"single modality: {modality_title(system)}{encoder_note(order, system)}{note}"
    how = {
        "validation": "chosen on validation, fold by fold",
        "validation_wa": "the fusion with the best WA on validation, fold by fold",
        "test": "chosen on test: optimistic",
    }
    roles["chosen"] = how.get(final_system, f"named in the config: {final_system}")
    # A single modality that is also the best on test of all keeps its row and gets the mark as a second one.
    return [*roles.items(), (best, "best on test of all systems: optimistic")]


def _picked(frame, systems, heads):
    if frame is None:
        return None
    return frame.loc[systems].set_axis(heads).rename(columns=MEASURES)
