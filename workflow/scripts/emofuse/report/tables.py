"""Makes the tables of a run, as CSV, Markdown and LaTeX: a headline, the paper's seven, and how sure their scores are.

Scores are fractions in the files that are read and percentages in every table. With several seeds a value is the mean
over the seeds, and its spread the sample standard deviation over them.
"""

import json
import re
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from emofuse.report.card import comment_lines
from emofuse.report.outputs import (
    MODALITY_TITLES,
    PROTOCOLS_TABLE,
    SELECTION_TABLES,
    class_title,
    protocol_title,
    split_title,
    table_names,
)
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_metadata, read_parquet, whole

MEASURES = {"wa": "WA", "ua": "UA", "macro_f1": "Macro F1", "weighted_f1": "Weighted F1"}
COMBINATIONS = {"sum": "sum", "product": "product", "concat": "concatenation"}
CLASSIFIERS = {"argmax": "argmax", "svm": "SVM", "xgboost": "XGBoost", "mlp": "two-layer network"}
BASELINES = {
    "majority": "baseline: the most frequent class",
    "scenario": "baseline: the scenario's most frequent class",
}
KINDS = {"single": "Encoder alone", "early": "Early fusion", "late": "Late fusion"}
GROUPS = {"seen": "words seen in training", "unseen": "words not seen in training"}
BOOTSTRAP = (
    "by bootstrap over dialogs, drawn within sessions: other dialogs of these speakers, scored by these trained "
    "models; neither other speakers nor another training are in them"
)
MCNEMAR = "Alone right (McNemar)"
P = "p"  # in `Table.digits`: a probability, which is never shown as 0


@dataclass(frozen=True)
class Table:
    """One table: row heads are the index (its names the heads of their columns), other columns hold numbers, or texts."""

    name: str
    caption: str
    values: pd.DataFrame  # percent but for the columns that `digits` names
    spread: pd.DataFrame | None = None  # same shape: standard deviation over the seeds, None with one seed
    digits: dict = field(default_factory=dict)  # column -> decimals shown, where it is not one; 0 for whole numbers; P
    bounds: tuple | None = None  # lower and upper ends of intervals, same shape each, nan where there is none

    def text(self):
        """The cells as shown: rounded, '± spread' with several seeds, '[low, high]', an en dash where there is no value."""
        shown = pd.DataFrame("", index=self.values.index, columns=self.values.columns, dtype=object)
        beside = {"spread": self.spread} | dict(zip(("low", "high"), self.bounds or (), strict=False))
        for j, column in enumerate(self.values.columns):
            for i, value in enumerate(self.values.iloc[:, j]):
                known = {name: f.iloc[i, j] for name, f in beside.items() if f is not None and pd.notna(f.iloc[i, j])}
                shown.iloc[i, j] = _cell(value, self.digits.get(column, 1), **known)
        return shown


def _cell(value, digits, spread=None, low=None, high=None):
    if isinstance(value, str):
        return value
    if pd.isna(value):
        return "–"
    if digits == P:
        return f"{value:.3f}" if value >= 0.0005 else "< 0.001"
    shown = f"{value:,.{digits}f}"
    if spread is not None and digits != 0:
        shown += f" ± {spread:,.{digits}f}"
    return shown if low is None else f"{shown} [{low:,.{digits}f}, {high:,.{digits}f}]"


def make_tables(evaluation, folder, modalities, classes, card, final_system="validation", selection=()):
    """Write every table of `table_names` as <name>.csv, <name>.md and <name>.tex into `folder`.

    evaluation: the folder evaluation/<protocol>; or that of a fold, which holds scores and nothing else. selection: the
    paths of selection/<modality>.parquet, none where encoders were not compared. classes: class names in the order of the
    rows. card: of `card.protocol_card`; every file begins with it. final_system: 'validation', 'test', or the system that
    the config names. The CSV keeps full precision; the last of its comment lines (`# `) is the caption.
    """
    for table in build_tables(evaluation, modalities, classes, final_system, selection).values():
        write_table(table, Path(folder), card)


