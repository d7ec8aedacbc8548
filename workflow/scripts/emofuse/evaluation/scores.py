"""Measures every system, and chooses the final one of each split on its validation part alone."""

import difflib
import json
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from emofuse.evaluation.statistics import clustered_error, measures
from emofuse.fusion.alignment import some
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
from emofuse.runtime.errors import EmofuseError, listing
from emofuse.runtime.store import read_metadata, read_parquet, write_parquet, write_tsv
from emofuse.splits.parts import read_split

STANDARD_ERRORS = 2  # of the difference, by which a trained classifier's loss must be smaller to be taken for smaller
LEAST = 1e-6  # the least probability: one turn shall not decide alone
POOLED = "pooled"  # stands where a split's name would, for all folds of one seed together


@dataclass
class Fold:
    """What all systems say of the validation and test turns of one split, trained with one seed.

    `turns`, `parts`: (n,) str, sorted by turn; `truth`: (n,) indices into the classes; `predictions[system]`: (n,) alike;
    `probabilities[when][system]`: (n, classes) float64, when is before or after calibration, empty where not asked for or
    not there.
    """

    turns: np.ndarray
    parts: np.ndarray
    truth: np.ndarray
    predictions: dict[System, np.ndarray] = field(default_factory=dict)
    probabilities: dict[str, dict[System, np.ndarray]] = field(default_factory=lambda: {"before": {}, "after": {}})

    def part(self, name):
        """The fold with the turns of one part alone."""
        return self.where(self.parts == name)

    def where(self, rows):
        """The fold with the turns of an (n,) bool mask alone."""
        return Fold(
            self.turns[rows],
            self.parts[rows],
            self.truth[rows],
            {system: said[rows] for system, said in self.predictions.items()},
            {when: {s: p[rows] for s, p in found.items()} for when, found in self.probabilities.items()},
        )

    def add(self, name, system):
        """Let `name`, a System, say what `system` says."""
        self.predictions[name] = self.predictions[system]
        for found in self.probabilities.values():
            if system in found:
                found[name] = found[system]


def evaluate(predictions, splits, scores, per_class, confusion, chosen, chosen_predictions, final_system="validation"):
    """Write scores, per-class scores, confusion matrices and the choice of the final system.

    predictions: prediction files of all classifiers, splits and seeds of one protocol; splits: the split files. Written are:

    - scores (Parquet): system, kind, combination, classifier, modalities, missing, encoders, split, seed, part, n, wa, ua,
      macro_f1, weighted_f1; modalities and encoders as "text, audio" and "bert, wav2vec2", empty where a system has none
      or is another one in each split
    - per_class (Parquet): system, split, seed, part, class, precision, recall, f1, support
    - confusion (Parquet): system, split, seed, part, truth, prediction, count
    - chosen (TSV): split, seed, system, val_wa, val_ua, test_wa, test_ua, single (the single modality that would have been
      chosen; empty without a validation part), single_wa, single_ua (on test)
    - chosen_predictions (Parquet): turn_id, split, seed, truth, prediction of the chosen systems' test turns

    All scores are fractions (see `measure`). Split "pooled" is all folds of a seed together. Three systems are added:
    "majority" always says the most frequent class of the split's training part (of equals the first in the order of
    classes), "scenario" that of the turn's scenario there (of a scenario without training turns, the former), "chosen" is
    in each split the final system. With `final_system` "validation" that is the one of `systems.candidates` that `choose`
    takes by the split's validation part; with "validation_wa" the fusion of all modalities with the best WA there (of equals
    the better UA, then the first in `System.order`); with "test" (a leak) the candidate that has the best WA of all on the
    test turns of all splits of that seed; else it is the system of that name, everywhere. Raises EmofuseError where the
    predictions do not belong together, where there is no validation part to choose on, and where no system has the name.
    """
    frames, classes = read_splits(splits)
    folds, encoders = read_predictions(predictions, frames, classes, probabilities=True)
    picks = add_derived(folds, frames, classes, final_system)
    single = chosen_singles(folds, frames)

    measured = measure_all(folds, classes)
    rows = [
        {
            "system": system.name,
            "kind": system.kind,
            "combination": system.combination,
            "classifier": system.classifier,
            "modalities": ", ".join(system.modalities),
            "missing": system.missing,
            "encoders": encoders.get(system, ""),
            "split": split,
            "seed": seed,
            "part": part,
        }
        | {name: result[name] for name in ("n", "wa", "ua", "macro_f1", "weighted_f1")}
        for (system, split, seed, part), result in measured.items()
    ]
    write_parquet(scores, pa.Table.from_pylist(rows))
    write_parquet(per_class, per_class_table(measured, classes))
    write_parquet(confusion, confusion_table(measured, classes))

    rows = []
    for (split, seed), system in picks.items():
        row = {"split": split, "seed": seed, "system": system.name}
        for part in ("val", "test"):
            result = measured.get((system, split, seed, part))
            for score in ("wa", "ua"):
                row[f"{part}_{score}"] = "" if result is None else f"{result[score]:.6f}"
        alone = single.get((split, seed))
        row["single"] = alone.name if alone else ""
        for score in ("wa", "ua"):
            row[f"single_{score}"] = f"{measured[alone, split, seed, 'test'][score]:.6f}" if alone else ""
        rows.append(row)
    columns = ["val_wa", "val_ua", "test_wa", "test_ua", "single", "single_wa", "single_ua"]
    write_tsv(chosen, rows, ["split", "seed", "system", *columns])
    write_parquet(chosen_predictions, chosen_table(folds, classes))


