"""Lays out what noise and other degradations of the test part do to a run's systems."""

import json
from pathlib import Path

import matplotlib
import pandas as pd

from emofuse.report.card import read_folds, run_card
from emofuse.report.drawing import save
from emofuse.report.figures.robustness import draw_robustness
from emofuse.report.figures.style import STYLE
from emofuse.report.outputs import MODALITY_TITLES, split_title
from emofuse.report.pages import drawing, page_table, write_page
from emofuse.report.scores import BOOTSTRAP
from emofuse.report.systems import modality_title, system_title
from emofuse.report.table import Table, write_table
from emofuse.runtime import kinds
from emofuse.runtime.store import read_metadata, read_parquet

NAME = "robustness"
CLEAN, MISSING, CHOSEN = "clean", "missing", "chosen"
TITLE = "WA under degraded input"


def make_robustness(run, splits, scores, page):
    """Write the page, its figure (figures/) and its table (tables/) into the page's folder.

    run: a `run.Run`. splits: paths of the split files of the folds that were tried. scores: robustness.parquet, of
    `robustness.scoring`. page: the HTML file.
    """
    folder, told = Path(page).parent, read_metadata(scores)
    rows = read_parquet(scores).to_pandas()
    shares = [name for name in rows if name.startswith(("wa", "ua"))]
    rows[shares] *= 100
    degradations = kinds.constants("robustness/degradations")
    fused = _fused(rows)
    table, card = table_of(rows, degradations), run_card(run.facts, splits)
    write_table(table, folder / "tables", card)
    with matplotlib.rc_context(STYLE):
        save(draw_robustness(panels_of(rows, degradations, fused)), folder / "figures", NAME)
    found = [name for name in degradations if name in set(rows["degradation"])]
    folds = read_folds(splits)
    caption = (
        "WA in percent on the test turns against how strong the degradation is, with 95 % intervals by bootstrap over dialogs "
        "within sessions. One modality is degraded at a time; missing: the fused system is asked without that modality."
    )
    write_page(
        page,
        "robustness.html.j2",
        run,
        lead=findings(rows, degradations, fused),
        limits=limits(json.loads(told["obstacles"]), json.loads(told["final"]), json.loads(told["untried"]), fused),
        blocked=told["obstacles"] != "{}",
        turns=int(rows["n"].max()),
        folds=[split_title(name) for name in folds],
        seed=told["seed"],
        how={degradations[name]["TITLE"]: degradations[name]["SENTENCE"] for name in found},
        card=card,
        figures=[drawing(folder / "figures", NAME, TITLE, caption)],
        table={**page_table(table), "name": f"{NAME}-table", "title": TITLE},
    )


def _fused(rows):
    """The system that fuses, as the page shows it: the final one, else the stand-in; None where there is neither."""
    singles = set(rows.loc[rows["system"].map(_is_single), "system"])
    return next((name for name in rows["system"].unique() if name not in singles), None)


def _is_single(system):
    return system != CHOSEN and system.split("-")[0] in MODALITY_TITLES


def _of(rows, system, modality, degradation):
    """The rows of a system under a degradation, the turns as they are first; None where there are none."""
    own = rows[rows["system"] == system]
    found = own[(own["modality"] == modality) & (own["degradation"] == degradation)]
    return None if found.empty else pd.concat([own[own["degradation"] == CLEAN], found])


def _single_of(rows, modality):
    """The name of the system that reads a modality alone."""
    return next(name for name in rows["system"].unique() if _is_single(name) and name.split("-")[0] == modality)


def _best_other(rows, modality):
    """(name, WA of the turns as they are) of the best other modality alone; None where there is none."""
    clean = rows[(rows["degradation"] == CLEAN) & rows["system"].map(_is_single)]
    others = clean[clean["system"] != _single_of(rows, modality)]
    if others.empty:
        return None
    best = others.loc[others["wa"].idxmax()]
    return best["system"], best["wa"]


def tried(rows, degradations):
    """[(modality, degradation)] in the order of the degradations."""
    modality_of = dict(zip(rows["degradation"], rows["modality"], strict=True))
    return [(modality_of[name], name) for name in degradations if name in modality_of]


def panels_of(rows, degradations, fused):
    """What `draw_robustness` draws."""
    panels = []
    for modality, name in tried(rows, degradations):
        alone = _of(rows, _single_of(rows, modality), modality, name)
        missing = _of(rows, fused, modality, MISSING)
        other = _best_other(rows, modality)
        panels.append(
            {
                "title": f"{degradations[name]['TITLE']} ({MODALITY_TITLES[modality]})",
                "unit": degradations[name]["UNIT"],
                "ticks": [f"{value:g}" for value in alone["severity"].iloc[1:]],
                "alone": alone,
                "fused": _of(rows, fused, modality, name),
                "fused_title": system_title(fused or ""),
                "missing": None if missing is None else missing.iloc[1:],
                "other": other and other[1],
            }
        )
    return panels


def findings(rows, degradations, fused):
    """A sentence or more a modality: what the fused system loses, when another modality alone is as good, and whether it would
    be better off without."""
    if fused is None:
        return ["This run has one modality, so nothing is fused."]
    said, pairs = [], tried(rows, degradations)
    for modality in dict.fromkeys(modality for modality, _ in pairs):
        worst = None
        for name in (name for of, name in pairs if of == modality):
            lines = _of(rows, fused, modality, name)
            said.append(
                _loss(lines, degradations[name], modality, _named(fused)) + _level(rows, lines, degradations[name])
            )
            last = lines.iloc[-1]
            worst = last if worst is None or last["wa"] < worst["wa"] else worst
        said.append(_without(rows, fused, modality, worst, degradations))
    return [sentence for sentence in said if sentence]


