"""Writes prediction files of a made-up run, and of its corpus words, votes, problems and a few clips."""

import json

import numpy as np
import pyarrow as pa
from report_run import CLASSES, NASTY

from emofuse.corpora.turns import VOTES_SCHEMA, WORDS_SCHEMA
from emofuse.runtime.store import read_tsv, write_parquet, write_tsv


def write_predictions(made, rng, everything):
    """A file a fold and seed of the first protocol; without a validation part there are no probabilities."""
    protocol, folds = next(iter(made.folds.items()))
    final = {
        (row["split"], int(row["seed"])): row["system"] for row in read_tsv(made.evaluation("chosen.tsv", protocol))
    }
    for (fold, seed), pick in final.items():
        if fold not in folds:
            continue
        systems = [s for s in everything if s.kind in ("single", "named") or s.name == pick]
        rows = [row for s in systems for row in _rows(made, rng, s.name, fold, seed)]
        described = [{"name": s.name, "kind": s.kind, "modalities": s.modalities} for s in systems]
        path = made.root / f"run/predictions/all/{fold}/seed{seed}.parquet"
        write_parquet(
            path, pa.Table.from_pylist(rows), {"split": fold, "seed": str(seed), "systems": json.dumps(described)}
        )
        made.prediction_files.append(path)


def _rows(made, rng, system, fold, seed):
    truths, guesses = made.predictions[system, fold, seed, "test"]
    for turn, truth, guess in zip(made.tested[fold]["turn_id"], truths, guesses, strict=True):
        rest = rng.uniform(0.05, 0.2, len(CLASSES))
        probabilities = np.where(np.array(CLASSES) == guess, 0, rest)
        probabilities[CLASSES.index(guess)] = 1 - probabilities.sum()
        row = {"system": system, "turn_id": str(turn), "part": "test", "truth": str(truth), "prediction": str(guess)}
        row |= {f"score_{name}": float(np.log(p)) for name, p in zip(CLASSES, probabilities, strict=True)}
        yield row | {
            f"prob_{name}": float(p) if made.validated else None for name, p in zip(CLASSES, probabilities, strict=True)
        }


def write_corpus(made, turns):
    """Problems, words, three votes a turn of a class of which one may be another, and clips of the first session."""
    _problems(made.problems)
    words = [{"turn_id": turn, "text": f"What {turn} says {NASTY}"} for turn in turns.ids]
    write_parquet(made.words, pa.Table.from_pylist(words, WORDS_SCHEMA))
    votes = []
    for number, (turn, label) in enumerate(zip(turns.ids, turns.classes, strict=True)):
        labels = [label, label, label if number % 2 else "fru"]
        votes += [{"turn_id": turn, "annotator": f"E{i}", "self": False, "labels": [of]} for i, of in enumerate(labels)]
    write_parquet(made.votes, pa.Table.from_pylist(votes, VOTES_SCHEMA))
    for modality, suffix in (("audio", "wav"), ("video", "mp4")):
        if modality not in made.modalities:
            continue
        made.clips[modality] = made.root / "clips"
        for turn in turns.ids[turns.columns["session"] == 1]:
            path = made.root / f"clips/{modality}/{turn.rsplit('_', 1)[0]}/{turn}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")


def _problems(path):
    rows = [
        ("Ses01F_impro01_F003", "warning", f"no words: {NASTY}", "kept; the text clip is missing"),
        ("Session2/Ses02M_script01_1.avi", "error", "unreadable file: ends at 3 s", "no clip"),
        ("Session3/dialog/EmoEvaluation/._Ses03F_impro01.txt", "info", "name starts with a dot", "skipped"),
    ]
    rows += [(f"Ses05M_script01_1b_F{i:03}", "warning", "past the end of its video: 2 s", "no clip") for i in range(6)]
    columns = ("subject", "severity", "problem", "action")
    write_tsv(path, [dict(zip(columns, row, strict=True)) for row in rows], columns)
