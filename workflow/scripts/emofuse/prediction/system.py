"""The final system apart from its encoders, as an export keeps it: from vectors and logits of turns to probabilities."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from emofuse.fusion.alignment import log_softmax, softmax
from emofuse.fusion.calibration import Sigmoid, Temperature
from emofuse.fusion.ensemble import blocks_of
from emofuse.fusion.systems import COMBINED, System
from emofuse.fusion.vectors import Prediction, side_by_side
from emofuse.runtime import kinds
from emofuse.runtime.store import read_json, write_json

KEPT = "prediction/classifiers"


@dataclass(frozen=True)
class FinalSystem:
    """A system of `fusion.systems` that knows all that it has learned.

    temperatures: {modality: that of its logits}. scaling: {modality: (mean, deviation)} of embeddings, (d,) float64 each, of
    early fusion; else empty. neutral: {modality: (1, d) float64}, what stands for one that is missing, in the space of what
    the classifier reads; empty where none is trained. present: (k,) indices of the classes that the classifier learned.
    classifier: an object with `predict`, None of an argmax. calibration: {names of the missing modalities, joined by +:
    Temperature or Sigmoid}; nothing where the run had nothing to calibrate on.
    """

    system: System
    classes: list[str]
    temperatures: dict
    scaling: dict
    neutral: dict
    present: np.ndarray
    classifier: object
    calibration: dict

    def can_answer(self, missing):
        """Whether anything that it reads is left without the modalities `missing`."""
        return bool(set(self.system.modalities) - set(missing))

    def answer(self, embeddings, logits, missing=()):
        """(class indices (n,), calibrated probabilities (n, classes) float64 or None) of n turns that all lack `missing`.

        embeddings: {modality: (n, d)}, logits: {modality: (n, classes)}, of the modalities that are there. The class is the
        classifier's own, which is most often, but not always, the most probable one. A trained classifier gets something
        neutral for what is missing; an argmax decides without it. Where the run has calibrated no such case (two of three
        modalities missing), what was fitted with all of them there is taken.
        """
        missing = [modality for modality in self.system.modalities if modality in missing]
        said = self._trained(embeddings, logits, missing) if self.classifier else self._argmax(logits, missing)
        calibration = self.calibration.get("+".join(missing), self.calibration.get(""))
        return said.classes, calibration and calibration.apply(said.scores)

    def _argmax(self, logits, missing):
        there = [modality for modality in self.system.modalities if modality not in missing]
        given = {modality: np.asarray(logits[modality], np.float64) for modality in there}
        if len(there) == 1:
            [scores] = given.values()
        else:
            each = [log_softmax(x / self.temperatures[modality]) for modality, x in given.items()]
            scores = kinds.load(COMBINED, self.system.combination).log_probabilities(each)
        return Prediction(scores.argmax(axis=1), scores)

    def _trained(self, embeddings, logits, missing):
        inputs = {}
        for modality in self.system.modalities:
            if modality in missing:
                inputs[modality] = self.neutral[modality]
            elif self.system.kind == "early":
                mean, deviation = self.scaling[modality]
                inputs[modality] = (np.asarray(embeddings[modality], np.float64) - mean) / deviation
            else:
                inputs[modality] = softmax(np.asarray(logits[modality], np.float64) / self.temperatures[modality])
        said = self.classifier.predict(side_by_side(blocks_of(self.system, inputs)))
        scores = np.full((len(said.scores), len(self.classes)), np.nan)
        scores[:, self.present] = said.scores
        return Prediction(self.present[said.classes], scores)


def save(system, keep_classifier, folder):
    """Write a FinalSystem into `folder`: system.json, arrays.safetensors where it has any, and its classifier's own files.

    keep_classifier: writes the latter into a folder, None of an argmax. The `classifier` of the system is not looked at.
    """
    folder = Path(folder)
    folder.mkdir(parents=True)
    arrays = {f"neutral.{modality}": array for modality, array in system.neutral.items()}
    for modality, pair in system.scaling.items():
        arrays |= {f"{name}.{modality}": array for name, array in zip(("mean", "deviation"), pair, strict=True)}
    if arrays:
        save_file({k: np.ascontiguousarray(v, np.float64) for k, v in arrays.items()}, folder / "arrays.safetensors")
    if keep_classifier:
        keep_classifier(folder)
    described = vars(system.system) | {"modalities": list(system.system.modalities)}
    value = {
        "system": described,
        "classes": system.classes,
        "learned_classes": system.present.tolist(),
        "temperatures": system.temperatures,
        "calibration": {key: fitted.describe() for key, fitted in system.calibration.items()},
    }
    write_json(folder / "system.json", value)


def load(folder):
    """The FinalSystem that `save` wrote."""
    folder = Path(folder)
    value, path = read_json(folder / "system.json"), folder / "arrays.safetensors"
    arrays = load_file(path) if path.exists() else {}
    system = System(**value["system"] | {"modalities": tuple(value["system"]["modalities"])})

    def of(name):
        return {m: arrays[f"{name}.{m}"] for m in system.modalities if f"{name}.{m}" in arrays}

    means, deviations = of("mean"), of("deviation")
    return FinalSystem(
        system,
        value["classes"],
        value["temperatures"],
        {modality: (means[modality], deviations[modality]) for modality in means},
        of("neutral"),
        np.array(value["learned_classes"], np.int64),
        kinds.load(KEPT, system.classifier).Kept(folder) if system.learns else None,
        {key: calibration_of(described) for key, described in value["calibration"].items()},
    )


def calibration_of(described):
    """The Temperature or Sigmoid that `describe` told of."""
    if described["method"] == "temperature":
        return Temperature(described["temperature"])
    slopes, intercepts = (
        np.array([math.nan if value is None else value for value in described[name]])
        for name in ("slopes", "intercepts")
    )
    return Sigmoid(slopes, intercepts)