def _severity(value, degradation):
    return degradation["SAID"].format(value)


def _named(system):
    """A system as a sentence speaks of it."""
    return f"the {system_title(system)}" if system == CHOSEN else system


def _interval(low, high):
    return f"95 % interval of the difference {low:+.1f} to {high:+.1f}"


def _sure(low, high):
    """'(95 % interval of the difference -4.8 to +4.0; ...)'."""
    unsure = "; these turns cannot tell it from nothing" if low <= 0 <= high else ""
    return f"({_interval(low, high)}{unsure})"


def _loss(lines, degradation, modality, title):
    """What the fused system loses at the severity in the middle."""
    middle = lines.iloc[len(lines) // 2]
    change, low, high = (middle[f"wa_change{ending}"] for ending in ("", "_low", "_high"))
    does = (
        "keeps its WA" if abs(change) < 0.05 else f"{'loses' if change < 0 else 'gains'} {abs(change):.1f} points of WA"
    )
    return (
        f"{degradation['TITLE']} ({MODALITY_TITLES[modality]}), {_severity(middle['severity'], degradation)}: {title} "
        f"{does} {_sure(low, high)} and has {middle['wa']:.1f} %."
    )


def _level(rows, lines, degradation):
    """When the fused system falls to the level of the best other modality alone."""
    other = _best_other(rows, lines["modality"].iloc[-1])
    if other is None:
        return ""
    name, level = modality_title(other[0]), other[1]
    if lines["wa"].iloc[0] <= level:
        return f" It is not above {name} alone ({level:.1f} %) with clean input either."
    below = lines[lines["wa"] <= level]
    if below.empty:
        return f" It stays above {name} alone ({level:.1f} %) throughout."
    at = _severity(below["severity"].iloc[0], degradation)
    return f" At {at} it has fallen to the level of {name} alone ({level:.1f} %)."


def _without(rows, fused, modality, worst, degradations):
    """Whether a modality at its worst still helps: against the fused system without it."""
    missing = _of(rows, fused, modality, MISSING)
    if missing is None:
        return ""
    difference, low, high = (worst[f"wa_over_missing{ending}"] for ending in ("", "_low", "_high"))
    title, by = MODALITY_TITLES[modality], degradations[worst["degradation"]]
    if low <= 0 <= high:
        verdict = "is better with it" if difference > 0 else "would be better off without it"
        than = "more" if difference > 0 else "less"
        verdict = f"These turns cannot tell whether it {verdict}: it has {abs(difference):.1f} points {than} with it"
    else:
        verdict = "It is better with it" if difference > 0 else "It would be better off without it"
        verdict = f"{verdict}, by {abs(difference):.1f} points"
    return (
        f"Without any {title} {_named(fused)} has {missing['wa'].iloc[-1]:.1f} % WA; with {title} at its worst "
        f"({by['TITLE'].lower()}, {_severity(worst['severity'], by)}) {worst['wa']:.1f} %. {verdict} "
        f"({_interval(low, high)})."
    )


def limits(obstacles, final, untried, fused):
    """What could not be tried, and why, as sentences."""
    said = []
    if obstacles:
        for fold, why in obstacles.items():
            said.append(f"The final system of {split_title(fold)} ({final[fold]}) cannot be asked again: {why}.")
        if fused:
            said.append(
                f"In its place stands {fused}, the mean of the modalities' softmax outputs, of which nothing is trained."
            )
    return said + [f"{MODALITY_TITLES[m].capitalize()} is not degraded: {why}." for m, why in untried.items()]


def table_of(rows, degradations):
    """A row a condition and system: WA and UA with intervals, and the difference to the same turns as they are."""
    heads, order, place = [], {}, {name: number for number, name in enumerate(degradations)}
    for row in rows.itertuples():
        modality, by = MODALITY_TITLES.get(row.modality), degradations.get(row.degradation)
        given = f"{by['TITLE']} ({modality})" if by else f"{modality} missing" if modality else "as it is"
        heads.append((given, _severity(row.severity, by) if by else "–", system_title(row.system)))
        of_modality = [of["MODALITY"] == row.modality for of in degradations.values()]
        first = of_modality.index(True) if row.modality else -1
        last = len(degradations) if row.degradation == MISSING else place.get(row.degradation, -1)
        order[row.Index] = (first, last, len(order))
    index = pd.MultiIndex.from_tuples(heads, names=["Input", "Severity", "System"])

    def of(ending):
        columns = {"WA": f"wa{ending}", "UA": f"ua{ending}", "WA, change": f"wa_change{ending}"}
        frame = rows[list(columns.values())].set_axis(list(columns), axis=1)
        frame.loc[rows["degradation"] == CLEAN, "WA, change"] = float("nan")
        placed = sorted(order, key=order.get)
        return frame.iloc[placed].set_axis(index[placed])

    caption = (
        "WA and UA in percent on the test turns, one modality degraded at a time, and in points the difference of WA to the "
        f"same system on the same turns as they are, with 95 % intervals {BOOTSTRAP}."
    )
    return Table(NAME, caption, of(""), bounds=(of("_low"), of("_high")))
