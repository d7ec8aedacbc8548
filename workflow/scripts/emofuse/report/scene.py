"""Lays out what recognising the scene is worth, and what context brings where scenes recur and where they are new."""

from pathlib import Path

import matplotlib
import pandas as pd

from emofuse.report.card import by_protocol, read_folds, run_card
from emofuse.report.drawing import save
from emofuse.report.figures.scenes import draw_scenes
from emofuse.report.figures.style import STYLE
from emofuse.report.outputs import (
    KNOWN_SCENES,
    NEW_SCENES,
    SCENE_FIGURE,
    SCENE_TABLES,
    SCENES,
    protocol_title,
    scene_table_names,
)
from emofuse.report.pages import drawing, page_table, write_page
from emofuse.report.scores import BOOTSTRAP
from emofuse.report.sources import read_frame
from emofuse.report.systems import MEASURES, shown_systems, system_title
from emofuse.report.table import Table, write_table
from emofuse.report.tables import contexts
from emofuse.runtime.store import read_parquet
from emofuse.splits.plays import play_of

WORTH = "Control less scenario"
CAPTION = (
    "WA in percent on the test turns of each protocol, with 95 % intervals by bootstrap over dialogs within sessions. The "
    "protocols scenario and scenario control test the same turns with as much training, without and with their plays."
)


def make_scene(run, splits, evaluations, scenes, page):
    """Write the page, its figure (figures/) and its tables (tables/) into the page's folder.

    run: a `run.Run`; its facts have the config's section 'systems'. splits: paths of the split files of all protocols.
    evaluations: {protocol: its folder evaluation/<protocol>}, the two that differ in whether plays are new among them. scenes:
    scenes.parquet, of `evaluation.scenes`. page: the HTML file.
    """
    folder, names = Path(page).parent, scene_table_names(run.facts["systems"])
    order = [*(protocol for protocol in evaluations if protocol not in SCENES), *SCENES]
    scored = pd.concat({name: read_frame(evaluations[name], "intervals") for name in order}, names=["protocol"])
    scored = scored.reset_index("protocol")
    worth = read_parquet(scenes).to_pandas()
    gains = {name: read_frame(evaluations[name], "contexts") for name in order}
    made = {"scene_systems": systems_table(scored, worth)}
    if "scene_contexts" in names:
        made["scene_contexts"] = contexts_table(gains, worth)
    card = run_card(run.facts, splits)
    for table in made.values():
        write_table(table, folder / "tables", card)
    with matplotlib.rc_context(STYLE):
        save(draw_scenes(scored[scored["measure"] == "wa"], rows_of(scored)), folder / "figures", SCENE_FIGURE)
    sizes = counted(by_protocol(splits)[NEW_SCENES])
    write_page(
        page,
        "scene.html.j2",
        run,
        lead=[*worth_of_scenes(scored, worth, order[0], sizes["turns"]), *worth_of_context(gains, order[0])],
        sizes=sizes,
        card=card,
        figures=[drawing(folder / "figures", SCENE_FIGURE, "Systems with and without the scene", CAPTION)],
        tables=[{**page_table(table), "name": name, "title": SCENE_TABLES[name]} for name, table in made.items()],
    )


def rows_of(scored):
    """The systems that the page shows: baselines, single modalities, those that the config names, the final system."""
    named = scored.loc[scored["kind"] == "named", "system"]
    *others, final = shown_systems(scored.loc[scored["kind"] != "named", "system"])
    return [*others, *dict.fromkeys(named), final]


