"""Makes the predictions of every system of one classifier on one split."""

import json
import logging
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from emofuse.fusion.alignment import align, combine, log_softmax, refuse_foreign, temperatures
from emofuse.fusion.calibration import fit_sigmoid, fit_temperature
from emofuse.fusion.ensemble import Rows, train
from emofuse.fusion.systems import COMBINED, MODALITIES, systems_of
from emofuse.fusion.train_vectors import tasks
from emofuse.fusion.unlabelled import UNLABELLED
from emofuse.fusion.vectors import Prediction, joined
from emofuse.runtime import kinds
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_metadata, write_parquet

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """Where the vectors of one split's encoders are. embeddings: {modality: embedding Parquet}, of one split and seed.
    trainings: {modality: training.json} of their encoders. split: path of the split file."""

    embeddings: dict
    trainings: dict
    split: str


def classify(source, labels, method, output, refit=None, folds=(), unlabelled=()):
    """Write what every system of one classifier says of the validation and test turns of a split, and of `unlabelled` ones.

    labels: {modality: what its encoder is called in the names of systems}. refit: None, or the Source of encoders that were
    trained anew with the validation part: then what is said of the validation turns, and all choice, comes from the former,
    and what is said of the test turns from these. folds: for cross_fitted the Sources of the cross-fitted encoders.
    unlabelled: ids of turns of no class (`unlabelled_turns`), of which is spoken as of test turns; nothing is learned, chosen
    or calibrated on them, and the other rows are the same without.

    The rows of the output are one system after the other in `System.order`, the turns of each by id, those of no class last:
    those that all modalities have. Columns: system, turn_id, part (val, test, unlabelled), truth (null of no class),
    prediction (the classifier's own), score_<class> and prob_<class> (float32). softmax(score) is the probability before
    calibration, but for scores that are decision values (the SVM's), unless cross-fitted ones are averaged. prob is calibrated
    on the validation part and null where there is none. Metadata: split, seed, protocol, classes, train_vectors, refit (true
    or false), left_out ({turn: reason}), stores ({split: {modality: its encoder}}) and systems, a list of objects: name, kind,
    combination, classifier, modalities, missing, encoders, settings, calibration, notes, train_vectors ('' where nothing is
    trained after the encoders). Raises EmofuseError where the vectors do not belong together, are of an encoder of another
    split or seed (a leak), or cannot be combined, and where a list is to be chosen from without a validation part.
    """
    crossed = method.train_vectors == "cross_fitted" and method.classifier != "argmax"
    data, anew, crosswise = read_sources(source, refit, folds if crossed else (), method, unlabelled)
    known = systems_of(method.classifier, labels, method.early)

    def vectors_of(system):
        return learned_from(system, data.stores, method.train_vectors)

    rows, asked = rows_of(data, data.asked | data.unlabelled), rows_of(data, data.asked)
    if method.classifier == "argmax":
        answers = decide(known, data, anew)
    else:
        check_widths(known, data.embeddings)
        answers = train(
            known,
            lambda kind, train_vectors: tasks(kind, train_vectors, data, anew, crosswise),
            vectors_of,
            asked,
            method,
            len(crosswise),
        )
    found = {}
    title = f"classify {method.classifier}"
    for system, chosen, prediction in tqdm(answers, total=len(known), desc=title, unit="system"):
        train_vectors = vectors_of(system)
        calibration = calibrated(prediction, rows, method.decides and train_vectors != "cross_fitted")
        found[system] = tabulate(system, prediction, rows, chosen, data.encoders, calibration)
        found[system][1]["train_vectors"] = train_vectors
    for note, count in Counter(note for _, said in found.values() for note in said["notes"]).items():
        log.warning("%d of %d systems on %s, seed %s: %s", count, len(known), data.split, method.seed, note)
    others = [*([anew] if anew else []), *crosswise]
    metadata = {
        "split": data.split,
        "seed": str(method.seed),
        "protocol": read_metadata(source.split)["protocol"],
        "classes": json.dumps(data.classes),
        "train_vectors": method.train_vectors,
        "refit": json.dumps(refit is not None),
        "left_out": json.dumps(data.left_out),
        "stores": json.dumps({source.split: source.stores for source in (data, *others)}),
        "systems": json.dumps([found[system][1] for system in known]),
    }
    write_parquet(output, pa.concat_tables([found[system][0] for system in known]), metadata)


def rows_of(data, mask):
    """Some of the turns of Aligned as Rows; those of no class stand last in both."""
    return Rows(data.turns[mask], data.parts[mask], data.labels[mask], data.classes)


def read_sources(source, refit, folds, method, unlabelled):
    """Aligned of the split's encoders, of those trained anew (or None), and a list of the cross-fitted ones'."""
    sources = [source, *([refit] if refit else []), *folds]
    for each in sources:
        refuse_foreign(each.embeddings, each.trainings, each.split, method.seed)
    data, *others = (
        align(
            {modality: each.embeddings[modality] for modality in MODALITIES if modality in each.embeddings},
            each.split,
            method.seed,
            embeddings=method.classifier != "argmax",
            unlabelled=unlabelled,
        )
        for each in sources
    )
    refuse_choice_without_validation(data, method)
    refuse_other_turns(data, others)
    if data.left_out:
        log.warning("%d turns of %s left out: a modality has no clip of them", len(data.left_out), data.split)
    return data, others[0] if refit else None, others[bool(refit) :]