def make_protocols_table(evaluations, folder, card):
    """Write the table of `protocols` into `folder` in all formats, headed by the card."""
    write_table(protocols(evaluations), Path(folder), card)


def write_table(table, folder, card):
    """Write one table in all formats, headed by the card."""
    for ending, text in (
        ("csv", to_csv(table, card)),
        ("md", to_markdown(table, card)),
        ("tex", to_latex(table, card)),
    ):
        with whole(folder / f"{table.name}.{ending}") as partial:
            partial.write_text(text, encoding="utf-8")


def build_tables(evaluation, modalities, classes, final_system="validation", selection=()):
    """The tables of a run by name, in reading order (paths and arguments as for `make_tables`)."""
    folder = Path(evaluation)
    scores, per_class = read_test(folder / "scores.parquet"), read_test(folder / "per_class.parquet")
    assessed = (folder / "intervals.parquet").is_file()
    intervals = read_frame(folder, "intervals") if assessed else None
    makers = {
        "headline": lambda: headline(scores, final_system, intervals),
        "table4": lambda: single_modalities(scores),
        "table5": lambda: fusion(scores, "early", "table5"),
        "table6": lambda: fusion(scores, "late", "table6"),
        "table7": lambda: classes_of_final_system(per_class, classes),
        "intervals": lambda: interval_table(scores, intervals),
        "comparisons": lambda: comparison_table(read_frame(folder, "comparisons")),
        "breakdown": lambda: breakdown(read_frame(folder, "groups")),
        "speakers": lambda: speakers(read_frame(folder, "groups")),
        "subsets": lambda: subsets(scores, modalities),
        "missing": lambda: missing(scores, modalities),
        "calibration": lambda: calibration_table(scores, read_frame(folder, "calibration")),
    }
    compared = {Path(path).stem: path for path in selection}
    makers |= {SELECTION_TABLES[modality]: partial(encoders, path) for modality, path in compared.items()}
    return {name: makers[name]() for name in table_names(modalities, compared, fold=not assessed)}


def read_frame(folder, name):
    """<name>.parquet of an evaluation's folder as a pandas DataFrame."""
    return read_parquet(Path(folder) / f"{name}.parquet").to_pandas()


def read_test(path):
    """The rows of an evaluation file that were measured on test parts, as a pandas DataFrame."""
    frame = read_parquet(path).to_pandas()
    frame = frame[frame["part"] == "test"].reset_index(drop=True)
    if frame.empty:
        raise EmofuseError(f"{path} holds no score of a test part; delete it and run again.")
    return frame


def main_systems(scores):
    """The rows of baselines, single modalities, fusions of all modalities and the final system.

    Not those of a part of the modalities, nor those that meet turns without one.
    """
    everything = max(scores["modalities"], key=lambda names: names.count(","))
    parts = scores["kind"].isin(["early", "late"]) & (
        (scores["modalities"] != everything) | (scores["combination"] == "")
    )
    return scores[~parts & (scores["kind"] != "substituted")]


def ranked(scores):
    """Pooled test scores of each of `main_systems`, means over seeds: best WA first, ties by UA, then in the file's order."""
    pooled = main_systems(scores[scores["split"] == "pooled"])
    means = pooled.groupby(["system", "kind", "encoders"], sort=False)[list(MEASURES)].mean().reset_index()
    return means.sort_values(["wa", "ua"], ascending=False, kind="stable", ignore_index=True)


