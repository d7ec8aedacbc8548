"""The tables that compare finished runs under one protocol."""

import numpy as np
import pandas as pd

from emofuse.report.outputs import class_title, split_title
from emofuse.report.scores import BOOTSTRAP
from emofuse.report.systems import MEASURES
from emofuse.report.table import P, Table

ALL_TURNS = "all turns"
PAIR = ["Run", "Less"]
TESTED = {"difference": "Points", "p": "p", "p_holm": "p, Holm", "holds": "Holds"}


def tables(compared, left_out, several_seeds):
    """{name: Table} of a `evaluation.comparison.Compared`.

    left_out: rows of `tested.not_shared`. several_seeds: whether a run has more than one.
    """
    made = [
        scores_table(compared),
        differences_table(compared),
        systems_table(compared),
        parts_table(compared, "class"),
        parts_table(compared, "fold"),
        changes_table(compared, several_seeds),
        left_out_table(left_out),
    ]
    return {table.name: table for table in made}


def bootstrap(compared):
    """What the intervals of a Compared are by, and what is in them."""
    if compared.clusters == "dialogs":
        return BOOTSTRAP
    return (
        "by bootstrap over whole speakers, drawn all together: other speakers, scored by these trained models; another training"
        " is not in them"
    )


def scores_table(compared):
    """The final system of each run."""
    scores = compared.scores.assign(Run=compared.scores["run"])

    def of(column):
        wide = scores.pivot(index="Run", columns="measure", values=column).loc[scores["Run"].unique(), list(MEASURES)]
        return wide.mul(100).rename(columns=MEASURES).rename_axis(columns=None)

    spread = of("seed_sd")
    caption = (
        f"The final system of each run on the {compared.tested:,} turns that all of them test, in percent, with 95 %"
        f" intervals {bootstrap(compared)}."
    )
    if spread.notna().any(axis=None):
        caption += " Of runs with several seeds the mean ± the standard deviation over them."
    spread = spread if spread.notna().any(axis=None) else None
    return Table("scores", caption, of("value"), spread, bounds=(of("low"), of("high")))


def differences_table(compared):
    """Each pair's final systems, with the test."""
    rows = compared.differences
    pairs = len(rows.drop_duplicates(["run", "less"]))
    family = (
        f" after Holm's correction for all {pairs} pairs, of each measure"
        if pairs > 1
        else ", for it is one comparison"
    )
    caption = (
        f"The final system of one run less that of another, in points, with 95 % intervals {bootstrap(compared)}. p: sign flips"
        f" of whole {compared.clusters}, two-sided. Holds: yes where p is below 0.05{family}. Over folds: the mean of the"
        " differences in each fold of the first run, with the 95 % interval of Student's t, which has other speakers in it"
        " where folds keep them apart."
    )
    return _tested("differences", caption, rows, dict(zip(("run", "less"), PAIR, strict=True)), folds=True)


def systems_table(compared):
    """The systems that have the same name and modalities in all runs."""
    rows = compared.systems
    if rows.empty:
        empty = pd.DataFrame(columns=["WA"], index=pd.Index([], name="System"), dtype=float)
        return Table("systems", "No system has the same name and the same modalities in all of these runs.", empty)
    several = rows["run"].nunique() > 1
    family = len(rows[rows["measure"] == "wa"])
    caption = (
        "Systems of the same name and modalities in all runs: WA and UA in percent of both, and the difference in points, with"
        f" 95 % intervals {bootstrap(compared)}. p: sign flips of whole {compared.clusters}. Holds: yes where p is below 0.05"
        f" after Holm's correction for all {family} comparisons of this table, of each measure. The same name says nothing of"
        " settings: an encoder or classifier of that name may be another one, see what differs."
    )
    heads = {"run": PAIR[0], "less": PAIR[1], "system": "System"} if several else {"system": "System"}
    return _tested("systems", caption, rows, heads, scored=True)


