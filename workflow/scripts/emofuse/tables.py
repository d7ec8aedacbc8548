"""Makes the seven tables of the paper and a headline table from a run's scores, as CSV, Markdown and LaTeX.

Scores are fractions in the files that are read and percentages in every table. With several seeds a value is the mean
over the seeds, and its spread the sample standard deviation over them.
"""

import json
import re
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from emofuse.errors import EmofuseError
from emofuse.outputs import MODALITY_TITLES, SELECTION_TABLES, class_title, split_title, table_names
from emofuse.store import read_metadata, read_parquet, whole

MEASURES = {"wa": "WA", "ua": "UA", "macro_f1": "Macro F1", "weighted_f1": "Weighted F1"}
COMBINATIONS = {"sum": "sum", "product": "product", "concat": "concatenation"}
CLASSIFIERS = {"argmax": "argmax", "svm": "SVM", "xgboost": "XGBoost", "mlp": "two-layer network"}


@dataclass(frozen=True)
class Table:
    """One table: row heads are the index (its names the heads of their columns), every other column is a number."""

    name: str
    caption: str
    values: pd.DataFrame  # float64, percent but for the columns that `digits` names
    spread: pd.DataFrame | None = None  # same shape: standard deviation over the seeds, None with one seed
    digits: dict = field(default_factory=dict)  # column -> decimals shown, where it is not one; 0 for whole numbers

    def text(self):
        """The cells as shown: rounded, '± spread' with several seeds, an en dash where there is no value."""
        shown = pd.DataFrame("", index=self.values.index, columns=self.values.columns, dtype=object)
        for j, column in enumerate(self.values.columns):
            for i, value in enumerate(self.values.iloc[:, j]):
                spread = None if self.spread is None else self.spread.iloc[i, j]
                shown.iloc[i, j] = _cell(value, spread, self.digits.get(column, 1))
        return shown


def _cell(value, spread, digits):
    if pd.isna(value):
        return "–"
    shown = f"{value:,.{digits}f}"
    return shown if spread is None or pd.isna(spread) or digits == 0 else f"{shown} ± {spread:,.{digits}f}"


def make_tables(scores, per_class, folder, modalities, classes, final_system="validation", selection=()):
    """Write every table of `table_names` as <name>.csv, <name>.md and <name>.tex into `folder`.

    scores, per_class: paths of evaluation/scores.parquet and evaluation/per_class.parquet. selection: the paths of
    selection/<modality>.parquet, none where encoders were not compared. classes: class names in the order of the rows.
    final_system: 'validation', 'test', or the system that the config names. The CSV keeps full precision; its first line
    is '# ' and the caption.
    """
    for table in build_tables(scores, per_class, modalities, classes, final_system, selection).values():
        write_table(table, Path(folder))


def write_table(table, folder):
    """Write one table in all formats."""
    for ending, text in (("csv", to_csv(table)), ("md", to_markdown(table)), ("tex", to_latex(table))):
        with whole(folder / f"{table.name}.{ending}") as partial:
            partial.write_text(text, encoding="utf-8")


def build_tables(scores, per_class, modalities, classes, final_system="validation", selection=()):
    """The tables of a run by name, in reading order (paths and arguments as for `make_tables`)."""
    scores = read_test(scores)
    per_class = read_test(per_class)
    makers = {
        "headline": lambda: headline(scores, final_system),
        "table4": lambda: single_modalities(scores),
        "table5": lambda: fusion(scores, "early", "table5"),
        "table6": lambda: fusion(scores, "late", "table6"),
        "table7": lambda: classes_of_final_system(per_class, classes),
    }
    compared = {Path(path).stem: path for path in selection}
    makers |= {SELECTION_TABLES[modality]: partial(encoders, path) for modality, path in compared.items()}
    return {name: makers[name]() for name in table_names(modalities, compared)}


def read_test(path):
    """The rows of an evaluation file that were measured on test parts, as a pandas DataFrame."""
    frame = read_parquet(path).to_pandas()
    frame = frame[frame["part"] == "test"].reset_index(drop=True)
    if frame.empty:
        raise EmofuseError(f"{path} holds no score of a test part; delete it and run again.")
    return frame


