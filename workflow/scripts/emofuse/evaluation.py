"""Measures every system, and chooses the final one of each split on its validation part alone."""

import difflib
import json
from collections import Counter
from dataclasses import dataclass, fields, replace

import numpy as np
import pyarrow as pa

from emofuse.errors import EmofuseError, listing
from emofuse.fusion import some, split_turns
from emofuse.store import read_metadata, read_parquet, write_parquet, write_tsv
from emofuse.systems import CHOSEN, MAJORITY, System

POOLED = "pooled"  # stands where a split's name would, for all folds of one seed together


@dataclass
class Rows:
    """Predictions of one system: `turns`, `parts` (n,) str; `truth`, `prediction` (n,) indices into the classes."""

    turns: np.ndarray
    parts: np.ndarray
    truth: np.ndarray
    prediction: np.ndarray

    def where(self, mask):
        """The rows that an (n,) bool mask, or an (n,) order, selects."""
        return Rows(self.turns[mask], self.parts[mask], self.truth[mask], self.prediction[mask])

    def part(self, name):
        """The rows of one part."""
        return self.where(self.parts == name)


def evaluate(predictions, splits, scores, per_class, confusion, chosen, chosen_predictions, final_system="validation"):
    """Write scores, per-class scores, confusion matrices and the choice of the final system.

    predictions: prediction files of all systems, splits and seeds; splits: the split files. Written are:

    - scores (Parquet): system, kind, combination, classifier, encoders, split, seed, part, n, wa, ua, macro_f1,
      weighted_f1; encoders as "bert, wav2vec2", empty where a system has none or is another one in each split
    - per_class (Parquet): system, split, seed, part, class, precision, recall, f1, support
    - confusion (Parquet): system, split, seed, part, truth, prediction, count
    - chosen (TSV): split, seed, system, val_wa, val_ua, test_wa, test_ua
    - chosen_predictions (Parquet): turn_id, split, seed, truth, prediction of the chosen systems' test turns

    All scores are fractions (see `measure`). Split "pooled" is all folds of a seed together. Two systems are added:
    "majority" always says the most frequent class of the split's training part (of equals the first in the order of
    classes), "chosen" is in each split the final system. With `final_system` "validation" that is the fused system with
    the best WA in the split's validation part (of equals the better UA, then the first in `System.order`); with "test"
    (a leak) the one that has the best WA of all on the test turns of all splits of that seed; else it is the system of
    that name, everywhere. Raises EmofuseError where the predictions do not belong together, where there
    is no validation part to choose on, and where no system has the name.
    """
    files = {path: split_turns(path) for path in splits}
    classes = next(iter(files.values()))[1]
    by_split = {name: (parts, truth) for name, _, parts, truth in files.values()}
    problems = [f"{path}: classes {', '.join(found[1])}" for path, found in files.items() if found[1] != classes]
    if problems:
        raise EmofuseError(f"Splits of one run have the same classes; {', '.join(classes)}, but\n" + listing(problems))

    found, left_out, encoders = read_predictions(predictions, classes)
    check(found, left_out, by_split, classes)
    picks = pick(found, final_system)
    for key, systems in found.items():
        systems[MAJORITY] = majority(next(iter(systems.values())), *by_split[key[0]], classes)
        systems[CHOSEN] = systems[picks[key]]

    measured = measure_all(found, classes)
    names = ("system", "kind", "combination", "classifier", "encoders", "split", "seed", "part")
    describe = {name: [] for name in names}
    totals = {name: [] for name in ("n", "wa", "ua", "macro_f1", "weighted_f1")}
    for (system, split, seed, part), result in measured.items():
        named = encoders.get(system, "")
        values = (system.name, system.kind, system.combination, system.classifier, named, split, seed, part)
        for column, value in zip(describe.values(), values, strict=True):
            column.append(value)
        for name, column in totals.items():
            column.append(result[name])
    write_parquet(scores, pa.table({**describe, **totals}))
    write_parquet(per_class, per_class_table(measured, classes))
    write_parquet(confusion, confusion_table(measured, classes))

    rows = []
    for (split, seed), system in picks.items():
        row = {"split": split, "seed": seed, "system": system.name}
        for part in ("val", "test"):
            result = measured.get((system, split, seed, part))
            for score in ("wa", "ua"):
                row[f"{part}_{score}"] = "" if result is None else f"{result[score]:.6f}"
        rows.append(row)
    write_tsv(chosen, rows, ["split", "seed", "system", "val_wa", "val_ua", "test_wa", "test_ua"])
    write_parquet(chosen_predictions, chosen_table(found, classes))


