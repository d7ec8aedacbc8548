"""Adds the baselines and the final system, which is chosen on each fold's validation part alone."""

import difflib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from emofuse.evaluation.folds import pool
from emofuse.evaluation.statistics import clustered_error
from emofuse.fusion.systems import (
    CHOSEN,
    CHOSEN_SINGLE,
    MAJORITY,
    ON_VALIDATION,
    SCENARIO,
    System,
    candidates,
    full_fusions,
    singles,
)
from emofuse.runtime.errors import EmofuseError

STANDARD_ERRORS = 2  # of the difference, by which a trained classifier's loss must be smaller to be taken for smaller
LEAST = 1e-6  # the least probability: one turn shall not decide alone


def add_derived(folds, splits, classes, final_system):
    """Add three systems to each Fold; return what the last of them is, {(split, seed): System}.

    "majority" always says the most frequent class of the split's training part (of equals the first in the order of
    classes), "scenario" that of the turn's scenario there (of a scenario without training turns, the former), "chosen" is
    in each split the final system (see `pick`). splits: {split: DataFrame} as of `read_splits`.
    """
    picks = pick(folds, splits, final_system)
    for key, fold in folds.items():
        for system, said in baselines(splits[key[0]], fold.turns).items():
            fold.predictions[system] = pc.index_in(pa.array(said), pa.array(classes)).to_numpy().astype(np.int64)
        fold.add(CHOSEN, picks[key])
    return picks


def baselines(frame, turns):
    """What the baselines, learned from the training part of a split (its DataFrame), say of `turns`: {System: (n,) str}."""
    training = frame[frame["part"] == "train"]
    counts = pd.crosstab(training["scenario"], training["class"])  # columns in the order of the classes
    overall = counts.sum().idxmax()  # of equals the first
    by_scenario = counts.idxmax(axis=1)
    said = by_scenario.reindex(frame.loc[turns, "scenario"]).fillna(overall)
    return {MAJORITY: np.full(len(turns), overall), SCENARIO: said.to_numpy(str)}


def pick(folds, splits, final_system):
    """The final system of each split and seed, {(split, seed): System}.

    With `final_system` "validation" that is the one of `systems.candidates` that `choose` takes by the split's validation
    part; with "validation_wa" the fusion of all modalities with the best WA there (of equals the better UA, then the first
    in `System.order`); with "test" (a leak) the candidate that has the best WA of all on the test turns of all splits of
    that seed; else it is the system of that name, everywhere. Raises EmofuseError where there is no validation part to
    choose on, and where no system has the name.
    """
    if final_system == "test":
        return best_on_test(folds)
    if final_system not in ON_VALIDATION:
        names = {system.name: system for fold in folds.values() for system in fold.predictions}
        if final_system not in names:
            nearest = difflib.get_close_matches(final_system, names, n=1)
            hint = f" Did you mean {nearest[0]}?" if nearest else ""
            raise EmofuseError(
                f"No system is named {final_system!r} (final_system).{hint} There are: {', '.join(names)}."
            )
        return dict.fromkeys(folds, names[final_system])
    validation = {key: fold.part("val") for key, fold in folds.items()}
    without = sorted({split for (split, _), fold in validation.items() if not len(fold.turns)})
    if without:
        names = ", ".join(system.name for system in candidates(next(iter(folds.values())).predictions))
        raise EmofuseError(
            f"No validation part in {', '.join(without)}, so the final system cannot be chosen on it, and choosing on "
            f"the test part would flatter it. Name the system in advance (final_system: one of {names}), or choose "
            "another validation rule."
        )
    if final_system == "validation_wa":
        return {
            key: best(fold, full_fusions(fold.predictions) or singles(fold.predictions))
            for key, fold in validation.items()
        }
    return {key: choose(fold, candidates(fold.predictions), splits[key[0]]) for key, fold in validation.items()}


def best_on_test(folds):
    """For each seed the candidate with the best WA on the test turns of all splits: the leak that it says it is."""
    chosen = {}
    for seed in {seed for _, seed in folds}:
        tests = [fold.part("test") for (_, other), fold in folds.items() if other == seed]
        pooled = pool(tests)
        chosen[seed] = best(pooled, candidates(pooled.predictions))
    return {key: chosen[key[1]] for key in folds}


def choose(fold, systems, frame, errors=STANDARD_ERRORS):
    """The final one of some systems by a Fold of validation turns; `frame`: the split's DataFrame by turn_id.

    Systems are compared by log loss, the negative logarithm of the calibrated probability of a turn's class, which uses
    each turn better than a hit or a miss does. Of the systems that learn nothing after their encoders (single modalities,
    late fusions by argmax) the one with the least is taken, unless one that does learn is below it by more than `errors`
    standard errors of the difference, dialogs taken as independent; then the least of these. For there are many of them,
    and the best of many looks better than it is; docs/statistics.md shows what that costs. Of equals the first in
    `System.order`. Raises EmofuseError if a row is not of the validation part: no test turn may take part in this choice.
    """
    if (fold.parts != "val").any():
        raise EmofuseError("Leak: the choice of the final system would see other than validation turns.")
    rows = np.arange(len(fold.truth))
    losses = {
        system: -np.log(np.maximum(fold.probabilities["after"][system][rows, fold.truth], LEAST))
        for system in sorted(systems, key=lambda system: (system.learns, system.order))
        if system in fold.probabilities["after"]  # one that cannot be calibrated here, for want of classes, is not
    }
    if not losses:
        return min(systems, key=lambda system: (system.learns, system.order))

    def least(of):
        return min(of, key=lambda system: losses[system].mean())

    plain = [system for system in losses if not system.learns]
    if not plain:
        return least(losses)
    safe, dialogs = least(plain), frame.loc[fold.turns, "dialog"].to_numpy(str)

    def better(system):
        gain = losses[safe] - losses[system]
        return gain.mean() > 0 and gain.mean() > errors * clustered_error(gain, dialogs)

    return least([system for system in losses if system.learns and better(system)] or [safe])


def best(fold, systems):
    """The one of `systems` with the best WA on a Fold's rows; of equals the better UA, then the first in `System.order`."""

    def merit(system):
        hits = fold.truth == fold.predictions[system]
        recalls = [hits[fold.truth == label].mean() for label in np.unique(fold.truth)]
        return -hits.mean(), -round(float(np.mean(recalls)), 12), system.order

    return min(systems, key=merit)


def chosen_singles(folds, splits):
    """The single modality that each fold with a validation part would choose, {(split, seed): System}."""
    return {
        key: choose(validation, singles(fold.predictions), splits[key[0]])
        for key, fold in folds.items()
        if len((validation := fold.part("val")).turns)
    }


def best_of_each_way(folds, splits):
    """For the single modalities and each kind and combination of fusion, its candidate in each fold: {System: {(split,
    seed): System}}.

    Chosen by `choose`; where there is no validation part, of fusions the first in `System.order`, and no single modality.
    """
    alone = chosen_singles(folds, splits)
    found = {CHOSEN_SINGLE: alone} if alone else {}
    for key, fold in folds.items():
        validation = fold.part("val")
        ways = {}
        for system in full_fusions(fold.predictions):
            name = System(f"{system.kind}-{system.combination}", "chosen", system.combination, "", ())
            ways.setdefault(name, []).append(system)
        for name, systems in ways.items():
            chosen = choose(validation, systems, splits[key[0]]) if len(validation.turns) else systems[0]
            found.setdefault(name, {})[key] = chosen
    return found