def systems_table(scored, worth):
    """WA and UA of each system under each protocol, and what knowing the scene is worth; scored: rows of intervals.parquet with
    their protocol, worth: those of scenes.parquet."""
    rows, own = rows_of(scored), worth[worth["less"] == ""].set_index(["measure", "system"])

    def of(column, difference):
        wide, columns = scored.pivot(index="system", columns=["measure", "protocol"], values=column), {}
        for measure in ("wa", "ua"):
            for protocol in dict.fromkeys(scored["protocol"]):
                columns[MEASURES[measure], protocol_title(protocol).capitalize()] = wide[measure, protocol]
            columns[MEASURES[measure], WORTH] = own.loc[measure, difference]
        return pd.DataFrame(columns).loc[rows].mul(100).set_axis(pd.Index(map(system_title, rows), name="System"))

    caption = (
        "WA and UA in percent on the test turns of each protocol, and in points what scenario control has more than scenario, "
        f"with 95 % intervals {BOOTSTRAP}. Both test the same turns. In scenario the training turns are of other plays, in "
        "scenario control of all plays, and as many: the difference is what knowing the scene is worth to a system."
    )
    values = of("value", "difference")
    return Table("scene_systems", caption, values, bounds=(of("low", "low"), of("high", "high")))


def contexts_table(gains, worth):
    """What more of the dialog brings to systems that are alike in all else; gains: {protocol: its contexts.parquet}."""
    pairs = worth[worth["less"] != ""].rename(columns={"system": "first", "less": "second"})
    frames = {protocol_title(protocol): frame for protocol, frame in gains.items()} | {WORTH.lower(): pairs}
    rows = pd.concat(frames, names=["protocol"]).reset_index("protocol")
    caption = (
        f"The first system less the second under each protocol, {contexts.HOW.format(bootstrap=BOOTSTRAP)} of the protocol. "
        f"{WORTH}: what context brings more where the scene is known, which is how much of it may be recognising the scene."
    )
    first, second = contexts.HEADS
    return contexts.compared(
        "scene_contexts", caption, rows, {"protocol": "Protocol", "first": first, "second": second}
    )


def counted(splits):
    """How many turns, dialogs and plays the protocol scenario tests, and how many of them other sessions play too."""
    tested = pd.concat(turns[turns["part"] == "test"] for _, turns in read_folds(splits).values())
    plays = tested["scenario"].map(play_of)
    recur = tested.groupby(plays)["session"].nunique() > 1
    return {
        "turns": len(tested),
        "dialogs": tested["dialog"].nunique(),
        "plays": len(recur),
        "recur": int(recur.sum()),
        "share": 100 * plays.map(recur).mean(),
    }


def worth_of_scenes(scored, worth, primary, turns):
    """What recognising the scene is worth, by itself and to the final system: two sentences."""
    wa = scored[scored["measure"] == "wa"].set_index(["protocol", "system"])["value"].mul(100)
    row = worth[(worth["measure"] == "wa") & (worth["less"] == "")].set_index("system").loc["chosen"]
    gain, low, high = (100 * row[name] for name in ("difference", "low", "high"))
    unsure = "; these turns cannot tell that from nothing" if low <= 0 <= high else ""
    return [
        f"Who knows nothing but the scene is right in {wa[primary, 'scenario']:.1f} % of the turns of the protocol "
        f"{protocol_title(primary)}; who always says the majority class, in {wa[primary, 'majority']:.1f} %.",
        f"The final system has {wa[NEW_SCENES, 'chosen']:.1f} % WA where the play is new to it and "
        f"{wa[KNOWN_SCENES, 'chosen']:.1f} % where it is known, on the same {turns:,} turns with as much training: knowing the "
        f"scene is worth {gain:+.1f} points (95 % interval {low:+.1f} to {high:+.1f}){unsure}.",
    ]


def worth_of_context(gains, primary):
    """What context brings where scenes recur and where they are new: a sentence, or none without such systems."""
    if gains[primary].empty:
        return []
    known = primary if primary not in SCENES else KNOWN_SCENES
    recur, new = (_range(gains[name][gains[name]["measure"] == "wa"]) for name in (known, NEW_SCENES))
    return [
        f"Reading more of the dialog changes WA by {recur} where scenes recur ({protocol_title(known)}), and by {new} where "
        "they are new."
    ]


def _range(rows):
    """'+1.2 points, which holds', or the span of several differences and how many of them hold."""
    values, holds = 100 * rows["difference"], int(rows["holds"].sum())
    if len(rows) == 1:
        return f"{values.iloc[0]:+.1f} points, which {'holds' if holds else 'does not hold'},"
    return f"{values.min():+.1f} to {values.max():+.1f} points ({holds} of {len(rows)} differences hold)"
