"""Times the evaluation of one protocol at the release's size: every system, five folds, 5,531 test turns, 10,000 resamples.

The predictions are made up. Nothing else is: they are written, read, checked, scored and assessed as in a run.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow/scripts"))

from emofuse.evaluation.assessment import AssessmentFiles, assess
from emofuse.evaluation.scores import ScoreFiles, evaluate
from emofuse.fusion.systems import systems
from emofuse.runtime.store import read_parquet, write_parquet
from emofuse.splits.parts import make_split
from emofuse.splits.rules import Scheme

CLASSES = ["ang", "hap", "neu", "sad"]
TURNS = (1085, 1023, 1151, 1031, 1241)  # of the four classes, by session
DIALOGS = (28, 30, 32, 30, 31)
ENCODERS = {"text": "bert", "audio": "wav2vec2", "video": "videomae"}


def write_turns(path, rng):
    """turns.parquet with the release's numbers of dialogs and turns; words.parquet beside it."""
    rows = []
    for session, (turns, dialogs) in enumerate(zip(TURNS, DIALOGS, strict=True), start=1):
        for number, dialog in enumerate(np.sort(rng.integers(0, dialogs, turns))):
            name, letter = f"Ses0{session}F_impro{dialog:02}", "FM"[rng.integers(2)]
            rows.append(
                {
                    "turn_id": f"{name}_{letter}{number:04}",
                    "session": session,
                    "dialog": name,
                    "scenario": f"impro{dialog:02}",
                    "speaker": f"Ses0{session}_{letter}",
                    "style": "improvised",
                    "label": CLASSES[rng.integers(4)],
                }
            )
    write_parquet(path, pa.Table.from_pylist(rows))
    words = [{"turn_id": row["turn_id"], "text": f"words {number // 3}"} for number, row in enumerate(rows)]
    write_parquet(path.with_name("words.parquet"), pa.Table.from_pylist(words))


def write_predictions(folder, split, classifier, rng):
    """What every system of a classifier says of the validation and test turns of a split, right in half of the cases."""
    turns = read_parquet(split).to_pandas()
    turns = turns[turns["part"].isin(["val", "test"])].sort_values("turn_id")
    truth = turns["class"].map(CLASSES.index).to_numpy()
    made = [system for system in systems(ENCODERS, ["svm", "xgboost", "mlp"]) if system.classifier == classifier]
    tables, described = [], []
    for system in made:
        scores = rng.normal(size=(len(turns), 4)) + np.eye(4)[truth]
        columns = {"system": [system.name] * len(turns), "turn_id": turns["turn_id"], "part": turns["part"]}
        columns |= {"truth": turns["class"], "prediction": np.array(CLASSES)[scores.argmax(axis=1)]}
        for index, name in enumerate(CLASSES):
            columns[f"score_{name}"] = scores[:, index].astype(np.float32)
        shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        for index, name in enumerate(CLASSES):
            columns[f"prob_{name}"] = shares[:, index].astype(np.float32)
        tables.append(pa.table(columns))
        facts = {
            key: getattr(system, key) for key in ("name", "kind", "combination", "classifier", "modalities", "missing")
        }
        encoders = {modality: ENCODERS[modality] for modality in system.modalities}
        described.append(facts | {"encoders": encoders, "calibration": {"method": "temperature", "temperature": 1.0}})
    path = folder / f"{classifier}-{split.stem}.parquet"
    metadata = {"split": split.stem, "seed": "0", "classes": json.dumps(CLASSES), "left_out": "{}"}
    write_parquet(path, pa.concat_tables(tables), metadata | {"systems": json.dumps(described)})
    return path, len(made)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resamples", type=int, default=10_000, help="resamples of the bootstrap (10000)")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_turns(folder / "turns.parquet", rng)
        splits, predictions, number = [], [], 0
        labels = {name: [name] for name in CLASSES}
        for session in range(1, 6):
            splits.append(folder / f"session{session}.parquet")
            scheme = Scheme([1, 2, 3, 4, 5], "previous_session")
            make_split(folder / "turns.parquet", f"session{session}", labels, "all", scheme, splits[-1])
            made = [write_predictions(folder, splits[-1], name, rng) for name in ("argmax", "svm", "xgboost", "mlp")]
            predictions += [path for path, _ in made]
            number = sum(count for _, count in made)
        tables = ("scores.parquet", "per_class.parquet", "confusion.parquet", "chosen.tsv", "chosen.parquet")
        started = time.perf_counter()
        evaluate(predictions, splits, ScoreFiles(*(folder / name for name in tables)))
        evaluated = time.perf_counter()
        names = ("intervals", "comparisons", "groups", "calibration", "reliability")
        outputs = {name: folder / f"{name}.parquet" for name in names}
        words = folder / "words.parquet"
        assess(predictions, splits, words, "validation", AssessmentFiles(**outputs), resamples=arguments.resamples)
        done = time.perf_counter()
        assessed = len(set(read_parquet(outputs["intervals"])["system"].to_pylist()))
    print(f"{number} systems scored, {assessed} assessed; {sum(TURNS)} test turns in 5 folds, {sum(DIALOGS)} dialogs")
    print(f"evaluate: {evaluated - started:.1f} s   assess, {arguments.resamples} resamples: {done - evaluated:.1f} s")


if __name__ == "__main__":
    main()
