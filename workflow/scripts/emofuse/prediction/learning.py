"""Trains the final system of a fold again from the run's stored vectors, and holds what it says against what the run stored."""

import json
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pyarrow.compute as pc
from sklearn.preprocessing import StandardScaler

from emofuse.fusion import learning
from emofuse.fusion.alignment import temperatures
from emofuse.fusion.classification import learned_from, read_sources
from emofuse.fusion.distances import Distances
from emofuse.fusion.ensemble import blocks_of
from emofuse.fusion.systems import COMBINED
from emofuse.fusion.train_vectors import tasks
from emofuse.fusion.vectors import Lesson
from emofuse.prediction.system import KEPT, FinalSystem, calibration_of
from emofuse.runtime import kinds
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_parquet

TOLERANCE = 1e-5  # of a probability; the stored ones are float32


@dataclass(frozen=True)
class Stored:
    """What a run stored of one system on one fold. path: the prediction file. described: {name: what its metadata say} of all
    of its systems. name: the one."""

    path: str
    described: dict
    name: str

    @property
    def facts(self):
        """What the metadata say of the system."""
        return self.described[self.name]

    def like(self, missing):
        """The name of the system that says what this one says without the modalities `missing`; None where the run has none."""
        wanted = {key: self.facts[key] for key in ("kind", "combination", "classifier", "modalities", "missing")}
        left = [modality for modality in self.facts["modalities"] if modality not in missing]
        if self.facts["classifier"] != "argmax":
            wanted |= {"kind": "substituted", "missing": "".join(missing)}
            prefix = self.name + "."
        else:
            wanted |= {"modalities": left} | ({"kind": "single", "combination": ""} if len(left) == 1 else {})
            prefix = ""
        for name, facts in self.described.items():
            if name.startswith(prefix) and all(facts[key] == value for key, value in wanted.items()):
                return name
        return None

    def variants(self):
        """{missing modalities: name of the system}: of the system itself, (), and of all less of it that the run knows."""
        whole = self.facts["modalities"]
        subsets = [()] + [(m,) for m in whole] + [tuple(m for m in whole if m != one) for one in whole]
        found = {missing: self.like(missing) if missing else self.name for missing in dict.fromkeys(subsets)}
        return {missing: name for missing, name in found.items() if name and len(missing) < len(whole)}


def learn(stored, system, source, refit, method):
    """(FinalSystem, function that writes its classifier into a folder, Aligned of the encoders that speak of test turns).

    stored: a Stored of the system. source, refit: `classification.Source` of the split's encoders, and None or of those that
    were trained anew. method: an `ensemble.Method`, of which classifier and settings are not looked at. What is fitted is
    fitted as for the test turns, with the settings that were chosen; no label of a test turn takes part.
    """
    settings = stored.facts["settings"]
    method = replace(method, classifier=system.classifier, settings=settings)
    data, anew, _ = read_sources(source, refit, (), method, ())
    speaks, kind = anew or data, learned_from(system, data.stores, method.train_vectors)
    learned = speaks.parts == ("val" if kind == "validation" else "train")
    warmth = temperatures(data, data.parts == "val" if kind != "validation" else learned)
    variants = {missing: stored.described[name]["calibration"] for missing, name in stored.variants().items()}
    common = {
        "system": system,
        "classes": data.classes,
        "temperatures": {modality: float(warmth[modality]) for modality in system.modalities},
        "calibration": {"+".join(missing): calibration_of(found) for missing, found in variants.items() if found},
    }
    if not system.learns:
        nothing = {"scaling": {}, "neutral": {}, "present": np.arange(len(data.classes)), "classifier": None}
        return FinalSystem(**common, **nothing), None, speaks

    task = tasks(system.kind, kind, data, anew)[-1]  # the last one speaks of the test part
    blocks = blocks_of(system, task.train)
    lesson = Lesson(blocks, task.labels, method.seed, method.threads, Distances(blocks))
    trained = learning.fit(method.classifier, lesson, data.classes, [settings])
    scalers = {m: StandardScaler().fit(speaks.embeddings[m][learned]) for m in system.modalities}
    final = FinalSystem(
        **common,
        scaling={m: (of.mean_, of.scale_) for m, of in scalers.items()} if system.kind == "early" else {},
        neutral={m: _neutral(system, task.train[m]) for m in system.modalities},
        present=trained.present,
        classifier=trained.classifier,
    )
    return final, partial(kinds.load(KEPT, method.classifier).keep, trained.classifier, blocks), speaks


def _neutral(system, learned):
    """(1, d): what `ensemble.blocks_of` lets stand for a modality whose rows in the training are `learned`."""
    mean = learned.mean(axis=0, keepdims=True)
    constant = kinds.constants(COMBINED).get(system.combination, {}).get("NEUTRAL")
    return mean if constant is None else np.full_like(mean, constant)


def require_alike(final, stored, speaks, logits):
    """The largest difference of a probability, and the number of turns compared; EmofuseError where it is above TOLERANCE, or
    where a class is another one.

    final: the FinalSystem as it was read from its files. speaks: Aligned with the test turns. logits: {modality: (n, classes)}
    of all turns of these, as the kept encoders make them.
    """
    tested = speaks.parts == "test"
    worst = 0.0
    for missing, name in stored.variants().items():
        there = [modality for modality in final.system.modalities if modality not in missing]
        vectors = {m: speaks.embeddings[m][tested] for m in there if m in speaks.embeddings}
        said, probabilities = final.answer(vectors, {m: logits[m][tested] for m in there}, missing)
        turns, classes, expected = stored_answers(stored.path, name, final.classes)
        if turns != speaks.turns[tested].tolist():
            raise EmofuseError(f"{stored.path}: its test turns are not those of the vectors; delete it and run again.")
        difference = 0.0
        if stored.described[name]["calibration"]:
            difference = float(np.abs(probabilities - expected).max())
        others = int(np.count_nonzero(np.array(final.classes)[said] != classes))
        if difference > TOLERANCE or others:
            raise EmofuseError(
                f"{name}, trained again from the run's vectors, says something else than {stored.path}: a probability differs"
                f" by {difference:.2g}, and {others} of {len(turns)} classes are other ones. The run was made with other"
                " versions, on another machine, or something of it has changed since; run it again."
            )
        worst = max(worst, difference)
    return worst, int(tested.sum())


def stored_answers(path, name, classes):
    """(turns, classes (n,) str, probabilities (n, classes)) that a file stores of a system's test turns."""
    table = read_parquet(path, ["system", "turn_id", "part", "prediction", *(f"prob_{c}" for c in classes)])
    rows = table.filter(pc.and_(pc.equal(table["system"], name), pc.equal(table["part"], "test"))).to_pandas()
    return (
        rows["turn_id"].tolist(),
        rows["prediction"].to_numpy(str),
        rows[[f"prob_{c}" for c in classes]].to_numpy(float),
    )


def systems_in(path, described):
    """{name: Stored} of the systems of a prediction file; described: its metadata's list of them, JSON."""
    facts = {of["name"]: of for of in json.loads(described)}
    return {name: Stored(path, facts, name) for name in facts}