def read_splits(paths):
    """Split files, checked again for leaks: {split: its turns as a DataFrame by turn_id}, and their classes."""
    files = {path: read_split(path) for path in paths}
    classes = next(iter(files.values()))[1]
    problems = [f"{path}: classes {', '.join(found)}" for path, (_, found) in files.items() if found != classes]
    if problems:
        raise EmofuseError(f"Splits of one run have the same classes; {', '.join(classes)}, but\n" + listing(problems))
    frames = {
        read_metadata(path)["split"]: table.to_pandas().set_index("turn_id").sort_index()
        for path, (table, _) in files.items()
    }
    return frames, classes


def read_predictions(paths, splits, classes, probabilities=False):
    """Read prediction files into {(split, seed): Fold}, and name each system's encoders, {System: str}.

    splits: {split: DataFrame} as of `read_splits`. Refuses what does not belong together: in every split and seed there are
    the same systems; each file speaks of the split's validation and test turns but for those left out, each once, with
    the split's parts and classes; all files leave out the same; within a seed no turn is tested twice.
    """
    folds, left_out, encoders, problems = {}, {}, {}, []
    for path in paths:
        metadata = read_metadata(path)
        key = (metadata["split"], int(metadata["seed"]))
        where = f"{key[0]}, seed {key[1]}, {path}"
        described = json.loads(metadata["systems"])
        columns = ["system", "turn_id", "part", "truth", "prediction"]
        if probabilities:
            columns += [f"{kind}_{name}" for kind in ("score", "prob") for name in classes]
        if json.loads(metadata["classes"]) != classes:
            problems.append(f"{path}: its classes are not those of the splits ({', '.join(classes)})")
            continue
        if key[0] not in splits:
            problems.append(f"{path}: no split file of {key[0]}")
            continue
        table = read_parquet(path, columns=columns)
        fold, fault = _shared_rows(table, described, classes)
        fault = fault or _unlike_the_split(fold, splits[key[0]], json.loads(metadata["left_out"]), classes)
        if fault:
            problems.append(f"{where}: {fault}")
            continue
        if key in folds and json.loads(metadata["left_out"]) != left_out[key]:
            problems.append(f"{where}: other turns are left out than from the other classifiers")
            continue
        folds.setdefault(key, fold)
        left_out[key] = json.loads(metadata["left_out"])
        said = _class_indices(table["prediction"], classes).reshape(len(described), -1)
        scored = {
            kind: _matrix(table, [f"{kind}_{name}" for name in classes], len(described))
            for kind in (("score", "prob") if probabilities else ())
        }
        for number, facts in enumerate(described):
            names = ("name", "kind", "combination", "classifier", "missing")
            system = System(**{name: facts[name] for name in names}, modalities=tuple(facts["modalities"]))
            named = ", ".join(facts["encoders"].values())
            if encoders.setdefault(system, named) != named:
                problems.append(f"{path}: the encoders of {system.name} are {named}, and elsewhere {encoders[system]}")
            if system in folds[key].predictions:
                problems.append(f"{path}: a second file of {system.name}, {key[0]}, seed {key[1]}")
            folds[key].predictions[system] = said[number]
            if probabilities and facts["calibration"]:
                folds[key].probabilities["after"][system] = scored["prob"][number]
                if facts["calibration"]["method"] == "temperature":
                    folds[key].probabilities["before"][system] = _softmax(scored["score"][number])
    problems += _incomplete(folds, splits)
    if problems:
        raise EmofuseError("Predictions that cannot be evaluated together:\n" + listing(problems))
    for fold in folds.values():
        fold.predictions = dict(sorted(fold.predictions.items(), key=lambda item: item[0].order))
    return dict(sorted(folds.items())), encoders


