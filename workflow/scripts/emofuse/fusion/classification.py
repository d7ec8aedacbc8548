"""Makes the predictions of every system of one classifier on one split."""

import json
import logging
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from emofuse.fusion.alignment import align, combine, log_softmax, refuse_foreign, temperatures
from emofuse.fusion.calibration import Temperature, fit_sigmoid, fit_temperature
from emofuse.fusion.classifiers import Distances, Prediction, combinations_of, fit
from emofuse.fusion.systems import MODALITIES, systems_of
from emofuse.fusion.train_vectors import tasks
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_metadata, write_parquet

log = logging.getLogger(__name__)


def classify(
    embeddings,
    trainings,
    labels,
    split_path,
    classifier,
    settings,
    early,
    train_vectors,
    seed,
    threads,
    output,
    refit=None,
    folds=(),
):
    """Write what every system of one classifier says of the validation and test turns of a split.

    embeddings: {modality: embedding Parquet} of one split and seed, trainings: {modality: training.json} of their encoders.
    labels: {modality: what its encoder is called in the names of systems}. classifier: argmax, svm, xgboost or mlp, with
    its `settings` (empty for argmax), of which a list holds candidates: of all combinations each system takes the one with
    the best WA in the validation part (of equals the better UA, then the first). early: combinations of early fusion.
    train_vectors: in_sample, validation or cross_fitted (see `train_vectors.tasks`), of no matter for argmax. refit: None, or
    (embeddings, trainings, split file) of encoders that were trained anew with the validation part: then what is said of
    the validation turns, and all choice, comes from the former, and what is said of the test turns from these. folds: for
    cross_fitted such a triple for each of the cross-fitted encoders.

    The rows of the output are one system after the other in `System.order`, the turns of each by id: those that all
    modalities have. Columns: system, turn_id, part, truth, prediction (the classifier's own), score_<class> and
    prob_<class> (float32). softmax(score) is the probability before calibration, but for the SVM, whose scores are
    decision values, unless cross-fitted ones are averaged. prob is calibrated on the validation part and null where there
    is none. Metadata: split, seed, protocol, classes, train_vectors, refit (true or false), left_out ({turn: reason}),
    stores ({split: {modality: its encoder}}) and systems, a list of objects: name, kind, combination, classifier,
    modalities, missing, encoders, settings, calibration, notes. Raises EmofuseError where the vectors do not belong
    together, are of an encoder of another split or seed (a leak), or cannot be combined, and where a list is to be chosen
    from without a validation part.
    """
    crossed = train_vectors == "cross_fitted" and classifier != "argmax"
    sources = [(embeddings, trainings, split_path), *([refit] if refit else []), *(folds if crossed else ())]
    for stores, learned, path in sources:
        refuse_foreign(stores, learned, path, seed)
    data, *others = (
        align(
            {modality: stores[modality] for modality in MODALITIES if modality in stores},
            path,
            seed,
            embeddings=classifier != "argmax" and not (crossed and path == split_path),
        )
        for stores, _, path in sources
    )
    refuse_choice_without_validation(data, classifier, settings, train_vectors)
    refuse_other_turns(data, others)
    anew = others[0] if refit else None
    crosswise = others[bool(refit) :]
    known = systems_of(classifier, labels, early)
    if data.left_out:
        log.warning("%d turns of %s left out: a modality has no clip of them", len(data.left_out), data.split)

    rows = Rows(data.turns[data.asked], data.parts[data.asked], data.labels[data.asked], data.classes)
    if classifier == "argmax":
        answers = decide(known, data, anew)
    else:
        check_widths(known, (crosswise or [data])[0].embeddings)
        answers = train(
            known,
            lambda kind: tasks(kind, train_vectors, data, anew, crosswise),
            rows,
            classifier,
            combinations_of(settings),
            len(crosswise),
            seed,
            threads,
        )
    found = {}
    for system, chosen, prediction in tqdm(answers, total=len(known), desc=f"classify {classifier}", unit="system"):
        found[system] = tabulate(system, prediction, rows, chosen, data.encoders, bool(crosswise))
    for note, count in Counter(note for _, said in found.values() for note in said["notes"]).items():
        log.warning("%d of %d systems on %s, seed %s: %s", count, len(known), data.split, seed, note)
    metadata = {
        "split": data.split,
        "seed": str(seed),
        "protocol": read_metadata(split_path)["protocol"],
        "classes": json.dumps(data.classes),
        "train_vectors": train_vectors,
        "refit": json.dumps(refit is not None),
        "left_out": json.dumps(data.left_out),
        "stores": json.dumps({source.split: source.stores for source in (data, *others)}),
        "systems": json.dumps([found[system][1] for system in known]),
    }
    write_parquet(output, pa.concat_tables([found[system][0] for system in known]), metadata)


