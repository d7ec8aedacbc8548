"""Measures what the final system says of turns against the annotators' spread, above all of those without a majority."""

import numpy as np
import pandas as pd
from scipy.special import entr

from emofuse.corpora.class_sets import NO_MAJORITY
from emofuse.evaluation import statistics
from emofuse.evaluation.choice import LEAST
from emofuse.evaluation.folds import strata
from emofuse.evaluation.votes import agreement, soft_labels
from emofuse.fusion.systems import CHOSEN
from emofuse.fusion.unlabelled import of_no_class

WHO = ("chosen", "training", "uniform", "floor")
GROUPS = ("none", "outside", "partial", "full")


def spread_rows(folds, frames, others, shares, turns, classes, resamples):
    """Rows of the target `spread` of ceiling.parquet: cross-entropy, nats a turn, against the share of each class in a turn's
    votes, those for labels outside the classes left aside.

    folds: {(split, seed): Fold} with the final system; frames: {split: its DataFrame}; others: as of `read_unlabelled`; shares:
    of `read_shares`; turns: DataFrame of the corpus; classes: {class: its raw labels}. grouping agreement: turns of no class
    whose speaker is tested in their dialog, without a majority (group none) and with another label (outside), and test turns on
    which two evaluators or more do not agree fully, or do (partial, full). who: chosen (the final system, calibrated), training
    (the class shares of the fold's training part), uniform, floor (the votes' own entropy, than which nothing is lower).
    measure: cross_entropy; and gain: training less chosen. grouping skipped, measure count: turns without a vote in a class
    (unvoted), and those of which the final system says no calibrated probability (unspoken).
    """
    names = sorted(classes)
    soft = soft_labels(shares, names)
    turns = turns.set_index("turn_id")
    group = groups_of(turns, frames, shares, classes)
    asked = group.index
    values = pd.concat([of_fold(key, fold, frames, others, soft) for key, fold in folds.items()])
    values = values[values.index.isin(asked)].groupby(level=0).mean()
    rows = []
    for name in GROUPS:
        found = values[group.loc[values.index] == name]
        if len(found):
            rows += _rows(name, found, turns.loc[found.index], resamples)
    unvoted = ~asked.isin(soft.index)
    for reason, number in (("unvoted", unvoted.sum()), ("unspoken", (~unvoted).sum() - len(values))):
        row = {"target": "spread", "grouping": "skipped", "group": reason, "who": "", "measure": "count"}
        rows.append(row | {"value": float(number)})
    return rows


def groups_of(turns, frames, shares, classes):
    """A Series by turn_id: the group of each test turn with two evaluators or more, and of each turn of no class beside."""
    test = pd.concat(frame[frame["part"] == "test"] for frame in frames.values())
    agree = agreement(shares)
    known = {label for labels in classes.values() for label in labels}
    without = of_no_class(turns, known, test)["label"].eq(NO_MAJORITY).map({True: "none", False: "outside"})
    return pd.concat([agree[agree.index.isin(test.index)], without])


def of_fold(key, fold, frames, others, soft):
    """Cross-entropies of the turns of one split and seed that have a soft label and a calibrated probability: a DataFrame by
    turn_id, a column for each of WHO."""
    test, training = fold.part("test"), frames[key[0]]
    said = [others[key]] if key in others else []
    if CHOSEN in test.probabilities["after"]:
        said.append(pd.DataFrame(test.probabilities["after"][CHOSEN], index=test.turns, columns=soft.columns))
    if not said:
        return pd.DataFrame(columns=WHO, dtype=float)
    said = pd.concat(said).dropna()
    said = said[said.index.isin(soft.index)]
    truth, names = soft.loc[said.index].to_numpy(), list(soft.columns)
    share = training.loc[training["part"] == "train", "class"].value_counts(normalize=True).reindex(names).to_numpy()

    def against(probabilities):
        return -(truth * np.log(np.maximum(probabilities, LEAST))).sum(axis=1)

    found = (against(said.to_numpy()), against(share), against(1 / len(names)), entr(truth).sum(axis=1))
    return pd.DataFrame(dict(zip(WHO, found, strict=True)), index=said.index)


def _rows(group, found, facts, resamples):
    """A row for each of WHO, and the gain."""
    found = found.assign(gain=found["training"] - found["chosen"])
    drawn = statistics.resample_means(facts["dialog"], strata(facts), found.to_numpy(), resamples)
    ends = statistics.interval_ends({"mean": drawn})["mean"]
    return [
        {
            "target": "spread",
            "grouping": "agreement",
            "group": group,
            "who": "chosen" if column == "gain" else column,
            "measure": "gain" if column == "gain" else "cross_entropy",
            "value": found[column].mean(),
            "low": low,
            "high": high,
            "turns": len(found),
        }
        for column, (low, high) in zip(found, ends, strict=True)
    ]