def _shared_rows(table, described, classes):
    """The Fold that all systems of one file share, and what is wrong with the file ('' if nothing)."""
    systems = table["system"].to_numpy(zero_copy_only=False)
    names = [facts["name"] for facts in described]
    if len(systems) % len(names) or (systems.reshape(len(names), -1) != np.array(names, object)[:, None]).any():
        return None, "its rows are not those of its systems, one after the other"
    blocks = {
        name: table[name].to_numpy(zero_copy_only=False).reshape(len(names), -1)
        for name in ("turn_id", "part", "truth")
    }
    unlike = [
        names[i] for i, same in enumerate(zip(*(_like_first(b) for b in blocks.values()), strict=True)) if not all(same)
    ]
    if unlike:
        return None, f"turns, parts or classes of {', '.join(unlike)} are not those of {names[0]}"
    if any(pc.any(pc.invert(pc.is_in(table[name], pa.array(classes)))).as_py() for name in ("truth", "prediction")):
        return None, f"its classes are not those of the splits ({', '.join(classes)})"
    rows = table.slice(0, len(systems) // len(names))
    return Fold(
        np.array(rows["turn_id"].to_pylist(), dtype=str),
        np.array(rows["part"].to_pylist(), dtype=str),
        _class_indices(rows["truth"], classes),
    ), ""


def _like_first(block):
    return (block == block[0]).all(axis=1)


def _class_indices(column, classes):
    return pc.index_in(column, pa.array(classes)).to_numpy().astype(np.int64)


def _matrix(table, columns, systems):
    """Columns as (systems, n, columns) float64; null is nan."""
    values = [table[name].to_numpy(zero_copy_only=False) for name in columns]
    return np.stack(values, axis=1).astype(np.float64).reshape(systems, -1, len(columns))


def _softmax(scores):
    """Of the classes that have a score; the others (a class without a training turn) get 0."""
    from scipy.special import softmax

    return softmax(np.where(np.isnan(scores), -np.inf, scores), axis=1)


def _unlike_the_split(fold, frame, left_out, classes):
    """What of a Fold is not as its split says, as text; '' if all is."""
    expected = frame[frame["part"].isin(["val", "test"]) & ~frame.index.isin(list(left_out))]
    turns = fold.turns.tolist()
    if turns != expected.index.tolist():
        twice = {turn for turn, count in Counter(turns).items() if count > 1}
        differing = set(turns) ^ set(expected.index) or twice
        return f"not the split's turns, each once and in order: {some(differing or turns)}"
    wrong = (fold.parts != expected["part"].to_numpy(str)) | (
        np.array(classes)[fold.truth] != expected["class"].to_numpy(str)
    )
    return f"part or class is not the split's: {some(fold.turns[wrong])}" if wrong.any() else ""


def _incomplete(folds, splits):
    """Systems that lack in a split, and turns that are tested twice, as texts."""
    problems = []
    everything = {system for fold in folds.values() for system in fold.predictions}
    seeds = sorted({seed for _, seed in folds})
    for split in splits:
        for seed in seeds:
            there = folds[split, seed].predictions.keys() if (split, seed) in folds else set()
            absent = sorted(system.name for system in everything - there)
            if absent:
                problems.append(f"{split}, seed {seed}: no predictions of {', '.join(absent)}")
    for seed in seeds:
        tested = Counter(
            turn for (_, other), fold in folds.items() if other == seed for turn in fold.part("test").turns.tolist()
        )
        twice = [turn for turn, count in tested.items() if count > 1]
        if twice:
            problems.append(f"seed {seed}: tested in more than one split: {some(twice)}")
    return problems


def add_derived(folds, splits, classes, final_system):
    """Add the baselines and the final system to each Fold; the system that the latter is, {(split, seed): System}."""
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
    """The final system of each split and seed, {(split, seed): System}; see `evaluate`."""
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


def pool(folds):
    """Folds of one seed as one, with the systems that all of them have."""
    first = folds[0]
    return Fold(
        *(np.concatenate([getattr(fold, name) for fold in folds]) for name in ("turns", "parts", "truth")),
        {system: np.concatenate([fold.predictions[system] for fold in folds]) for system in first.predictions},
        {
            when: {
                system: np.concatenate([fold.probabilities[when][system] for fold in folds])
                for system in found
                if all(system in fold.probabilities[when] for fold in folds)
            }
            for when, found in first.probabilities.items()
        },
    )


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


def measure_all(folds, classes):
    """`measure` of everything that has turns, {(System, split or "pooled", seed, part): dict}."""
    measured = {}
    for seed in sorted({seed for _, seed in folds}):
        of_seed = {split: fold for (split, other), fold in folds.items() if other == seed}
        for split, fold in [*of_seed.items(), (POOLED, pool(list(of_seed.values())))]:
            parts = {part: found for part in ("val", "test") if len((found := fold.part(part)).turns)}
            for system in sorted(fold.predictions, key=lambda system: system.order):
                for part, rows in parts.items():
                    result = measure(rows.truth, rows.predictions[system], len(classes))
                    measured[system, split, seed, part] = result
    return measured


def measure(truth, prediction, classes):
    """Scores of predictions, as fractions; truth and prediction are (n,) class indices, n > 0, below `classes`.

    n; wa (weighted accuracy: plain accuracy); ua (unweighted accuracy: mean of the classes' recalls); macro_f1,
    weighted_f1; precision, recall, f1, support, each (classes,); confusion (classes, classes), truth by prediction.

    What is not defined is nan: the recall of a class without turns, the precision of one never predicted, the F1 of one
    with neither. ua is the mean over the classes that have turns, macro_f1 over those that have turns or predictions (a
    class predicted though it has no turn counts with F1 0), as sklearn's balanced_accuracy_score and f1_score do it; a
    run has ten thousands of these, for which sklearn would need minutes.
    """
    confusion = np.bincount(truth * classes + prediction, minlength=classes**2).reshape(classes, classes)
    hits, support, said = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    with np.errstate(invalid="ignore"):
        by_class = {"precision": hits / said, "recall": hits / support, "f1": 2 * hits / (support + said)}
    scores = {name: float(score) for name, score in measures(support, hits, said).items()}
    return {"n": len(truth), **scores, **by_class, "support": support, "confusion": confusion}


def per_class_table(measured, classes):
    """The classes' scores, a row each; null where not defined."""
    size = len(classes)
    columns = key_columns(measured, size)
    columns["class"] = pa.array(classes * len(measured))
    for name in ("precision", "recall", "f1"):
        columns[name] = pa.array(np.concatenate([result[name] for result in measured.values()]), from_pandas=True)
    columns["support"] = pa.array(np.concatenate([result["support"] for result in measured.values()]), pa.int64())
    return pa.table(columns)


def confusion_table(measured, classes):
    """The confusion matrices, a row a cell, empty cells too."""
    size = len(classes)
    columns = key_columns(measured, size * size)
    columns["truth"] = pa.array([name for name in classes for _ in classes] * len(measured))
    columns["prediction"] = pa.array(classes * size * len(measured))
    counts = np.concatenate([result["confusion"].ravel() for result in measured.values()])
    columns["count"] = pa.array(counts, pa.int64())
    return pa.table(columns)


def key_columns(measured, times):
    """Columns system, split, seed and part of the measured, each value `times` times."""
    columns = {"system": [], "split": [], "seed": [], "part": []}
    for system, *key in measured:
        for column, value in zip(columns.values(), (system.name, *key), strict=True):
            column += [value] * times
    return columns


def chosen_table(folds, classes):
    """Test predictions of the chosen systems, sorted by seed, split and turn."""
    names = np.array(classes)
    tables = []
    for (split, seed), fold in sorted(folds.items(), key=lambda item: (item[0][1], item[0][0])):
        rows = fold.part("test")
        tables.append(
            pa.table(
                {
                    "turn_id": rows.turns,
                    "split": pa.array([split] * len(rows.turns), pa.string()),
                    "seed": np.full(len(rows.turns), seed),
                    "truth": names[rows.truth],
                    "prediction": names[rows.predictions[CHOSEN]],
                }
            )
        )
    return pa.concat_tables(tables)