def learned_from(system, stores, train_vectors):
    """The kind of training vectors of a system: '' where nothing is trained; of frozen encoders alone the training part, for
    their vectors know no label and what their probes say of it comes from others; else `train_vectors`. stores: {modality:
    what describes its encoder}.
    """
    if not system.learns:
        return ""
    frozen = all(stores[modality]["frozen"] == "true" for modality in system.modalities)
    return "in_sample" if frozen else train_vectors


def refuse_other_turns(data, others):
    """Raise EmofuseError where the encoders of refitting and cross-fitting are asked about other turns than the first."""
    for other in others:
        for parts in (["test"] if "val" not in other.parts else ["val", "test"], [UNLABELLED]):
            one, two = (of.turns[np.isin(of.parts, parts)].tolist() for of in (data, other))
            if one != two:
                raise EmofuseError(
                    f"The {' and '.join(parts)} turns of {other.split} are not those of {data.split}; make the splits and"
                    " embeddings again from one corpus."
                )


def refuse_choice_without_validation(data, method):
    """Raise EmofuseError where settings are to be chosen, or vectors to be had, from a validation part that there is not."""
    if "val" in data.parts:
        return
    classifier, settings = method.classifier, method.settings
    lists = [f"classifiers.{classifier}.{key}" for key, value in settings.items() if isinstance(value, list)]
    if len(method.candidates) > 1:
        raise EmofuseError(
            f"{', '.join(lists)}: {data.split} has no validation part to choose on, and choosing on the test part would"
            " flatter the result; name one value."
        )
    if classifier != "argmax" and method.train_vectors != "in_sample":
        raise EmofuseError(
            f"train_vectors: '{method.train_vectors}' needs a validation part, which {data.split} has not."
        )


def decide(known, data, anew):
    """Yield (system, {}, Prediction) for the plain argmax of one softmax, or of the mean or product of several.

    Scores are a single modality's logits; of a fusion the logarithm of the mean or the product of the softmax outputs, each
    at its temperature. anew: None, or Aligned of the encoders that speak of the test turns and those of no class.
    """
    warmth = temperatures(data, data.parts == "val")
    logits = {modality: x[data.asked] for modality, x in data.logits.items()}
    speaks = anew or data
    if anew:
        for modality, x in logits.items():
            x[data.parts[data.asked] == "test"] = anew.logits[modality][anew.parts == "test"]
    others = {modality: x[speaks.unlabelled] for modality, x in speaks.logits.items()}
    spoken = [
        (of, {modality: log_softmax(x / warmth[modality]) for modality, x in of.items()}) for of in (logits, others)
    ]
    for system in known:
        yield system, {}, joined(*(_decided(system, *of) for of in spoken))


def _decided(system, logits, outputs):
    """The Prediction of one system; outputs: logarithms of the tempered softmax of the logits."""
    each = [outputs[modality] for modality in system.modalities]
    if system.kind == "single":
        scores = logits[system.modalities[0]]
    else:
        scores = kinds.load(COMBINED, system.combination).log_probabilities(each)
    return Prediction(scores.argmax(axis=1), scores)


def check_widths(known, vectors):
    """Meet unequal widths before the first, possibly long, training."""
    for system in known:
        if system.kind == "early" and system.combination:
            combine({modality: vectors[modality][:1] for modality in system.modalities}, system.combination)


def calibrated(prediction, rows, decides):
    """What makes scores probabilities, fitted on the validation turns; None where it cannot be. decides: whether they are
    decision values."""
    judged = rows.judged
    fitted = fit_sigmoid if decides else fit_temperature
    return fitted(prediction.scores[judged], rows.truth[judged]) if judged.any() else None


def tabulate(system, prediction, rows, settings, encoders, calibration):
    """One system's predictions as a table, and what the file says of the system. calibration: of `calibrated`."""
    names = np.array(rows.classes)
    columns = {
        "system": pa.array([system.name] * len(rows.turns), pa.string()),
        "turn_id": pa.array(rows.turns, pa.string()),
        "part": pa.array(rows.parts, pa.string()),
        "truth": pa.array(names[rows.truth], pa.string(), mask=rows.truth < 0),
        "prediction": pa.array(names[prediction.classes], pa.string()),
    }
    probabilities = calibration.apply(prediction.scores) if calibration else None
    for prefix, values in (("score", prediction.scores), ("prob", probabilities)):
        for index, name in enumerate(rows.classes):
            column = pa.nulls(len(rows.turns), pa.float32())
            if values is not None:
                column = pa.array(values[:, index].astype(np.float32), from_pandas=True)  # nan becomes null
            columns[f"{prefix}_{name}"] = column
    return pa.table(columns), {
        "name": system.name,
        "kind": system.kind,
        "combination": system.combination,
        "classifier": system.classifier,
        "modalities": list(system.modalities),
        "missing": system.missing,
        "encoders": {modality: encoders[modality] for modality in system.modalities},
        "settings": settings,
        "calibration": calibration and calibration.describe(),
        "notes": prediction.notes,
    }