def headline(scores, final_system="validation", intervals=None):
    """The table that answers first: baselines, single modalities, the final system, the best on test.

    intervals: evaluation/<protocol>/intervals.parquet as a DataFrame; None of a single fold.
    """
    order = ranked(scores)
    best = order[~order["kind"].isin(["baseline", "chosen"])].iloc[0]["system"]
    singles = order[order["kind"] == "single"]["system"].tolist()
    roles = dict(BASELINES)
    for system in sorted(singles, key=modality_rank):
        note = ", the best one on test" if len(singles) > 1 and system == singles[0] else ""
        roles[system] = f"single modality: {modality_title(system)}{_encoder_note(order, system)}{note}"
    how = {
        "validation": "chosen on validation, fold by fold",
        "validation_wa": "the fusion with the best WA on validation, fold by fold",
        "test": "chosen on test: optimistic",
    }
    roles["chosen"] = how.get(final_system, f"named in the config: {final_system}")
    # A single modality that is also the best on test of all keeps its row and gets the mark as a second one.
    rows = [*roles.items(), (best, "best on test of all systems: optimistic")]

    pooled = scores[scores["split"] == "pooled"].set_index(["system", "seed"])[list(MEASURES)].mul(100)
    values, spread = _over_seeds(pooled)
    heads = pd.MultiIndex.from_tuples([(system_title(system), role) for system, role in rows], names=["System", "Role"])
    systems = [system for system, _ in rows]
    caption, bounds = f"Scores in percent on {_test_turns(scores)}.", None
    if intervals is not None:
        caption = f"Scores in percent on {_test_turns(scores)}, with 95 % intervals {BOOTSTRAP}."
        shown = intervals[intervals["measure"].isin(["wa", "ua"])]
        bounds = tuple(
            _picked(_wide(shown, end).reindex(columns=list(MEASURES)), systems, heads) for end in ("low", "high")
        )
    values, spread = (_picked(frame, systems, heads) for frame in (values, spread))
    return Table("headline", caption, values, spread, bounds=bounds)


def _wide(intervals, column):
    """One column of intervals.parquet in percent: a row a system, a column a measure."""
    return intervals.pivot(index="system", columns="measure", values=column).mul(100)


def interval_table(scores, intervals):
    """WA and UA of baselines, single modalities, final system and the other fusions, with both kinds of interval."""
    order = ranked(scores)
    fusions = order[order["kind"].isin(["early", "late"])]["system"]
    rows = [*shown_systems(order["system"]), *fusions]
    wide = {column: _wide(intervals, column) for column in ("value", "low", "high", "fold_low", "fold_high", "seed_sd")}
    middle = (wide["fold_low"] + wide["fold_high"]) / 2  # a t interval lies around the mean of the folds
    heads = pd.Index([system_title(system) for system in rows], name="System")

    def both(pooled, of_folds):
        columns = {}
        for measure in ("wa", "ua"):
            columns[MEASURES[measure], "Pooled"] = pooled[measure]
            columns[MEASURES[measure], "Mean of folds"] = of_folds[measure]
        return pd.DataFrame(columns).loc[rows].set_axis(heads)

    several = wide["seed_sd"].notna().any(axis=None)
    caption = (
        f"WA and UA in percent with 95 % intervals. Pooled: over {_test_turns(scores)}, {BOOTSTRAP}. Mean of folds: "
        "Student's t, which takes the folds as independent, though their training parts overlap."
    )
    return Table(
        "intervals",
        caption,
        both(wide["value"], middle),
        both(wide["seed_sd"], wide["seed_sd"] * np.nan) if several else None,
        bounds=(both(wide["low"], wide["fold_low"]), both(wide["high"], wide["fold_high"])),
    )