def _tested(name, caption, rows, heads, scored=False, folds=False):
    """A Table of differences with their tests; heads: {column: head} of the rows' heads."""
    rows = rows.assign(holds=rows["holds"].map({True: "yes", False: "no"}))
    numbers = [c for c in ("difference", "low", "high", "fold_low", "fold_high", "first", "second") if c in rows]
    rows[numbers] *= 100
    wide = rows.pivot(index=list(heads), columns="measure")
    order = list(dict.fromkeys(rows[list(heads)].itertuples(index=False, name=None)))
    order = order if len(heads) > 1 else [key for (key,) in order]
    columns, bounds = {}, [{}, {}]
    for measure in ("wa", "ua"):
        # Of one comparison Holm's p is p.
        tests = {column: title for column, title in TESTED.items() if column != "p_holm" or len(order) > 1}
        # 'of a', which no other column is called whatever the run's name is.
        second = "of the run" if "run" in heads else f"of {rows['run'].iloc[0]}"
        shown = {"first": f"of {rows['less'].iloc[0]}", "second": second} if scored else {}
        for column, title in (shown | tests).items():
            columns[MEASURES[measure], title] = wide[column, measure]
        if folds:
            # An interval of Student's t lies around the mean of the folds.
            columns[MEASURES[measure], "Over folds"] = (wide["fold_low", measure] + wide["fold_high", measure]) / 2
        for ends, low, over in zip(bounds, ("low", "high"), ("fold_low", "fold_high"), strict=True):
            ends[MEASURES[measure], "Points"] = wide[low, measure]
            if folds:
                ends[MEASURES[measure], "Over folds"] = wide[over, measure]
    values = pd.DataFrame(columns).loc[order].rename_axis(list(heads.values()))
    ends = tuple(pd.DataFrame(of).loc[order].reindex(columns=values.columns) for of in bounds)
    digits = {column: P for column in columns if column[1] in (TESTED["p"], TESTED["p_holm"])}
    return Table(name, caption, values, digits=digits, bounds=ends)


def parts_table(compared, by):
    """The recalls of the classes, or the scores of the folds, of each pair; without a test."""
    rows = compared.parts[compared.parts["by"] == by]
    title = class_title if by == "class" else split_title
    heads = [PAIR[0], PAIR[1], by.capitalize()]
    what = "Recall of each class" if by == "class" else "WA and UA in each fold of the first run"
    caption = (
        f"{what}, of the final systems, in percent, and the difference in points with 95 % intervals {bootstrap(compared)}."
        " These were not tested: they are there to be looked at."
    )
    if by == "fold":
        caption += f" A fold has few {compared.clusters}, and where it has one its interval is a point."
    numbers = ["first", "second", "difference", "low", "high"]
    wide = rows.assign(part=rows["part"].map(title)).pivot(index=["run", "less", "part"], columns="measure")
    order = list(dict.fromkeys(zip(rows["run"], rows["less"], rows["part"].map(title), strict=True)))
    wide = wide.loc[order].rename_axis(heads)
    measures = [m for m in ("recall", "wa", "ua") if m in set(rows["measure"])]
    turns = ("", "Turns")
    columns, bounds = {turns: wide["turns", measures[0]].astype(float)}, ({}, {})
    for measure in measures:
        group = MEASURES.get(measure, measure.capitalize())
        for column, head in zip(numbers[:3], ("Less", "Run", "Points"), strict=True):
            columns[group, head] = 100 * wide[column, measure]
        for ends, end in zip(bounds, ("low", "high"), strict=True):
            ends[group, "Points"] = 100 * wide[end, measure]
    values = pd.DataFrame(columns)
    ends = tuple(pd.DataFrame(of).reindex(columns=values.columns) for of in bounds)
    return Table("classes" if by == "class" else "folds", caption, values, digits={turns: 0}, bounds=ends)


def changes_table(compared, several_seeds):
    """How many turns went from right to wrong, and back."""
    rows = compared.changes
    titles = {
        "turns": "Turns",
        "both": "Both right",
        "lost": "Only less",
        "gained": "Only run",
        "neither": "Both wrong",
    }
    shown = rows["part"].map(lambda part: ALL_TURNS if part == "all" else class_title(part))
    values = rows[list(titles)].astype(float).rename(columns=titles)
    values.index = pd.MultiIndex.from_arrays([rows["run"], rows["less"], shown], names=[*PAIR, "Class"])
    caption = (
        "How many turns the final systems of both runs have right, only that of the run in the column Less, only that of the"
        " run itself, and neither. turns.parquet says it of each turn."
    )
    if several_seeds:
        caption += " With several seeds: means over all pairs of a seed of the one and a seed of the other."
    digits = dict.fromkeys(titles.values(), 1 if several_seeds else 0) | {"Turns": 0}
    return Table("changes", caption, values, digits=digits)


def left_out_table(left_out):
    """Which turns are tested by one run and not by another, and why."""
    caption = "Turns that one run tests and another one does not, which are in no number of this page, and why."
    heads = [(row["run"], row["other"], row["why"]) for row in left_out]
    index = pd.MultiIndex.from_tuples(heads, names=["Tested by", "Not by", "Why"])
    values = pd.DataFrame({"Turns": np.array([row["turns"] for row in left_out], dtype=float)}, index=index)
    return Table("left_out", caption if left_out else "All runs test the same turns.", values, digits={"Turns": 0})