def ranked(scores):
    """Pooled test scores of each system, means over seeds: best WA first, ties by UA, then in the file's order."""
    pooled = scores[scores["split"] == "pooled"]
    means = pooled.groupby(["system", "kind", "encoders"], sort=False)[list(MEASURES)].mean().reset_index()
    return means.sort_values(["wa", "ua"], ascending=False, kind="stable", ignore_index=True)


def headline(scores, final_system="validation"):
    """The table that answers first: majority class, single modalities, the final system, the best on test."""
    order = ranked(scores)
    best = order[~order["kind"].isin(["baseline", "chosen"])].iloc[0]["system"]
    singles = order[order["kind"] == "single"]["system"].tolist()
    roles = {system: "baseline" for system in order[order["kind"] == "baseline"]["system"]}
    for system in sorted(singles, key=modality_rank):
        note = ", the best one on test" if len(singles) > 1 and system == singles[0] else ""
        roles[system] = f"single modality: {modality_title(system)}{_encoder_note(order, system)}{note}"
    how = {"validation": "chosen on validation, fold by fold", "test": "chosen on test: optimistic"}
    roles["chosen"] = how.get(final_system, f"named in the config: {final_system}")
    # A single modality that is also the best on test of all keeps its row and gets the mark as a second one.
    rows = [*roles.items(), (best, "best on test of all systems: optimistic")]

    pooled = scores[scores["split"] == "pooled"].set_index(["system", "seed"])[list(MEASURES)].mul(100)
    values, spread = _over_seeds(pooled)
    heads = pd.MultiIndex.from_tuples(
        [("final system" if system == "chosen" else system, role) for system, role in rows], names=["System", "Role"]
    )
    systems = [system for system, _ in rows]
    caption = f"Scores in percent on {_test_turns(scores)}."
    return Table("headline", caption, *(_picked(frame, systems, heads) for frame in (values, spread)))


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
        f"{MODALITY_TITLES[modality].capitalize()} encoders on one fold, trained on sessions {sessions['train']}, validated on"
        f" {sessions['val']}, tested on {sessions['test']}: cross-entropy loss, WA (the paper's accuracy) and UA in percent,"
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
    frame = scores[(scores["kind"] == kind) & (scores["split"] == "pooled")]
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


def to_csv(table):
    """`# caption`, then the values in full precision, each with its `sd` column when there are several seeds."""
    heads = table.values.index.nlevels
    flat = _flat(table.values)
    whole_numbers = [_joined(column) for column, digits in table.digits.items() if digits == 0]
    if table.spread is not None:
        spread = _flat(table.spread).iloc[:, heads:]
        for j in reversed(range(spread.shape[1])):
            if spread.columns[j] not in whole_numbers:
                flat.insert(heads + j + 1, f"{spread.columns[j]} sd", spread.iloc[:, j])
    for column in whole_numbers:
        flat[column] = flat[column].round().astype("Int64")  # which can hold missing values
    return f"# {table.caption}\n{flat.to_csv(index=False, lineterminator=chr(10))}"


def to_markdown(table):
    """The caption and a pipe table."""
    flat = _flat(table.text()).map(lambda cell: str(cell).replace("|", "\\|"))
    heads = table.values.index.nlevels
    align = ["left"] * heads + ["right"] * (flat.shape[1] - heads)
    return f"**{table.caption}**\n\n{flat.to_markdown(index=False, disable_numparse=True, colalign=align)}\n"


def to_latex(table):
    r"""A floating table for the booktabs package, every special character escaped; its label is `tab:<name>`."""
    frame = table.text().reset_index().map(escape_latex)
    for level in range(frame.columns.nlevels):
        frame = frame.rename(columns=escape_latex, level=level if frame.columns.nlevels > 1 else None)
    heads = table.values.index.nlevels
    return frame.style.hide(axis="index").to_latex(
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
} | {character: f"\\{character}" for character in "&%$#_{}"}


def escape_latex(text):
    """`text` with LaTeX's special characters escaped."""
    return "".join(_LATEX.get(character, character) for character in str(text))