def comparison_table(comparisons):
    """The declared family of comparisons: the final system against each single modality, the one that would be chosen on
    validation, each baseline and other fusion."""
    comparisons = comparisons.assign(holds=comparisons["holds"].map({True: "yes", False: "no"}))
    comparisons[["difference", "low", "high"]] *= 100
    heads = list(dict.fromkeys(zip(comparisons["second"], comparisons["role"], strict=True)))
    titles = {"difference": "Points", "p": "p", "p_holm": "p, Holm", "holds": "Holds"}
    wide = comparisons.pivot(index=["second", "role"], columns="measure")
    columns = {
        (MEASURES[measure], title): wide[name, measure] for measure in ("wa", "ua") for name, title in titles.items()
    }
    mcnemar = {"only_first": "Final", "only_second": "Other", "p_mcnemar": "p"}
    columns |= {(MCNEMAR, title): wide[name, "wa"] for name, title in mcnemar.items()}
    values = pd.DataFrame(columns).loc[heads]
    values.index = pd.MultiIndex.from_tuples(heads, names=["Compared with", "Role"])
    caption = (
        f"The final system less each of the {len(heads)} systems of the declared family, in points, with 95 % "
        f"intervals {BOOTSTRAP}. p: sign flips of whole dialogs, two-sided, which takes dialogs as independent and says "
        "nothing of other speakers. Holds: yes "
        f"where p is below 0.05 after Holm's correction for all {len(heads)}. McNemar: exact, on turns that one of "
        "the two alone has right; it takes turns as independent, which those of a dialog are not, so its p is too "
        "small. Other fusions have the classifier, and chosen-single the modality, that is chosen on validation, fold by "
        "fold."
    )
    bounds = []
    for end in ("low", "high"):
        ends = pd.DataFrame(np.nan, index=values.index, columns=values.columns)
        for measure in ("wa", "ua"):
            ends[MEASURES[measure], "Points"] = wide.loc[heads, (end, measure)].to_numpy()
        bounds.append(ends)
    digits = {column: 0 for column in columns if column[1] in ("Final", "Other")}
    digits |= {column: P for column in columns if column[1].startswith("p")}
    return Table("comparisons", caption, values, digits=digits, bounds=tuple(bounds))


def breakdown(groups):
    """WA and UA by style and by whether a training turn has the same words, of baselines, single modalities, final system."""
    kinds = groups[groups["grouping"].isin(["style", "words"])]
    caption = (
        "WA and UA in percent on kinds of test turns. Improvised and scripted: by the dialog. Words seen: a training "
        "turn of the same fold has the same words, so what they stand for may have been learned by heart."
    )
    return _grouped("breakdown", caption, kinds, "Kind of turn", shown_systems(groups["system"]))


def speakers(groups):
    """WA and UA of single modalities and final system on the test turns of each speaker."""
    kinds = groups[groups["grouping"] == "speaker"]
    systems = [system for system in shown_systems(groups["system"]) if system not in BASELINES]
    caption = "WA and UA in percent on the test turns of each speaker: what no interval over dialogs holds."
    return _grouped("speakers", caption, kinds, "Speaker", systems)


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
    values.index = pd.Index([GROUPS.get(group, group) for group in order], name=head)
    return Table(name, caption, values, digits={turns: 0})


def subsets(scores, modalities):
    """Every subset of the modalities, early and late: mean over the trained classifiers and the combinations."""
    present = [modality for modality in MODALITY_TITLES if modality in modalities]
    wanted = [names for size in range(1, len(present) + 1) for names in combinations(present, size)]
    own = scores[(scores["kind"] == "single") & (scores["split"] == "pooled")]
    whole_inputs = pd.concat([own, _trained(scores[scores["missing"] == ""])])
    both = whole_inputs.groupby(["modalities", "seed", "kind"])[["wa", "ua"]].mean().mul(100).unstack("kind")
    columns = [(kind, measure) for kind in KINDS for measure in ("wa", "ua") if (measure, kind) in both.columns]
    both = pd.DataFrame({(KINDS[kind], MEASURES[measure]): both[measure, kind] for kind, measure in columns})
    rows = [", ".join(names) for names in wanted]
    heads = pd.Index([" + ".join(MODALITY_TITLES[m] for m in names) for names in wanted], name="Modalities")
    shown = [None if frame is None else frame.loc[rows].set_axis(heads) for frame in _over_seeds(both)]
    caption = (
        f"WA and UA in percent on {_test_turns(scores)}, of each subset of the modalities. Encoder alone: its own "
        "softmax. Early and late: mean over the trained classifiers and, of several modalities, the combinations, so "
        "that no choice favours a subset."
    )
    return Table("subsets", caption, *shown)


