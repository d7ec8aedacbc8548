"""Reads the predictions and splits of one protocol, and refuses what does not belong together."""

import json
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emofuse.evaluation.folds import Fold
from emofuse.fusion.alignment import some
from emofuse.fusion.systems import System
from emofuse.fusion.unlabelled import UNLABELLED
from emofuse.runtime.errors import EmofuseError, listing
from emofuse.runtime.store import read_metadata, read_parquet
from emofuse.splits.parts import read_split


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


@dataclass(frozen=True)
class Answers:
    """What one system says of the turns of a Fold, which `predictions` and `probabilities` are as in; encoders: their names."""

    system: System
    encoders: str
    predictions: np.ndarray
    probabilities: dict[str, np.ndarray]


def read_predictions(paths, splits, classes, probabilities=False):
    """Read prediction files into {(split, seed): Fold}, and name each system's encoders, {System: str}.

    splits: {split: DataFrame} as of `read_splits`. Refuses what does not belong together: in every split and seed there are
    the same systems; each file speaks of the split's validation and test turns but for those left out, each once, with
    the split's parts and classes; all files leave out the same; within a seed no turn is tested twice. What files say of turns
    of no class is not read (see `read_unlabelled`), but no turn of the split may stand among these, nor any with a class.
    """
    folds, left_out, encoders, problems = {}, {}, {}, []
    for path in paths:
        metadata = read_metadata(path)
        split, seed, left = metadata["split"], int(metadata["seed"]), json.loads(metadata["left_out"])
        if json.loads(metadata["classes"]) != classes:
            problems.append(f"{path}: its classes are not those of the splits ({', '.join(classes)})")
            continue
        if split not in splits:
            problems.append(f"{path}: no split file of {split}")
            continue
        table, described = _read_table(path, classes, probabilities), json.loads(metadata["systems"])
        table, mixed = _of_the_split(table, splits[split])
        fold, fault = _shared_rows(table, described, classes)
        fault = mixed or fault or _unlike_the_split(fold, splits[split], left, classes)
        if not fault and left_out.setdefault((split, seed), left) != left:
            fault = "other turns are left out than from the other classifiers"
        if fault:
            problems.append(f"{split}, seed {seed}, {path}: {fault}")
            continue
        fold = folds.setdefault((split, seed), fold)
        for answers in _answers(table, described, classes, probabilities):
            system, named = answers.system, answers.encoders
            if encoders.setdefault(system, named) != named:
                problems.append(f"{path}: the encoders of {system.name} are {named}, and elsewhere {encoders[system]}")
            if system in fold.predictions:
                problems.append(f"{path}: a second file of {system.name}, {split}, seed {seed}")
            fold.predictions[system] = answers.predictions
            for when, found in answers.probabilities.items():
                fold.probabilities[when][system] = found
    problems += _incomplete(folds, splits)
    if problems:
        raise EmofuseError("Predictions that cannot be evaluated together:\n" + listing(problems))
    for fold in folds.values():
        fold.predictions = dict(sorted(fold.predictions.items(), key=lambda item: item[0].order))
    return dict(sorted(folds.items())), encoders


def read_unlabelled(paths, picks, classes):
    """What the systems in `picks`, {(split, seed): System}, say of turns of no class: {(split, seed): DataFrame by turn_id}, a
    column a class, calibrated probabilities. Those of which a file says none are not in it.

    paths: prediction files that `read_predictions` has read.
    """
    found = {}
    for path in paths:
        metadata = read_metadata(path)
        key = metadata["split"], int(metadata["seed"])
        described = {facts["name"]: facts for facts in json.loads(metadata["systems"])}
        if key in picks and described.get(picks[key].name, {}).get("calibration"):
            columns = {f"prob_{name}": name for name in classes}
            table = read_parquet(path, columns=["system", "turn_id", "part", *columns])
            rows = table.filter(
                pc.and_(pc.equal(table["system"], picks[key].name), pc.equal(table["part"], UNLABELLED))
            )
            frame = rows.select(["turn_id", *columns]).to_pandas().set_index("turn_id").rename(columns=columns)
            found[key] = frame.astype(float)
    return found


def _of_the_split(table, frame):
    """The rows of a file but for those of turns of no class, and what is wrong with these ('' if nothing)."""
    unlabelled = pc.equal(table["part"], UNLABELLED)
    others = table.filter(unlabelled)
    mixed = set(others["turn_id"].unique().to_pylist()) & set(frame.index)
    if mixed:
        return table, f"turns of the split stand among those of no class: {some(mixed)}"
    if others["truth"].null_count < len(others):
        return table, "turns of no class have a class in it"
    return table.filter(pc.invert(unlabelled)), ""


def _read_table(path, classes, probabilities):
    columns = ["system", "turn_id", "part", "truth", "prediction"]
    if probabilities:
        columns += [f"{kind}_{name}" for kind in ("score", "prob") for name in classes]
    return read_parquet(path, columns=columns)


def _answers(table, described, classes, probabilities):
    """The Answers of each system of a file, one after the other; described: what its metadata say of them."""
    said = _class_indices(table["prediction"], classes).reshape(len(described), -1)
    scored = {
        kind: _matrix(table, [f"{kind}_{name}" for name in classes], len(described))
        for kind in (("score", "prob") if probabilities else ())
    }
    for number, facts in enumerate(described):
        names = ("name", "kind", "combination", "classifier", "missing")
        system = System(**{name: facts[name] for name in names}, modalities=tuple(facts["modalities"]))
        found = {}
        if probabilities and facts["calibration"]:
            found["after"] = scored["prob"][number]
            if facts["calibration"]["method"] == "temperature":
                found["before"] = _softmax(scored["score"][number])
        yield Answers(system, ", ".join(facts["encoders"].values()), said[number], found)


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
