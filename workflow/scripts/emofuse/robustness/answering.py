"""Lets the systems of a fold, trained again from the run's vectors, answer from the vectors of degraded test turns."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from emofuse.fusion.alignment import matrix, some
from emofuse.fusion.systems import MODALITIES
from emofuse.prediction import system
from emofuse.prediction.choice import FINAL, find, obstacle, system_of
from emofuse.prediction.learning import learn, require_alike, systems_in
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_json, read_metadata, read_parquet, write_parquet

CLEAN, MISSING = "clean", "missing"  # stand where a degradation's name would
CHOSEN = "chosen"
STAND_IN = "late-sum-argmax"  # a fusion of which nothing is trained


@dataclass(frozen=True)
class Fold:
    """What a run has of a fold. source: `classification.Source` of its encoders; refit: of those trained anew with the
    validation part, or None. predictions: paths, of all systems. chosen: path of chosen.tsv. degraded: paths of what
    `speaking.degrade` wrote of the encoders that speak of test turns."""

    source: object
    refit: object
    predictions: list
    chosen: str | Path
    degraded: list

    @property
    def speaking(self):
        """The Source of the encoders that speak of test turns."""
        return self.refit or self.source


def answer(fold, method, output):
    """Write what the systems of a fold say of its test turns, as they are, degraded, and without a modality.

    method: an `ensemble.Method`, of which classifier and settings are not looked at. Systems: each modality alone, the final
    system of the fold as `chosen`, and the late fusion by the mean of softmax outputs, of which nothing is trained, so that
    there is a fusion where the final system cannot be asked. Each is held against what the run stored of the turns as they
    are; EmofuseError where they differ. Nothing is fitted to anything but what the run fitted it to.

    Columns: system, modality (that is degraded or missing; '' of the turns as they are), degradation (clean and missing among
    them), severity (float64; null of these), turn_id, prediction. Metadata: split, seed, final (name of the fold's final
    system), obstacle (why that cannot be asked; '' where it can).
    """
    split = fold.source.split
    known = {
        name: of for path in fold.predictions for name, of in systems_in(path, read_metadata(path)["systems"]).items()
    }
    final = find(FINAL, fold.predictions, fold.chosen, split, method.seed)
    records = {modality: read_json(path) for modality, path in fold.speaking.trainings.items()}
    stores = {modality: read_metadata(path) for modality, path in fold.source.embeddings.items()}
    hindrance = obstacle(system_of(final), stores, records, method.train_vectors) or ""
    asked = {name: of for name, of in known.items() if of.facts["kind"] == "single" or name == STAND_IN}
    asked |= {} if hindrance else {CHOSEN: final}

    degraded, tables = None, []
    for name, stored in asked.items():
        trained, speaks = rebuilt(stored, fold, method)
        degraded = degraded or read_degraded(fold.degraded, speaks.turns[speaks.parts == "test"])
        tables += _answers(name, trained, speaks, degraded)
    metadata = {"split": read_metadata(split)["split"], "seed": str(method.seed)}
    metadata |= {"final": final.name, "obstacle": hindrance}
    write_parquet(output, pa.concat_tables(tables), metadata)


def rebuilt(stored, fold, method):
    """(FinalSystem, Aligned with the test turns) of a `learning.Stored`, which says of these what the run stored."""
    final, keep_classifier, speaks = learn(stored, system_of(stored), fold.source, fold.refit, method)
    with tempfile.TemporaryDirectory(
        prefix="emofuse-"
    ) as folder:  # as an export: a loaded classifier takes vectors alone
        system.save(final, keep_classifier, Path(folder) / "system")
        final = system.load(Path(folder) / "system")
    difference, turns = require_alike(final, stored, speaks, speaks.logits)
    print(f"{stored.name}: of {turns} test turns as they are the same as in the run, to {difference:.1e}")
    return final, speaks


def read_degraded(paths, turns):
    """{(modality, degradation, severity): (embedding (n, d), logits (n, classes))}, float64, of the `turns`, by modality."""
    found = {}
    for path in sorted(paths, key=lambda path: MODALITIES.index(read_metadata(path)["modality"])):
        table, modality = read_parquet(path), read_metadata(path)["modality"]
        keys = list(zip(table["degradation"].to_pylist(), table["severity"].to_pylist(), strict=True))
        names = np.array(table["turn_id"].to_pylist(), str)
        for key in dict.fromkeys(keys):
            rows = [number for number, other in enumerate(keys) if other == key]
            place = dict(zip(names[rows].tolist(), rows, strict=True))
            if lacking := [turn for turn in turns if turn not in place]:
                raise EmofuseError(f"{path}: says nothing of {some(lacking)}; delete it and run again.")
            rows = [place[turn] for turn in turns]
            what = f"{key[0]} {key[1]:g} of {modality}"
            found[modality, *key] = tuple(
                matrix(table[column], rows, f"{column} under {what}", turns) for column in ("embedding", "logits")
            )
    return found


def _answers(name, final, speaks, degraded):
    """The rows of one system, a list of tables."""
    tested = speaks.parts == "test"
    turns = speaks.turns[tested]
    vectors, logits = ({m: x[tested] for m, x in of.items()} for of in (speaks.embeddings, speaks.logits))
    single = name != CHOSEN and len(final.system.modalities) == 1

    def row(modality, degradation, severity, said):
        return pa.table(
            {
                "system": pa.array([name] * len(turns), pa.string()),
                "modality": pa.array([modality] * len(turns), pa.string()),
                "degradation": pa.array([degradation] * len(turns), pa.string()),
                "severity": pa.array([severity] * len(turns), pa.float64()),
                "turn_id": pa.array(turns, pa.string()),
                "prediction": pa.array(np.array(final.classes)[said], pa.string()),
            }
        )

    found = [row("", CLEAN, None, final.answer(vectors, logits)[0])]
    for (modality, degradation, severity), (embedding, of_logits) in degraded.items():
        if single and modality not in final.system.modalities:
            continue
        said, _ = final.answer(vectors | {modality: embedding}, logits | {modality: of_logits})
        found.append(row(modality, degradation, severity, said))
    for modality in () if single else speaks.logits:
        if final.can_answer((modality,)):
            found.append(row(modality, MISSING, None, final.answer(vectors, logits, (modality,))[0]))
    return found