def missing(scores, modalities):
    """What is left when a modality is missing at test time: the remaining ones' own system, or something neutral instead."""
    present = [modality for modality in MODALITY_TITLES if modality in modalities]
    trained = _of_ways(_trained(scores))
    own, neutral = trained[trained["missing"] == ""], trained[trained["missing"] != ""]
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
        f"WA and UA in percent on {_test_turns(scores)} when a modality is missing in all of them: mean over the "
        "trained classifiers and the combinations. Substituted: the training mean (ones in a product) stands for the "
        "modality in the system of all."
    )
    return Table("missing", caption, *_over_seeds(pd.DataFrame(columns)))


def _trained(scores):
    """The pooled rows of systems with a trained classifier: early, late and substituted ones."""
    return scores[(scores["split"] == "pooled") & scores["classifier"].isin([c for c in CLASSIFIERS if c != "argmax"])]


def _of_ways(scores):
    """The rows with the way of fusing as the kind of substituted ones: 'early-concat-svm.no-text' is early."""
    way = scores["system"].str.split("-").str[0]
    return scores.assign(kind=scores["kind"].where(scores["kind"] != "substituted", way))


def calibration_table(scores, calibration):
    """Expected calibration error and Brier score before and after calibration: single modalities, final system, fusions."""
    order = ranked(scores)
    rows = [*shown_systems(order["system"]), *order[order["kind"].isin(["early", "late"])]["system"]]
    rows = [system for system in rows if system in set(calibration["system"])]
    wide = calibration.pivot(index="system", columns="when", values=["ece", "brier"])
    titles = {"ece": "ECE (%)", "brier": "Brier score"}
    columns = {
        (title, when.capitalize()): wide.get((measure, when), pd.Series(np.nan, index=wide.index)).astype(float)
        for measure, title in titles.items()
        for when in ("before", "after")
    }
    values = pd.DataFrame(columns).loc[rows]
    values.index = pd.Index([system_title(system) for system in rows], name="System")
    values["ECE (%)"] *= 100
    caption = (
        f"Probabilities on {_test_turns(scores)}, before and after calibration on the validation part of each fold "
        "(temperature; for the SVM, which has no probabilities before, a sigmoid a class). ECE: mean distance of "
        "confidence and accuracy over 15 bins. Brier score: 0 is best, 2 worst."
        if rows
        else "There is no validation part to calibrate on, so no probabilities are calibrated."
    )
    return Table("calibration", caption, values, digits={column: 3 for column in columns if column[0] == "Brier score"})


def protocols(evaluations):
    """The protocols of a run side by side, {protocol: folder}: WA of baselines, single modalities and final system."""
    rows = {column: [] for column in ("value", "seed_sd", "low", "high")}
    for folder in evaluations.values():
        scores = read_test(Path(folder) / "scores.parquet")
        wa = read_frame(folder, "intervals").query("measure == 'wa'").set_index("system")[list(rows)].mul(100)
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
    if {"scenario", "scenario_control"} <= set(evaluations):
        caption += (
            " Scenario control tests the turns of scenario with as much training: their difference is what knowing "
            "the plays is worth."
        )
    digits = {"Folds": 0, "Test turns": 0}
    return Table(
        PROTOCOLS_TABLE, caption, values, spread if spread.notna().any(axis=None) else None, digits, tuple(bounds)
    )


def _encoder_note(scores, system):
    """' (roberta)' for `text-chosen`, whose name does not tell; '' for `text-bert`."""
    encoder = scores.loc[scores["system"] == system, "encoders"].iloc[0]
    return "" if system.endswith(f"-{encoder}") else f" ({encoder})"


