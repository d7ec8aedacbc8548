"""Scores what systems say of degraded test turns, with intervals over dialogs, and the difference to the turns as they are."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa

from emofuse.evaluation import statistics
from emofuse.evaluation.folds import strata
from emofuse.evaluation.predictions import read_splits
from emofuse.robustness.answering import CHOSEN, CLEAN, MISSING, STAND_IN
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_metadata, read_parquet, write_parquet

KEY = ["system", "modality", "degradation", "severity"]
MEASURES = ("wa", "ua")
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("system", "modality", "degradation")),
        ("severity", pa.float64()),
        ("n", pa.int64()),
        *(
            (f"{name}{ending}", pa.float64())
            for measure in MEASURES
            for name in (measure, f"{measure}_change", f"{measure}_over_missing")
            for ending in ("", "_low", "_high")
        ),
    ]
)


def score(answers, splits, output, untried=None, resamples=10_000):
    """Write the scores of the folds in `answers`, paths of what `answering.answer` wrote, pooled.

    splits: paths of their split files. untried: {modality: why nothing of it is degraded}. The table, Parquet: SCHEMA; scores
    are fractions; *_low, *_high: 95 % interval by bootstrap over dialogs within sessions; *_change: degraded less clean of the
    same system and turns, with the interval of the same bootstrap; *_over_missing: degraded less the modality missing, null
    where that is not known. A condition that not all folds have is left out: a final system of one modality says nothing
    without it. Where the final system of any fold cannot be asked there is no `chosen`, else no late-sum-argmax. Metadata,
    JSON: folds, final ({fold: name}), obstacles ({fold: why it cannot be asked}), untried, seed.
    """
    frames, classes = read_splits(splits)
    facts = pd.concat(frame[frame["part"] == "test"] for frame in frames.values())
    told = [read_metadata(path) for path in answers]
    obstacles = {of["split"]: of["obstacle"] for of in told if of["obstacle"]}
    said = pd.concat(read_parquet(path).to_pandas() for path in answers)
    said = said[said["system"] != (CHOSEN if obstacles else STAND_IN)]
    turns = said["turn_id"].drop_duplicates()
    if unknown := set(turns) - set(facts.index):
        raise EmofuseError(f"{len(unknown)} turns are in no test part of {', '.join(frames)}; make the answers again.")
    groups = {key: of.set_index("turn_id")["prediction"] for key, of in said.groupby(KEY, sort=False, dropna=False)}
    groups = {key: of.loc[turns] for key, of in groups.items() if len(of) == len(turns)}
    facts = facts.loc[turns]
    predictions = np.stack([_indices(of, classes) for of in groups.values()])
    counts = statistics.count(
        facts["dialog"].to_numpy(str),
        strata(facts),
        _indices(facts["class"], classes),
        predictions[:, None],
        len(classes),
    )
    rows = _rows(list(groups), counts, resamples)
    metadata = {
        "folds": json.dumps(list(frames)),
        "final": json.dumps({of["split"]: of["final"] for of in told}),
        "obstacles": json.dumps(obstacles),
        "untried": json.dumps(untried or {}),
        "seed": told[0]["seed"],
    }
    write_parquet(output, pa.Table.from_pylist(rows, SCHEMA), metadata)


def _indices(names, classes):
    return pd.Categorical(names, classes).codes.astype(np.int64)


def _rows(keys, counts, resamples):
    values, drawn = statistics.scores(counts), statistics.resample(counts, resamples)
    clean = {key[0]: number for number, key in enumerate(keys) if key[2] == CLEAN}
    missing = {key[:2]: number for number, key in enumerate(keys) if key[2] == MISSING}
    rows = []
    for number, (system, modality, degradation, severity) in enumerate(keys):
        row = {"system": system, "modality": modality, "degradation": degradation}
        row |= {"severity": None if np.isnan(severity) else severity, "n": int(counts.support.sum())}
        for measure in MEASURES:
            of, draws = values[measure][:, 0], drawn[measure]
            row |= _ends(measure, of[number], draws[:, number])
            for name, base in (("change", clean[system]), ("over_missing", missing.get((system, modality)))):
                if base is not None:
                    row |= _ends(f"{measure}_{name}", of[number] - of[base], draws[:, number] - draws[:, base])
        rows.append(row)
    return rows


def _ends(name, value, sample):
    low, high = np.quantile(sample, [0.025, 0.975])
    return {name: float(value), f"{name}_low": float(low), f"{name}_high": float(high)}
