"""Makes the predictions of every system of one classifier on one split."""

import json
import logging

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emofuse.classifiers import Distances, Prediction, fit_predict
from emofuse.errors import EmofuseError
from emofuse.fusion import align, combine, log_softmax, scale, softmax
from emofuse.store import write_parquet
from emofuse.systems import MODALITIES, systems_of

log = logging.getLogger(__name__)


def classify(embeddings, labels, split_path, classifier, settings, seed, threads, outputs, refit=None):
    """Write one prediction file per system, for the validation and test turns of a split.

    embeddings: {modality: embedding Parquet} of one split and seed. labels: {modality: what its encoder is called in the
    names of systems}. classifier: argmax, svm, xgboost or mlp, with its
    `settings` (empty for argmax). outputs: {system name: Parquet to write}, all of this classifier. Scaling and
    classifier are fitted on the training part alone, and every system sees the same turns: those that all modalities
    have. refit: None, or embeddings and split file of the encoders that were trained anew with the validation part: then
    what is said of the validation turns comes from the former, of the test turns from these. Raises EmofuseError where
    the embeddings do not belong together or cannot be combined.
    """
    arguments = (labels, classifier, settings, seed, threads, outputs)
    anew = dict(predict(*refit, *arguments)) if refit else {}
    for name, (table, metadata) in predict(embeddings, split_path, *arguments):
        if refit:
            parts = (table.filter(pc.field("part") == "val"), anew[name][0].filter(pc.field("part") == "test"))
            table, metadata = pa.concat_tables(parts), metadata | {"refit": "true"}
        write_parquet(outputs[name], table, metadata)


def predict(embeddings, split_path, labels, classifier, settings, seed, threads, outputs):
    """Yield (system name, (predictions table, metadata)) for the systems in `outputs`; see `classify`."""
    embeddings = {modality: embeddings[modality] for modality in MODALITIES if modality in embeddings}
    data = align(embeddings, split_path, seed, embeddings=classifier != "argmax")
    known = systems_of(classifier, labels)
    unknown = outputs.keys() - {system.name for system in known}
    if unknown:
        names = ", ".join(system.name for system in known)
        raise EmofuseError(f"{classifier} makes no system {', '.join(sorted(unknown))}; it makes {names}.")
    wanted = [system for system in known if system.name in outputs]
    if data.left_out:
        log.warning("%d turns of %s left out: a modality has no clip of them", len(data.left_out), data.split)
    if classifier == "argmax":
        predictions = ((system, decide(system, data)) for system in wanted)
    else:
        predictions = train(wanted, data, classifier, settings, seed, threads)
    for system, prediction in predictions:
        for note in prediction.notes:
            log.warning("%s, %s, seed %s: %s", system.name, data.split, seed, note)
        yield system.name, tabulate(system, prediction, data, settings, seed)


def decide(system, data):
    """The plain argmax: of one modality's softmax, or of the sum or product of all modalities' softmax outputs.

    Scores are the logits of a single modality, the sum of the probabilities, or the logarithm of their product;
    probabilities are those of the softmax, or the sum or product divided by its total.
    """
    rest = data.parts != "train"
    logits = {modality: data.logits[modality][rest] for modality in system.modalities}
    if system.kind == "single":
        scores = logits[system.modalities[0]]
        probabilities = softmax(scores)
    elif system.combination == "sum":
        scores = combine({m: softmax(x) for m, x in logits.items()}, "sum")
        probabilities = scores / len(logits)
    else:
        scores = combine({m: log_softmax(x) for m, x in logits.items()}, "sum")
        probabilities = softmax(scores)
    return Prediction(scores.argmax(axis=1), scores, probabilities)


def train(wanted, data, classifier, settings, seed, threads):
    """Yield (system, Prediction) for the trained systems `wanted`, early fusion before late.

    Early fusion scales each modality first; late fusion takes the softmax outputs as they are.
    """
    training = data.parts == "train"
    labels = np.array([data.classes.index(name) for name in data.truth], dtype=np.int64)
    for kind in ("early", "late"):
        of_kind = [system for system in wanted if system.kind == kind]
        if not of_kind:
            continue
        if kind == "early":
            check_widths(of_kind, data.embeddings)
            vectors = scale(data.embeddings, training)
        else:
            vectors = {modality: softmax(logits) for modality, logits in data.logits.items()}
        distances = Distances(training)
        for system in of_kind:
            inputs = {modality: vectors[modality] for modality in system.modalities}
            blocks = inputs if system.combination == "concat" else {system.name: combine(inputs, system.combination)}
            yield (
                system,
                fit_predict(classifier, blocks, training, labels, data.classes, settings, seed, threads, distances),
            )


def check_widths(systems, vectors):
    """Meet unequal widths before the first, possibly long, training."""
    for system in systems:
        combine({modality: vectors[modality][:1] for modality in system.modalities}, system.combination)


def tabulate(system, prediction, data, settings, seed):
    """One system's predictions as a table, and its full description as the file's metadata."""
    rest = data.parts != "train"
    columns = {
        "turn_id": pa.array(data.turns[rest], pa.string()),
        "part": pa.array(data.parts[rest], pa.string()),
        "truth": pa.array(data.truth[rest], pa.string()),
        "prediction": pa.array(np.array(data.classes)[prediction.classes], pa.string()),
    }
    for prefix, values in (("score", prediction.scores), ("prob", prediction.probabilities)):
        for index, name in enumerate(data.classes):
            column = pa.nulls(rest.sum(), pa.float32())
            if values is not None:
                column = pa.array(values[:, index].astype(np.float32), from_pandas=True)  # nan becomes null
            columns[f"{prefix}_{name}"] = column
    metadata = {
        "system": system.name,
        "kind": system.kind,
        "combination": system.combination,
        "classifier": system.classifier,
        "modalities": json.dumps(system.modalities),
        "encoders": json.dumps({modality: data.encoders[modality] for modality in system.modalities}),
        "stores": json.dumps({modality: data.stores[modality] for modality in system.modalities}),
        "settings": json.dumps(settings),
        "split": data.split,
        "seed": str(seed),
        "classes": json.dumps(data.classes),
        "left_out": json.dumps(data.left_out),
        "notes": json.dumps(prediction.notes),
    }
    return pa.table(columns), metadata
