"""Compares finished runs on the turns that all of them test: scores, paired differences, and which turns changed."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from emofuse.evaluation import statistics
from emofuse.evaluation.assessment import count, differences
from emofuse.evaluation.folds import clusters
from emofuse.evaluation.statistics import Counts
from emofuse.evaluation.tested import shared_turns
from emofuse.fusion.systems import CHOSEN

EVERY_PAIR = 4  # runs, up to which all pairs are compared; of more each with the first
MEASURES = ("wa", "ua")
ALL = "all"


@dataclass(frozen=True)
class Measured:
    """Some systems of R runs, run by run. values: {measure: (R * S,)}, means over seeds. drawn: {measure: (resamples, R * S)}.
    counts: their Counts, a seed each that is the mean over its seeds."""

    values: dict[str, np.ndarray]
    drawn: dict[str, np.ndarray]
    counts: Counts


@dataclass(frozen=True)
class Compared:
    """What a comparison found, under one protocol. pairs: (run, less) numbers of runs. Scores and differences are fractions.

    - scores: run, measure, value, low, high, seed_sd, of the final systems
    - differences: run, less, measure (wa, ua), difference, low, high, fold_low, fold_high (Student's t over the folds), p,
      p_holm (corrected over the pairs), holds, of the final systems
    - systems: run, less, system, measure, first and second (their scores), difference, low, high, p, p_holm (corrected over
      all rows of that measure), holds: of each system of the same name and modalities, and the first run alone as `less`
    - parts: run, less, by (class, fold), part, turns, measure (recall of a class; wa and ua of a fold), first, second,
      difference, low, high
    - changes: run, less, part (all, or a class), turns, both, lost, gained, neither: how many turns `less` and `run` have
      right: means over all pairs of a seed of the one and a seed of the other
    - turns: turn_id, split, class, run, right: the share of the run's seeds that have the turn right
    - clusters: what is drawn and changes its sign, dialogs or speakers
    """

    pairs: list[tuple[int, int]]
    scores: pd.DataFrame
    differences: pd.DataFrame
    systems: pd.DataFrame
    parts: pd.DataFrame
    changes: pd.DataFrame
    turns: pd.DataFrame
    clusters: str

    @property
    def tested(self):
        """How many turns all runs test."""
        return self.turns["turn_id"].nunique()


def compare(runs, resamples=10_000):
    """The Compared of some `tested.Tested`, of which `tested.unlike` finds nothing.

    Intervals, tests and corrections are those of the evaluation (`statistics`): dialogs are drawn within sessions, the same for
    all runs, and signs are flipped by whole dialogs; speakers stand in for them where a corpus has none. With several seeds a
    turn counts by the share of them that is right; runs may have other numbers of seeds. Which dialog, session and fold a turn
    is of, the first run says.
    """
    shared = shared_turns(runs)
    facts = runs[0].facts.loc[shared]
    names, classes = [run.name for run in runs], runs[0].classes
    folds = [[fold.where(np.isin(fold.turns, shared)) for fold in run.folds] for run in runs]
    pairs = [(number, 0) for number in range(1, len(runs))]
    if len(runs) <= EVERY_PAIR:
        pairs += [(later, earlier) for earlier, later in combinations(range(1, len(runs)), 2)]

    def measured(systems=(CHOSEN,), where=slice(None)):
        return measure(folds, facts, systems, len(classes), where, resamples)

    final = measured()
    by_fold = {split: measured(where=(facts["split"] == split).to_numpy()) for split in facts["split"].unique()}
    by_class = {name: measured(where=(facts["class"] == name).to_numpy()) for name in facts["class"].unique()}
    right = np.array([np.mean([f.predictions[CHOSEN] == f.truth for f in of_run], axis=0) for of_run in folds])
    titled = [(names[a], names[b]) for a, b in pairs]
    return Compared(
        pairs,
        scores_rows(names, folds, final, len(classes), facts),
        difference_rows(titled, pairs, final, by_fold, resamples),
        system_rows(names, common_systems(folds), measured, resamples),
        pd.DataFrame(
            part_rows(titled, pairs, "class", {name: by_class[name] for name in classes if name in by_class})
            + part_rows(titled, pairs, "fold", dict(sorted(by_fold.items())))
        ),
        change_rows(titled, pairs, right, facts["class"].to_numpy(str), classes),
        pd.concat(
            [
                facts[["split", "class"]].assign(run=name, right=of_run).rename_axis("turn_id").reset_index()
                for name, of_run in zip(names, right, strict=True)
            ],
            ignore_index=True,
        ),
        clusters(facts),
    )


def measure(folds, facts, systems, classes, where, resamples):
    """The Measured of some systems on those turns that `where` picks. folds: of each run a Fold a seed, all of the same turns;
    facts: their rows of the splits."""
    rows = facts.loc[facts.index[where]]
    mask = np.isin(facts.index, rows.index)
    by_run = [count([fold.where(mask) for fold in of_run], rows, systems, classes) for of_run in folds]
    drawn = [statistics.resample(counts, resamples) for counts in by_run]  # the same dialogs for all, by the same seed
    scored = [statistics.scores(counts) for counts in by_run]
    first = by_run[0]
    hits, said = (
        np.concatenate([getattr(counts, name).mean(axis=1, keepdims=True) for counts in by_run])
        for name in ("hits", "said")
    )
    return Measured(
        {name: np.concatenate([of[name].mean(axis=1) for of in scored]) for name in scored[0]},
        {name: np.concatenate([of[name] for of in drawn], axis=1) for name in drawn[0]},
        Counts(first.sessions, first.support, hits, said),
    )


def common_systems(folds):
    """The systems, but for the final one, that all runs have, by name and modalities, in their order."""
    first, *others = (of_run[0].predictions for of_run in folds)
    return [system for system in first if system != CHOSEN and all(system in other for other in others)]


def scores_rows(names, folds, final, classes, facts):
    """The table `scores` of Compared."""
    ends = statistics.interval_ends(final.drawn)
    rows = []
    for number, name in enumerate(names):
        of_seeds = statistics.scores(count(folds[number], facts, [CHOSEN], classes))
        for measure, values in final.values.items():
            seeds = of_seeds[measure][0]
            low, high = ends[measure][number]
            row = {"run": name, "measure": measure, "value": values[number], "low": low, "high": high}
            rows.append(row | {"seed_sd": seeds.std(ddof=1) if len(seeds) > 1 else np.nan})
    return pd.DataFrame(rows)


def difference_rows(titled, pairs, final, by_fold, flips):
    """The table `differences` of Compared; titled: the names of the runs of each pair."""
    rows = []
    for index, row in differences(final.counts, final.drawn, pairs, flips):
        a, b = pairs[index]
        gains = [of.values[row["measure"]][a] - of.values[row["measure"]][b] for of in by_fold.values()]
        low, high = statistics.t_interval(gains)
        rows.append(dict(zip(("run", "less"), titled[index], strict=True)) | row | {"fold_low": low, "fold_high": high})
    return pd.DataFrame(rows)


def system_rows(names, systems, measured, flips):
    """The table `systems` of Compared; measured: a function of the systems that gives their Measured."""
    if not systems:
        return pd.DataFrame()
    found, size = measured(systems), len(systems)
    pairs = [(run * size + place, place) for run in range(1, len(names)) for place in range(size)]
    rows = []
    for index, row in differences(found.counts, found.drawn, pairs, flips):
        a, b = pairs[index]
        values = found.values[row["measure"]]
        of = {"run": names[a // size], "less": names[0], "system": systems[b].name}
        rows.append(of | row | {"first": values[b], "second": values[a]})
    return pd.DataFrame(rows)


def part_rows(titled, pairs, by, found):
    """Rows of the table `parts` of Compared; found: {part: Measured of its turns}. The WA of a class's turns is its recall."""
    rows = []
    for (run, less), (a, b) in zip(titled, pairs, strict=True):
        for part, measured in found.items():
            for measure in ("wa", "ua") if by == "fold" else ("wa",):
                values, drawn = measured.values[measure], measured.drawn[measure]
                low, high = statistics.interval_ends({measure: drawn[:, [a]] - drawn[:, [b]]})[measure][0]
                row = {"run": run, "less": less, "by": by, "part": part, "turns": int(measured.counts.support.sum())}
                row |= {"measure": "recall" if by == "class" else measure, "first": values[b], "second": values[a]}
                rows.append(row | {"difference": values[a] - values[b], "low": low, "high": high})
    return rows


def change_rows(titled, pairs, right, truth, classes):
    """The table `changes` of Compared; right: (runs, n) share of seeds that are right, truth: (n,) class names."""
    rows = []
    for (run, less), (a, b) in zip(titled, pairs, strict=True):
        for part in (ALL, *classes):
            mask = slice(None) if part == ALL else truth == part
            after, before = right[a, mask], right[b, mask]
            counts = {
                "both": (before * after).sum(),
                "lost": (before * (1 - after)).sum(),
                "gained": ((1 - before) * after).sum(),
                "neither": ((1 - before) * (1 - after)).sum(),
            }
            rows.append({"run": run, "less": less, "part": part, "turns": len(after)} | counts)
    return pd.DataFrame(rows)
