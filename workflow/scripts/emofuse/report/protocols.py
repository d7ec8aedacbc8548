"""The table that sets the protocols of a run side by side."""

from pathlib import Path

import pandas as pd

from emofuse.report.outputs import PROTOCOLS_TABLE, compares_scenes, protocol_title
from emofuse.report.sources import read_frame, read_test
from emofuse.report.systems import fold_names, short_title, shown_systems
from emofuse.report.table import Table, write_table


def make_protocols_table(evaluations, folder, card):
    """Write the table of `protocols_table` into `folder` in all formats, headed by the card."""
    write_table(protocols_table(evaluations), Path(folder), card)


def protocols_table(evaluations):
    """The protocols of a run side by side, {protocol: folder}: WA of baselines, single modalities and final system."""
    rows = {column: [] for column in ("value", "seed_sd", "low", "high")}
    for folder in evaluations.values():
        scores = read_test(folder, "scores")
        wa = read_frame(folder, "intervals").query("measure == 'wa' and kind != 'named'")
        wa = wa.set_index("system")[list(rows)].mul(100)
        titles = {system: short_title(system).capitalize() for system in shown_systems(wa.index)}
        n = scores.loc[(scores["split"] == "pooled") & (scores["system"] == "chosen"), "n"].max()
        sizes = {"Folds": len(fold_names(scores)), "Test turns": n}
        rows["value"].append(sizes | wa.loc[list(titles), "value"].rename(titles).to_dict())
        rows["seed_sd"].append(wa.loc[list(titles), "seed_sd"].rename(titles).to_dict())
        for end in ("low", "high"):
            rows[end].append({titles["chosen"]: wa.loc["chosen", end]})
    heads = pd.Index([protocol_title(protocol) for protocol in evaluations], name="Protocol")
    values, spread, *bounds = (
        pd.DataFrame(of_column, columns=list(rows["value"][0]), index=heads, dtype=float) for of_column in rows.values()
    )
    caption = (
        "The same systems under each protocol: WA in percent on the test turns of all folds; of the final system with "
        "its 95 % interval by bootstrap over dialogs within sessions."
    )
    if compares_scenes(evaluations):
        caption += (
            " Scenario control tests the turns of scenario with as much training: their difference is what knowing "
            "the plays is worth."
        )
    digits = {"Folds": 0, "Test turns": 0}
    return Table(
        PROTOCOLS_TABLE, caption, values, spread if spread.notna().any(axis=None) else None, digits, tuple(bounds)
    )