def read_predictions(paths, classes):
    """Read prediction files into {(split, seed): {System: Rows}}, turns sorted and systems in their order.

    Also returns what each file left out, {(split, seed): {System: {turn: reason}}}, and the names of each system's
    encoders, {System: str}.
    """
    number = {name: index for index, name in enumerate(classes)}
    found, left_out, encoders, problems = {}, {}, {}, []
    for path in paths:
        metadata = read_metadata(path)
        system = System(
            metadata["system"],
            metadata["kind"],
            metadata["combination"],
            metadata["classifier"],
            tuple(json.loads(metadata["modalities"])),
        )
        key = (metadata["split"], int(metadata["seed"]))
        columns = read_parquet(path, columns=["turn_id", "part", "truth", "prediction"]).to_pydict()
        strange = (set(columns["truth"]) | set(columns["prediction"])) - number.keys()
        if strange or json.loads(metadata["classes"]) != classes:
            problems.append(f"{path}: its classes are not those of the splits ({', '.join(classes)})")
            continue
        named = ", ".join(json.loads(metadata["encoders"]).values())
        if encoders.setdefault(system, named) != named:
            problems.append(f"{path}: its encoders are {named}, and elsewhere {encoders[system]}")
        if system in found.get(key, {}):
            problems.append(f"{path}: a second file of {system.name}, {key[0]}, seed {key[1]}")
            continue
        rows = Rows(
            np.array(columns["turn_id"], dtype=str),
            np.array(columns["part"], dtype=str),
            np.array([number[name] for name in columns["truth"]], dtype=np.int64),
            np.array([number[name] for name in columns["prediction"]], dtype=np.int64),
        )
        found.setdefault(key, {})[system] = rows.where(np.argsort(rows.turns, kind="stable"))
        left_out.setdefault(key, {})[system] = json.loads(metadata["left_out"])
    if problems:
        raise EmofuseError("Predictions that cannot be evaluated together:\n" + listing(problems))
    ordered = {
        key: dict(sorted(systems.items(), key=lambda item: item[0].order)) for key, systems in sorted(found.items())
    }
    return ordered, left_out, encoders


def check(found, left_out, splits, classes):
    """Refuse predictions that do not belong together.

    In every split and seed there are the same systems, each of them speaks of the split's validation and test turns
    but for those left out, with the split's parts and classes, and all leave out the same. Within a seed no turn is
    tested twice.
    """
    problems = []
    everything = {system for systems in found.values() for system in systems}
    seeds = sorted({seed for _, seed in found})
    for split in splits:
        for seed in seeds:
            systems = found.get((split, seed), {})
            absent = sorted(system.name for system in everything - systems.keys())
            if absent:
                problems.append(f"{split}, seed {seed}: no predictions of {', '.join(absent)}")
    for (split, seed), systems in found.items():
        if split not in splits:
            problems.append(f"{split}: no split file of that name")
            continue
        parts, truth = splits[split]
        first = next(iter(systems))
        for system, rows in systems.items():
            where = f"{split}, seed {seed}, {system.name}"
            omitted = left_out[split, seed][system]
            if omitted != left_out[split, seed][first]:
                problems.append(f"{where}: other turns are left out than from {first.name}")
            expected = {turn for turn, part in parts.items() if part != "train" and turn not in omitted}
            turns = rows.turns.tolist()
            if len(set(turns)) < len(turns) or set(turns) != expected:
                differing = set(turns) ^ expected or {t for t, n in Counter(turns).items() if n > 1}
                problems.append(f"{where}: not the split's turns, each once: {some(differing)}")
                continue
            wrong = [
                turn
                for turn, part, label in zip(turns, rows.parts.tolist(), rows.truth.tolist(), strict=True)
                if (part, classes[label]) != (parts[turn], truth[turn])
            ]
            if wrong:
                problems.append(f"{where}: part or class is not the split's: {some(wrong)}")
    for seed in seeds:
        tested = Counter(
            turn
            for (_, other), systems in found.items()
            if other == seed
            for turn in next(iter(systems.values())).part("test").turns.tolist()
        )
        twice = [turn for turn, count in tested.items() if count > 1]
        if twice:
            problems.append(f"seed {seed}: tested in more than one split: {some(twice)}")
    if problems:
        raise EmofuseError("Predictions that cannot be evaluated together:\n" + listing(problems))


def pick(found, final_system):
    """The final system of each split and seed, {(split, seed): System}; see `evaluate`."""
    if final_system == "test":
        return best_on_test(found)
    if final_system != "validation":
        names = {system.name: system for systems in found.values() for system in systems}
        if final_system not in names:
            nearest = difflib.get_close_matches(final_system, names, n=1)
            hint = f" Did you mean {nearest[0]}?" if nearest else ""
            raise EmofuseError(
                f"No system is named {final_system!r} (final_system).{hint} There are: {', '.join(names)}."
            )
        return dict.fromkeys(found, names[final_system])
    validation = {key: {system: rows.part("val") for system, rows in systems.items()} for key, systems in found.items()}
    without = sorted(
        {split for (split, _), systems in validation.items() if not len(next(iter(systems.values())).turns)}
    )
    if without:
        names = ", ".join(system.name for system in next(iter(found.values())))
        raise EmofuseError(
            f"No validation part in {', '.join(without)}, so the final system cannot be chosen on it, and choosing on "
            f"the test part would flatter it. Name the system in advance (final_system: one of {names}), or choose "
            "another validation rule."
        )
    return {key: choose(systems) for key, systems in validation.items()}


