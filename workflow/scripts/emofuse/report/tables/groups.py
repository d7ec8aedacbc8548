"""The scores on kinds of turns, and on the turns of each speaker."""

import pandas as pd

from emofuse.report.systems import BASELINES, MEASURES, short_title, shown_systems
from emofuse.report.table import Table

PLACE = 40
TABLES = {"breakdown": "By kind of turn", "speakers": "By speaker"}
NEEDS = ("folds",)
TITLES = {"seen": "words seen in training", "unseen": "words not seen in training"}


def make(name, sources):
    """WA and UA of single modalities and final system, and by kind of turn of the baselines too."""
    groups, systems = sources.groups, shown_systems(sources.groups["system"])
    if name == "speakers":
        kinds = groups[groups["grouping"] == "speaker"]
        systems = [system for system in systems if system not in BASELINES]
        caption = "WA and UA in percent on the test turns of each speaker: what no interval over dialogs holds."
        return _grouped(name, caption, kinds, "Speaker", systems)
    kinds = groups[groups["grouping"].isin(["style", "words"])]
    caption = "WA and UA in percent on kinds of test turns."
    if kinds["group"].isin(["improvised", "scripted"]).any():
        caption += " Improvised and scripted: by the dialog."
    if kinds["grouping"].eq("words").any():
        caption += (
            " Words seen: a training turn of the same fold has the same words, so what they stand for may have been learned by"
            " heart."
        )
    return _grouped(name, caption, kinds, "Kind of turn", systems)


def _grouped(name, caption, groups, head, systems):
    """A row a group, in the order of the file; columns: its turns, WA and UA of each system."""
    order = list(dict.fromkeys(groups["group"]))
    wide = groups.pivot(index="group", columns="system", values=["wa", "ua"]).mul(100)
    turns = ("", "Turns")
    columns = {turns: groups.drop_duplicates("group").set_index("group")["n"].astype(float)}
    for system in systems:
        title = short_title(system).capitalize()
        columns |= {(title, MEASURES[measure]): wide[measure, system] for measure in ("wa", "ua")}
    values = pd.DataFrame(columns).loc[order]
    values.index = pd.Index([TITLES.get(group, group) for group in order], name=head)
    return Table(name, caption, values, digits={turns: 0})