def encoders(path):
    """Tables 1 to 3: the encoders of one modality compared on one fold; `path` is selection/<modality>.parquet.

    The paper gives loss, accuracy and runtime; UA, peak memory and speed stand beside them, and the validation part's
    scores, which a clean choice goes by.
    """
    facts = read_metadata(path)
    sessions = {part: ", ".join(map(str, found)) for part, found in json.loads(facts["sessions"]).items()}
    frame = read_parquet(path).to_pandas()
    frame[["wa", "ua"]] *= 100
    names = {"loss": "Loss", "wa": "WA", "ua": "UA"}
    cost = {"seconds": "Runtime (s)", "samples_per_second": "Turns/s", "peak_memory_mb": "Peak MB"}
    columns = {("Test", title): ("test", name) for name, title in names.items()}
    columns |= {("Validation", title): ("val", name) for name, title in names.items()}
    columns |= {("Training", title): ("test", name) for name, title in cost.items()}  # a training, so once of two rows
    wide = frame.pivot(index=["encoder", "seed"], columns="part", values=[*names, *cost]).astype(float)
    both = pd.DataFrame({title: wide[name, part] for title, (part, name) in columns.items()})
    order = list(dict.fromkeys(frame["encoder"]))  # that of the config
    shown = [None if f is None else f.loc[order].rename_axis("Encoder") for f in _over_seeds(both)]
    modality, seeds = frame["modality"].iloc[0], frame["seed"].nunique()
    caption = (
        f"{MODALITY_TITLES[modality].capitalize()} encoders on one fold, trained on sessions {sessions['train']}, "
        f"validated on {sessions['val']}, tested on {sessions['test']}: cross-entropy loss, WA (the paper's accuracy) "
        "and UA in percent,"
        " and what the training cost" + (f"; mean ± spread of {seeds} seeds." if seeds > 1 else ".")
    )
    digits = {column: 3 for column in both.columns if column[1] == "Loss"} | {("Training", "Peak MB"): 0}
    return Table(SELECTION_TABLES[modality], caption, *shown, digits)


def beside_paper(table, numbers):
    """The table with the paper's numbers for it, where any are known, in a group of columns after its first group.

    numbers: rows of resources/paper_numbers.tsv, {table, row, column, value}; a row is named by the last head of ours.
    """
    known = [n for n in numbers if n["table"] == table.name]
    if not known:
        return replace(table, caption=f"{table.caption} The paper's numbers are not known.")
    values, spread, digits = table.values.copy(), table.spread, dict(table.digits)
    rows, groups = values.index.get_level_values(-1), values.columns.get_level_values(0)
    place = int((groups == groups[0]).sum())
    for number in known:
        column = ("Paper", number["column"])
        if column not in values:
            values.insert(place, column, np.nan)
            place += 1
        values.loc[rows == number["row"], column] = float(number["value"])
        digits[column] = max(digits.get(column, 0), len(number["value"].partition(".")[2]))
    if spread is not None:
        spread = spread.reindex(columns=values.columns)
    return replace(table, values=values, spread=spread, digits=digits)


def _picked(frame, systems, heads):
    if frame is None:
        return None
    return frame.loc[systems].set_axis(heads).rename(columns=MEASURES)


def single_modalities(scores):
    """Table 4: WA and UA of each single modality by fold, their mean, and pooled over the folds."""
    single = scores[scores["kind"] == "single"]
    folds = fold_names(single)
    parts = []
    for measure in ("wa", "ua"):
        wide = single.pivot(index=["system", "seed"], columns="split", values=measure).mul(100)
        wide = wide[[*folds, "pooled"]]
        wide.insert(len(folds), "mean", wide[folds].mean(axis=1))
        parts.append(wide.assign(measure=MEASURES[measure]).set_index("measure", append=True))
    values, spread = _over_seeds(pd.concat(parts).reorder_levels(["system", "measure", "seed"]))
    rows = [(s, m) for s in sorted(single["system"].unique(), key=modality_rank) for m in ("WA", "UA")]
    heads = pd.MultiIndex.from_tuples(
        [(modality_title(s), f"{s}{_encoder_note(single, s)}", m) for s, m in rows],
        names=["Modality", "System", "Measure"],
    )
    titles = {fold: split_title(fold).capitalize() for fold in folds} | {"mean": "Mean", "pooled": "Pooled"}
    shown = [
        None if frame is None else frame.loc[rows].set_axis(heads).rename(columns=titles) for frame in (values, spread)
    ]
    caption = (
        "Single modalities: WA and UA in percent by test fold, their mean over the folds, and pooled over "
        f"{_test_turns(scores)}."
    )
    return Table("table4", caption, *shown)