@dataclass
class Rows:
    """The validation and test turns of a split: `turns`, `parts` (n,) str, `truth` (n,) indices into `classes`."""

    turns: np.ndarray
    parts: np.ndarray
    truth: np.ndarray
    classes: list[str]

    @property
    def judged(self):
        """(n,) bool: the validation turns, on which all is chosen and calibrated."""
        return self.parts == "val"


def refuse_other_turns(data, others):
    """Raise EmofuseError where the encoders of refitting and cross-fitting are asked about other turns than the first."""
    for other in others:
        parts = ["test"] if "val" not in other.parts else ["val", "test"]
        one, two = (of.turns[np.isin(of.parts, parts)].tolist() for of in (data, other))
        if one != two:
            raise EmofuseError(
                f"The {' and '.join(parts)} turns of {other.split} are not those of {data.split}; make the splits and"
                " embeddings again from one corpus."
            )


def refuse_choice_without_validation(data, classifier, settings, train_vectors):
    """Raise EmofuseError where settings are to be chosen, or vectors to be had, from a validation part that there is not."""
    if "val" in data.parts:
        return
    lists = [f"classifiers.{classifier}.{key}" for key, value in settings.items() if isinstance(value, list)]
    if len(combinations_of(settings)) > 1:
        raise EmofuseError(
            f"{', '.join(lists)}: {data.split} has no validation part to choose on, and choosing on the test part would"
            " flatter the result; name one value."
        )
    if classifier != "argmax" and train_vectors != "in_sample":
        raise EmofuseError(f"train_vectors: '{train_vectors}' needs a validation part, which {data.split} has not.")


def decide(known, data, anew):
    """Yield (system, {}, Prediction) for the plain argmax of one softmax, or of the mean or product of several.

    Scores are a single modality's logits; of a fusion the logarithm of the mean or the product of the softmax outputs, each
    at its temperature. anew: None, or Aligned of the encoders that speak of the test turns.
    """
    warmth = temperatures(data, data.parts == "val")
    logits = {modality: x[data.asked] for modality, x in data.logits.items()}
    if anew:
        for modality, x in logits.items():
            x[data.parts[data.asked] == "test"] = anew.logits[modality][anew.parts == "test"]
    outputs = {modality: log_softmax(x / warmth[modality]) for modality, x in logits.items()}
    for system in known:
        each = [outputs[modality] for modality in system.modalities]
        if system.kind == "single":
            scores = logits[system.modalities[0]]
        elif system.combination == "sum":
            scores = np.logaddexp.reduce(each) - np.log(len(each))
        else:
            scores = np.add.reduce(each)
        yield system, {}, Prediction(scores.argmax(axis=1), scores)


def train(known, tasks_of, rows, classifier, candidates, voices, seed, threads):
    """Yield (system, chosen settings, Prediction) for the trained systems `known`, and after each those substituted for it.

    tasks_of: kind -> Tasks. candidates: settings to choose from. voices: how many cross-fitted encoders speak of each
    turn, 0 without cross-fitting.
    """
    for kind in ("early", "late"):
        of_kind = tasks_of(kind)
        shared = [Distances(task.train) for task in of_kind]
        for system in (system for system in known if system.kind == kind):
            # Sum and product make vectors that no other system has.
            distances = shared if system.combination in ("", "concat") else [None] * len(of_kind)
            ensemble = Ensemble(system, of_kind, distances, rows, classifier, voices, seed, threads)
            settings = ensemble.learn(candidates)
            yield system, settings, ensemble.ask()
            for modality in system.modalities:
                if system.without(modality) in known:
                    yield system.without(modality), settings, ensemble.ask(modality)


