"""Says what the evaluators' votes mean in a run's classes: shares, what the others say, agreement, soft labels."""

import numpy as np
import pandas as pd

from emofuse.runtime.store import read_parquet

DIGITS = 9  # of sums of shares; what differs less is equal
TIE, OUTSIDE, ALONE = "tie", "outside", "alone"  # why a vote cannot be held against the others


def read_shares(path, classes):
    """The evaluators' votes of votes.parquet in the classes of a run, {class: its raw labels}: a DataFrame by turn_id and
    annotator, float64, a column a class in the order of names, then one for each raw label outside of them, in brackets.

    A vote for several labels counts in equal parts, so each row's sum is 1. What actors say of themselves is left out.
    """
    class_of = {label: name for name, labels in classes.items() for label in labels}
    votes = read_parquet(path).to_pandas()
    votes, names = votes[~votes["self"].astype(bool)], sorted(classes)
    if votes.empty:
        return pd.DataFrame(columns=names, index=pd.MultiIndex.from_arrays([[], []], names=["turn_id", "annotator"]))
    parts = votes.assign(share=1 / votes["labels"].str.len()).explode("labels")
    parts["cell"] = [class_of.get(label, f"({label})") for label in parts["labels"]]
    shares = parts.pivot_table(
        index=["turn_id", "annotator"], columns="cell", values="share", aggfunc="sum", fill_value=0.0
    )
    return shares.reindex(columns=[*names, *sorted(set(shares.columns) - set(names))], fill_value=0.0).astype(float)


def others_majority(shares, names):
    """What the other evaluators call the turn of each vote, (n,) object: the class that most of them name; else TIE (two
    things are named as often), OUTSIDE (most name a label outside the `names` of classes), or ALONE (nobody else votes).
    """
    totals = shares.groupby(level="turn_id").transform("sum")
    others = (totals - shares).to_numpy().round(DIGITS)
    if not others.size:
        return np.empty(0, dtype=object)
    most = others.max(axis=1, keepdims=True)
    said = shares.columns.to_numpy(dtype=object)[others.argmax(axis=1)]
    said[~np.isin(said, names)] = OUTSIDE
    said[(others == most).sum(axis=1) > 1] = TIE
    said[most[:, 0] == 0] = ALONE
    return said


def agreement(shares):
    """Of each turn with two evaluators or more whether they agree: a Series by turn_id, 'full' where all name one and the same
    class (or label outside the classes) and nothing else, else 'partial'."""
    by_turn = shares.groupby(level="turn_id")
    count = by_turn.size()
    full = by_turn.sum().max(axis=1).round(DIGITS) == count
    return full.map({True: "full", False: "partial"})[count > 1]


def soft_labels(shares, names):
    """The share of each class in a turn's votes, among the classes: a DataFrame by turn_id, whose rows' sum is 1; turns without
    a vote in a class are not in it."""
    totals = shares.groupby(level="turn_id").sum()[names]
    inside = totals.sum(axis=1)
    return totals[inside > 0].div(inside[inside > 0], axis=0)