def fusion(scores, kind, name):
    """Tables 5 and 6: pooled WA and UA by combination (rows) and classifier (columns), with the classifiers' average.

    The average takes the trained classifiers only, so that early and late fusion are compared like with like; argmax,
    where late fusion has it, stands beside it.
    """
    frame = main_systems(scores[(scores["kind"] == kind) & (scores["split"] == "pooled")])
    present = [classifier for classifier in CLASSIFIERS if classifier in set(frame["classifier"])]
    trained = [classifier for classifier in present if classifier != "argmax"]
    average = ["average"] if len(trained) > 1 else []
    columns, wides = [], {}
    for measure in ("wa", "ua"):
        wide = frame.pivot(index=["combination", "seed"], columns="classifier", values=measure).mul(100)
        wide["average"] = wide[trained].mean(axis=1)
        wides[MEASURES[measure]] = wide
    for classifier in [*present, *average]:
        columns += [(classifier, measure) for measure in wides]
    both = pd.DataFrame({column: wides[column[1]][column[0]] for column in columns})
    values, spread = _over_seeds(both)
    rows = [combination for combination in COMBINATIONS if combination in values.index]
    heads = pd.Index([COMBINATIONS[row] for row in rows], name="Combination")
    titles = CLASSIFIERS | {"average": "Average"}
    top = pd.MultiIndex.from_tuples([(titles[c][0].upper() + titles[c][1:], measure) for c, measure in columns])
    shown = [None if f is None else f.loc[rows].set_axis(heads).set_axis(top, axis=1) for f in (values, spread)]
    caption = (
        f"{kind.capitalize()} fusion: WA and UA in percent, pooled over {_test_turns(scores)}."
        + " Average: over the trained classifiers" * bool(average)
        + (", without argmax." if "argmax" in present else ".") * bool(average)
    )
    return Table(name, caption, *shown)


def classes_of_final_system(per_class, classes):
    """Table 7: precision, recall, F1 and support of each class of the final system, with macro and weighted rows."""
    frame = per_class[(per_class["system"] == "chosen") & (per_class["split"] == "pooled")]
    frame = frame.set_index(["class", "seed"])[["precision", "recall", "f1", "support"]].astype(float)
    averages = []
    for seed, of_seed in frame.groupby("seed"):
        weights = of_seed["support"] / of_seed["support"].sum()
        # A class with turns that is never said has no precision; in the averages it counts as 0.
        counted = of_seed[of_seed["support"] > 0].fillna(0)
        for row, mean in (("macro", counted.mean()), ("weighted", counted.mul(weights, axis=0).sum())):
            mean["support"] = of_seed["support"].sum()
            averages.append(mean.rename((row, seed)))
    averages = pd.DataFrame(averages)
    averages.index = pd.MultiIndex.from_tuples(averages.index, names=["class", "seed"])
    both = pd.concat([frame, averages])
    both[["precision", "recall", "f1"]] *= 100
    rows = [*(c for c in classes if c in frame.index.get_level_values("class")), "macro", "weighted"]
    titles = {"macro": "macro average", "weighted": "weighted average"}
    heads = pd.Index([titles.get(row, class_title(row)) for row in rows], name="Class")
    columns = ["Precision", "Recall", "F1", "Support"]
    shown = [
        None if part is None else part.loc[rows].set_axis(heads).set_axis(columns, axis=1) for part in _over_seeds(both)
    ]
    caption = (
        "The final system by class: precision, recall and F1 in percent, support in turns, over the test turns of all "
        "folds. The macro average of recall is UA, its weighted average WA."
    )
    return Table("table7", caption, *shown, digits={"Support": 0})


def fold_names(scores):
    """The folds of a score table in natural order: the splits that are not 'pooled'."""
    folds = {split for split in scores["split"].unique() if split != "pooled"}
    return sorted(folds, key=lambda split: [int(t) if t.isdigit() else t for t in re.split(r"(\d+)", split)])


