"""Scores every system in every fold, and says what the final one is and what it says."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from emofuse.evaluation.choice import add_derived, chosen_singles
from emofuse.evaluation.folds import pool
from emofuse.evaluation.measures import measure
from emofuse.evaluation.predictions import read_predictions, read_splits
from emofuse.fusion.classifiers.svm import APPROXIMATED
from emofuse.fusion.systems import CHOSEN
from emofuse.runtime.store import read_metadata, write_parquet, write_tsv

POOLED = "pooled"  # stands where a split's name would, for all folds of one seed together


@dataclass(frozen=True)
class ScoreFiles:
    """The files that `evaluate` writes.

    - scores (Parquet): system, kind, combination, classifier, modalities, missing, encoders, split, seed, part, n, wa, ua,
      macro_f1, weighted_f1; modalities and encoders as "text, audio" and "bert, wav2vec2", empty where a system has none
      or is another one in each split. Metadata: approximated, a list of the systems with an approximated kernel
    - per_class (Parquet): system, split, seed, part, class, precision, recall, f1, support
    - confusion (Parquet): system, split, seed, part, truth, prediction, count
    - chosen (TSV): split, seed, system, val_wa, val_ua, test_wa, test_ua, single (the single modality that would have been
      chosen; empty without a validation part), single_wa, single_ua (on test)
    - chosen_predictions (Parquet): turn_id, split, seed, truth, prediction of the chosen systems' test turns

    All scores are fractions (see `measure`). Split "pooled" is all folds of a seed together.
    """

    scores: Path
    per_class: Path
    confusion: Path
    chosen: Path
    chosen_predictions: Path


def evaluate(predictions, splits, files, final_system="validation"):
    """Write scores, per-class scores, confusion matrices and the choice of the final system to `files`, ScoreFiles.

    predictions: prediction files of all classifiers, splits and seeds of one protocol; splits: the split files. The systems
    "majority", "scenario" and "chosen" are added as `add_derived` says. Raises EmofuseError where the predictions do not
    belong together, where there is no validation part to choose on, and where no system has the name.
    """
    frames, classes = read_splits(splits)
    folds, encoders = read_predictions(predictions, frames, classes, probabilities=True)
    picks = add_derived(folds, frames, classes, final_system)
    single = chosen_singles(folds, frames)
    measured = measure_all(folds, classes)
    write_parquet(
        files.scores, scores_table(measured, encoders), {"approximated": json.dumps(approximated(predictions))}
    )
    write_parquet(files.per_class, per_class_table(measured, classes))
    write_parquet(files.confusion, confusion_table(measured, classes))
    columns = ["val_wa", "val_ua", "test_wa", "test_ua", "single", "single_wa", "single_ua"]
    write_tsv(files.chosen, chosen_rows(picks, single, measured), ["split", "seed", "system", *columns])
    write_parquet(files.chosen_predictions, chosen_table(folds, classes))


def approximated(predictions):
    """Names of the systems of prediction files that learned from so many turns that their kernel is approximated, sorted."""
    described = [facts for path in predictions for facts in json.loads(read_metadata(path)["systems"])]
    return sorted(
        {of["name"] for of in described if any(note.startswith(APPROXIMATED) for note in of.get("notes", ()))}
    )


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


def scores_table(measured, encoders):
    """The scores, a row each; encoders: {System: their names}."""
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
    return pa.Table.from_pylist(rows)


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


def chosen_rows(picks, single, measured):
    """The final system of each split and seed with its scores, beside those of the single modality chosen there, as dicts.

    picks, single: {(split, seed): System}.
    """
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
    return rows


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