class Ensemble:
    """The classifiers of one system, a classifier for each Task, from the choice of settings to the answers."""

    def __init__(self, system, of_kind, distances, rows, classifier, voices, seed, threads):
        self.system, self.tasks, self.rows, self.voices = system, of_kind, rows, voices
        self.classifier, self.seed, self.threads = classifier, seed, threads
        self.distances = distances
        self.apply = [blocks_of(system, task.apply) for task in of_kind]
        self.trained, self.probable = {}, None

    def learn(self, candidates):
        """Train with all candidates where validation turns are spoken of, choose, train the rest; the chosen settings."""
        best = 0
        if len(candidates) > 1:
            for number, task in enumerate(self.tasks):
                if self.rows.judged[task.rows % len(self.rows.turns)].any():
                    self.trained[number] = self._fit(number, candidates)
            judged, truth = self.rows.judged, self.rows.truth[self.rows.judged]
            said = [prediction.classes[judged] for prediction in self._answer(range(len(candidates)))]
            best = max(range(len(candidates)), key=lambda number: quality(said[number], truth))
        self.chosen = dict.fromkeys(self.trained, best)
        for number in range(len(self.tasks)):
            if number not in self.trained:
                self.trained[number] = self._fit(number, [candidates[best]])
                self.chosen[number] = 0
        return candidates[best]

    def ask(self, missing=""):
        """The Prediction for all turns, with something neutral for the modality `missing`."""
        return self._answer([None], missing)[0]

    def _fit(self, number, candidates):
        task = self.tasks[number]
        blocks = blocks_of(self.system, task.train)
        names = self.rows.classes
        distances = self.distances[number]
        return fit(self.classifier, blocks, task.labels, names, candidates, self.seed, self.threads, distances)

    def _answer(self, wanted, missing=""):
        """A Prediction for each candidate in `wanted` (None: the chosen one), from the classifiers trained so far."""
        seats = max(self.voices, 1) * len(self.rows.turns)
        classes = np.zeros((len(wanted), seats), dtype=np.int64)
        scores = np.full((len(wanted), seats, len(self.rows.classes)), np.nan)
        notes = [Counter() for _ in wanted]
        for number, trained in self.trained.items():
            task = self.tasks[number]
            blocks = blocks_of(self.system, task.apply, task.train, missing) if missing else self.apply[number]
            numbers = [self.chosen[number] if candidate is None else candidate for candidate in wanted]
            for index, prediction in enumerate(trained.predict(blocks, numbers)):
                classes[index, task.rows] = prediction.classes
                scores[index, task.rows] = prediction.scores
                notes[index].update(prediction.notes)
        several = f" of {len(self.trained)} trainings" if len(self.trained) > 1 else ""
        told = [[note + (several and f", in {n}{several}") for note, n in counted.items()] for counted in notes]
        if not self.voices:
            return [Prediction(*answer) for answer in zip(classes, scores, told, strict=True)]
        return [self._average(s, n, missing) for s, n in zip(scores, told, strict=True)]

    def _average(self, scores, notes, missing):
        """The mean of the probabilities that cross-fitted encoders give, whose logarithm is the score.

        Decision values of several SVMs cannot be averaged, so each is made a probability first, by a sigmoid fitted on the
        validation part; with a substituted modality by the one fitted without.
        """
        scores = scores.reshape(self.voices, len(self.rows.turns), -1)
        if not missing:
            self.probable = [self._probable(of_voice) for of_voice in scores]
        each = [calibration.apply(of_voice) for calibration, of_voice in zip(self.probable, scores, strict=True)]
        mean = np.mean(each, axis=0)
        logarithm = np.log(np.maximum(mean, np.finfo(np.float32).tiny))
        logarithm[np.isnan(scores).all(axis=0)] = np.nan
        return Prediction(mean.argmax(axis=1), logarithm, notes)

    def _probable(self, scores):
        """What makes probabilities of one voice's scores."""
        if self.classifier != "svm":
            return Temperature(1.0)
        judged = self.rows.judged
        sigmoid = fit_sigmoid(scores[judged], self.rows.truth[judged])
        if sigmoid is None:
            raise EmofuseError(
                "An SVM's decision values cannot be made probabilities: the validation part has turns of fewer than two"
                " classes that it has learned. Leave svm out of the classifiers, or set train_vectors: in_sample."
            )
        return sigmoid


def quality(said, truth):
    """WA and UA, what settings are chosen by."""
    right = said == truth
    return right.mean(), np.mean([right[truth == label].mean() for label in np.unique(truth)])


def blocks_of(system, vectors, learned=None, missing=""):
    """The input of a system's classifier: {name: (n, d)}, to be concatenated, of vectors {modality: (n, d)}.

    Something neutral stands for the modality `missing`: ones in a product, else the mean of its rows in `learned`, which is
    zero for standardised vectors.
    """
    inputs = {modality: vectors[modality] for modality in system.modalities}
    if missing:
        inputs[missing] = learned[missing].mean(axis=0, keepdims=True)
        if system.combination == "product":
            inputs[missing] = np.ones_like(inputs[missing])
    return inputs if system.combination in ("", "concat") else {"fused": combine(inputs, system.combination)}


def check_widths(known, vectors):
    """Meet unequal widths before the first, possibly long, training."""
    for system in known:
        if system.kind == "early" and system.combination:
            combine({modality: vectors[modality][:1] for modality in system.modalities}, system.combination)


def calibrated(system, prediction, rows, averaged):
    """What makes a system's scores probabilities, fitted on the validation turns; None where it cannot be."""
    judged = rows.judged
    fitted = fit_sigmoid if system.classifier == "svm" and not averaged else fit_temperature
    return fitted(prediction.scores[judged], rows.truth[judged]) if judged.any() else None


def tabulate(system, prediction, rows, settings, encoders, averaged):
    """One system's predictions, calibrated on the validation turns, as a table, and what the file says of the system."""
    calibration = calibrated(system, prediction, rows, averaged)
    names = np.array(rows.classes)
    columns = {
        "system": pa.array([system.name] * len(rows.turns), pa.string()),
        "turn_id": pa.array(rows.turns, pa.string()),
        "part": pa.array(rows.parts, pa.string()),
        "truth": pa.array(names[rows.truth], pa.string()),
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