def shown_systems(systems):
    """Those of some systems that every table shows, in its order: baselines, single modalities, the final system."""
    found = set(systems)
    singles = {system for system in found if "." not in system and system.split("-")[0] in MODALITY_TITLES}
    return [*(b for b in BASELINES if b in found), *sorted(singles, key=modality_rank), *({"chosen"} & found)]


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


def _over_seeds(frame):
    """Mean and standard deviation (None with one seed) over the index level 'seed' of a table of numbers."""
    levels = [level for level in frame.index.names if level != "seed"]
    by_row = frame.groupby(level=levels, sort=False)
    several = frame.index.get_level_values("seed").nunique() > 1
    return by_row.mean(), by_row.std(ddof=1) if several else None


def _test_turns(scores):
    pooled = scores[(scores["split"] == "pooled") & (scores["system"] == "chosen")]
    folds, seeds = fold_names(scores), scores["seed"].nunique()
    over = "of one fold" if len(folds) == 1 else f"of {len(folds)} folds"
    return f"the {int(pooled['n'].max()):,} test turns {over}" + (f", mean ± spread of {seeds} seeds" * (seeds > 1))


def _flat(frame):
    """Row heads as columns, two-level column heads joined: {'Combination': ..., 'SVM WA': ...}."""
    flat = frame.reset_index()
    flat.columns = [_joined(column) for column in flat.columns]
    return flat


def _joined(column):
    return " ".join(filter(None, column)) if isinstance(column, tuple) else column


def to_csv(table, card=()):
    """Card and caption after `# `, then the values in full precision, beside each its `sd` over seeds, its `low` and `high`."""
    beside = {"sd": table.spread} | dict(zip(("low", "high"), table.bounds or (), strict=False))
    flat = table.values.index.to_frame(index=False)
    for j, column in enumerate(table.values.columns):
        values = table.values.iloc[:, j]
        whole_number = table.digits.get(column) == 0
        # Int64 can hold missing values.
        flat[_joined(column)] = (values.astype(float).round().astype("Int64") if whole_number else values).array
        for ending, frame in beside.items():
            if frame is not None and not whole_number and frame.iloc[:, j].notna().any():
                flat[f"{_joined(column)} {ending}"] = frame.iloc[:, j].array
    comments = "".join(f"# {line}\n" for line in [*comment_lines(card), table.caption])
    return f"{comments}{flat.to_csv(index=False, lineterminator=chr(10))}"


def to_markdown(table, card=()):
    """The card as a quotation, the caption and a pipe table."""
    flat = _flat(table.text()).map(lambda cell: str(cell).replace("|", "\\|"))
    heads = table.values.index.nlevels
    align = ["left"] * heads + ["right"] * (flat.shape[1] - heads)
    quoted = "".join(f"> - {line}\n" for line in comment_lines(card)) + "\n" * bool(card)
    cells = flat.to_markdown(index=False, disable_numparse=True, colalign=align if len(flat) else None)
    return f"{quoted}**{table.caption}**\n\n{cells}\n"


def to_latex(table, card=()):
    r"""The card after `%`, then a floating table for the booktabs package, every special character escaped.

    Its label is `tab:<name>`.
    """
    frame = table.text().reset_index().map(escape_latex)
    for level in range(frame.columns.nlevels):
        frame = frame.rename(columns=escape_latex, level=level if frame.columns.nlevels > 1 else None)
    heads = table.values.index.nlevels
    return "".join(f"% {line}\n" for line in comment_lines(card)) + frame.style.hide(axis="index").to_latex(
        hrules=True,
        caption=escape_latex(table.caption),
        label=f"tab:{table.name}",
        position_float="centering",
        multicol_align="c",
        column_format="l" * heads + "r" * table.values.shape[1],
    )


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "–": "--",
    "<": "$<$",
} | {character: f"\\{character}" for character in "&%$#_{}"}


def escape_latex(text):
    """`text` with LaTeX's special characters escaped."""
    return "".join(_LATEX.get(character, character) for character in str(text))