def best_on_test(found):
    """For each seed the fused system with the best WA on the test turns of all splits: the leak that it says it is."""
    chosen = {}
    for seed in {seed for _, seed in found}:
        of_seed = [systems for (_, other), systems in found.items() if other == seed]
        pooled = {}
        for system in of_seed[0]:
            rows = [systems[system].part("test") for systems in of_seed]
            pooled[system] = Rows(*(np.concatenate([getattr(r, f.name) for r in rows]) for f in fields(Rows)))
        chosen[seed] = best(pooled)
    return {key: chosen[key[1]] for key in found}


def choose(candidates):
    """`best` of {System: Rows of validation turns}.

    Raises EmofuseError if a row is not of the validation part: no test turn may take part in this choice.
    """
    for system, rows in candidates.items():
        if (rows.parts != "val").any():
            raise EmofuseError(
                f"Leak: the choice of the final system would see other than validation turns ({system.name})."
            )
    return best(candidates)


def best(candidates):
    """The fused system with the best WA on its rows; of equals the better UA, then the first in `System.order`.

    candidates: {System: Rows}. Where nothing is fused (one modality), all systems are candidates.
    """

    def merit(system):
        rows = candidates[system]
        hits = rows.truth == rows.prediction
        recalls = [hits[rows.truth == label].mean() for label in np.unique(rows.truth)]
        return -hits.mean(), -round(float(np.mean(recalls)), 12), system.order

    return min([system for system in candidates if system.fused] or candidates, key=merit)


def majority(rows, parts, truth, classes):
    """Predictions of the training part's most frequent class for the turns of `rows`; of equals the first class."""
    counts = Counter(truth[turn] for turn, part in parts.items() if part == "train")
    most = max(range(len(classes)), key=lambda index: counts[classes[index]])
    return replace(rows, prediction=np.full(len(rows.turns), most))


def measure_all(found, classes):
    """`measure` of everything that has turns, {(System, split or "pooled", seed, part): dict}."""
    groups = {}
    for (split, seed), systems in found.items():
        for system, rows in systems.items():
            for part in ("val", "test"):
                of_part = rows.part(part)
                if len(of_part.turns):
                    for name in (split, POOLED):
                        groups.setdefault((system, name, seed, part), []).append(of_part)
    keys = sorted(groups, key=lambda key: (key[2], key[1] == POOLED, key[1], key[0].order, key[3] == "test"))
    return {
        key: measure(
            np.concatenate([rows.truth for rows in groups[key]]),
            np.concatenate([rows.prediction for rows in groups[key]]),
            len(classes),
        )
        for key in keys
    }


def measure(truth, prediction, classes):
    """Scores of predictions, as fractions; truth and prediction are (n,) class indices, n > 0, below `classes`.

    n; wa (weighted accuracy: plain accuracy); ua (unweighted accuracy: mean of the classes' recalls); macro_f1,
    weighted_f1; precision, recall, f1, support, each (classes,); confusion (classes, classes), truth by prediction.

    What is not defined is nan: the recall of a class without turns, the precision of one never predicted, the F1 of one
    with neither. ua is the mean over the classes that have turns, macro_f1 over those that have turns or predictions (a
    class predicted though it has no turn counts with F1 0). This is how sklearn's balanced_accuracy_score and f1_score
    do it.
    """
    from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

    labels = np.arange(classes)
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, prediction, labels=labels, zero_division=np.nan
    )
    return {
        "n": len(truth),
        "wa": float(accuracy_score(truth, prediction)),
        "ua": float(np.nanmean(recall)),
        "macro_f1": float(np.nanmean(f1)),
        "weighted_f1": float(np.nansum(f1 * support) / support.sum()),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "support": support,
        "confusion": confusion_matrix(truth, prediction, labels=labels),
    }


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


def chosen_table(found, classes):
    """Test predictions of the chosen systems, sorted by seed, split and turn."""
    names = np.array(classes)
    columns = {"turn_id": [], "split": [], "seed": [], "truth": [], "prediction": []}
    for (split, seed), systems in sorted(found.items(), key=lambda item: (item[0][1], item[0][0])):
        rows = systems[CHOSEN].part("test")
        columns["turn_id"] += rows.turns.tolist()
        columns["split"] += [split] * len(rows.turns)
        columns["seed"] += [seed] * len(rows.turns)
        columns["truth"] += names[rows.truth].tolist()
        columns["prediction"] += names[rows.prediction].tolist()
    return pa.table(columns)
