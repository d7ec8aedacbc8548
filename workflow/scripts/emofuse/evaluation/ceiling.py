"""Measures how well annotators agree with each other, and holds the systems against the same: the ceiling."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from emofuse.evaluation import statistics
from emofuse.evaluation.choice import add_derived
from emofuse.evaluation.folds import Fold, pooled_tests, strata
from emofuse.evaluation.predictions import read_predictions, read_splits, read_unlabelled
from emofuse.evaluation.spread import spread_rows
from emofuse.evaluation.votes import ALONE, OUTSIDE, TIE, agreement, others_majority, read_shares
from emofuse.fusion.systems import CHOSEN, System
from emofuse.runtime.store import read_parquet, write_parquet

ANNOTATORS = "annotators"
SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("target", "grouping", "group", "who", "measure")]
    + [(name, pa.float64()) for name in ("value", "low", "high")]
    + [(name, pa.int64()) for name in ("turns", "votes")]
)


def measure_ceiling(predictions, splits, corpus, classes, final_system, output, resamples=10_000):
    """Write what the evaluators' votes say about the test turns of one protocol, pooled over the folds, and its systems.

    predictions, splits, final_system: as for `scores.evaluate`. corpus: {turns, votes}: paths of turns.parquet and
    votes.parquet. classes: {class: its raw labels}. A row a number, with several seeds a mean over them; none where there are
    no votes. Columns: target, grouping, group, who, measure, value; low, high: 95 % interval by bootstrap over dialogs within
    sessions, null of numbers of turns; turns, votes: how many it is of. By target:

    - others: one evaluator's vote (who: annotators), and what the systems say, against the class that most of the other
      evaluators name. Each vote that can be held against the others counts once, one for several labels in equal parts.
      grouping all, class (the others') and style; measure wa and ua, in a class wa alone, which is its recall. grouping
      skipped, measure count: votes that cannot, for the others are tied (group tie), name a label outside the classes
      (outside), or are not there (alone)
    - label: the systems against the release's label; wa and ua. grouping all: on the turns of `others`; grouping agreement: on
      those with two evaluators or more who agree fully, or do not (full, partial). grouping skipped: test turns with one
      evaluator (alone) or without (unvoted)
    - spread: as `spread.spread_rows` says
    """
    frames, names = read_splits(splits)
    folds, _ = read_predictions(predictions, frames, names, probabilities=True)
    picks = add_derived(folds, frames, names, final_system)
    pooled, facts = pooled_tests(folds, frames)
    shares, rows = read_shares(corpus["votes"], classes), []
    if len(shares):
        known = sorted(pooled[0].predictions, key=lambda system: system.order)
        systems = [system for system in known if system.kind in ("single", "baseline") or system == CHOSEN]
        tested = Tested(pooled, facts, systems, names, resamples)
        of_turns = shares[shares.index.get_level_values("turn_id").isin(facts.index)]
        rows = [*held_against_others(tested, of_turns), *held_against_labels(tested, of_turns)]
        turns = read_parquet(corpus["turns"], ["turn_id", "session", "dialog", "speaker", "label"]).to_pandas()
        others = read_unlabelled(predictions, picks, names)
        rows += spread_rows(folds, frames, others, shares, turns, classes, resamples)
    write_parquet(output, pa.Table.from_pylist(rows, SCHEMA))


@dataclass(frozen=True)
class Tested:
    """The test turns of a protocol: a Fold a seed, of the same turns, their rows of the splits by turn_id, the systems that are
    shown, names of classes, and how often dialogs are drawn."""

    folds: list[Fold]
    facts: pd.DataFrame
    systems: list[System]
    names: list[str]
    resamples: int

    def said(self, turns):
        """(systems, seeds, n, classes) float64: 1 where a system says the class; turns: (n,) their numbers."""
        said = np.array([[fold.predictions[system][turns] for fold in self.folds] for system in self.systems])
        return np.eye(len(self.names))[said]

    def rows(self, where, turns, truth, annotators=None, measures=("wa", "ua")):
        """Rows of the table: where: (target, grouping, group). turns: (n,) their numbers, as often as they count. truth: (n,)
        class indices. annotators: (n, classes) shares of a vote each, or None."""
        if not len(turns):
            return []
        shares, who = self.said(turns), [system.name for system in self.systems]
        if annotators is not None:
            own = np.broadcast_to(annotators, (1, shares.shape[1], *annotators.shape))
            shares, who = np.concatenate([own, shares]), [ANNOTATORS, *who]
        dialogs, sessions = self.facts["dialog"].to_numpy()[turns], strata(self.facts)[turns]
        counts = statistics.count_shares(dialogs, sessions, truth, shares)
        values, ends = statistics.scores(counts), statistics.intervals(counts, self.resamples)
        key = dict(zip(("target", "grouping", "group"), where, strict=True))
        size = {"turns": len(np.unique(turns)), "votes": None if annotators is None else len(turns)}
        return [
            {**key, "who": name, "measure": measure, "value": values[measure][number].mean(), **size}
            | dict(zip(("low", "high"), ends[measure][number], strict=True))
            for measure in measures
            for number, name in enumerate(who)
        ]


def held_against_others(tested, shares):
    """Rows of target `others`, and of `label` on the same turns; shares: of the votes on the test turns, see `read_shares`."""
    said = others_majority(shares, tested.names)
    held = np.isin(said, tested.names)
    turns = tested.facts.index.get_indexer(shares.index.get_level_values("turn_id")[held])
    truth = np.array([tested.names.index(name) for name in said[held]], dtype=np.int64)
    own = shares.loc[held, tested.names].to_numpy()
    style = tested.facts["style"].to_numpy()[turns]
    groups = [("class", name, truth == number) for number, name in enumerate(tested.names)]
    groups += [("style", name, style == name) for name in sorted(set(style) - {""})]
    rows = tested.rows(("others", "all", "all"), turns, truth, own)
    for grouping, name, mask in groups:
        measures = ("wa",) if grouping == "class" else ("wa", "ua")
        rows += tested.rows(("others", grouping, name), turns[mask], truth[mask], own[mask], measures)
    rows += [skipped("others", reason, (said == reason).sum()) for reason in (TIE, OUTSIDE, ALONE)]
    once = np.unique(turns)
    return rows + tested.rows(("label", "all", "all"), once, tested.folds[0].truth[once])


def held_against_labels(tested, shares):
    """Rows of target `label` on turns on which the evaluators agree, and on the others."""
    agree = agreement(shares).reindex(tested.facts.index).to_numpy()
    voted = tested.facts.index.isin(shares.index.get_level_values("turn_id"))
    rows = []
    for group in ("full", "partial"):
        turns = np.flatnonzero(agree == group)
        rows += tested.rows(("label", "agreement", group), turns, tested.folds[0].truth[turns])
    rows.append(skipped("label", ALONE, (voted & pd.isna(agree)).sum()))
    return [*rows, skipped("label", "unvoted", (~voted).sum())]


def skipped(target, group, number):
    """The row that tells how many votes or turns could not be used."""
    return {
        "target": target,
        "grouping": "skipped",
        "group": group,
        "who": "",
        "measure": "count",
        "value": float(number),
    }
