"""Trains a system of the config's section `systems` on a split, chooses its settings, and writes what it says."""

import json
import logging
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from emofuse.clips.files import read_manifests
from emofuse.encoders.stores import why_left_out
from emofuse.fusion.alignment import DESCRIPTION, refuse_foreign
from emofuse.fusion.calibration import fit_sigmoid
from emofuse.fusion.classification import calibrated, tabulate
from emofuse.fusion.dialogs import read_turns
from emofuse.fusion.ensemble import Rows, quality
from emofuse.fusion.learning import combinations_of
from emofuse.fusion.networks import Task
from emofuse.fusion.systems import MODELS
from emofuse.fusion.unlabelled import UNLABELLED
from emofuse.fusion.vectors import Prediction
from emofuse.runtime import kinds
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_metadata, write_parquet

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Training:
    """How a system is trained. system: a `systems.System` of the kind named. settings: its own, of which a list may be chosen
    from. crossed: whether it learns from cross-fitted encoders."""

    system: object
    settings: dict
    crossed: bool
    seed: int
    threads: int

    @property
    def module(self):
        """Its file."""
        return kinds.load(MODELS, self.system.classifier)

    @property
    def candidates(self):
        """All settings to choose from, each with one value."""
        listed = {key for key, setting in self.module.SETTINGS.items() if setting.get("listed")}
        return combinations_of({key: v if key in listed else [v] for key, v in self.settings.items()})

    @property
    def decides(self):
        """Whether its scores are decision values, and no logarithms of probabilities."""
        return getattr(self.module, "DECISION_VALUES", False)


def train_system(how, turns, source, without, output, refit=None, folds=(), unlabelled=()):
    """Write what a named system says of the validation and test turns of a split, and of the `unlabelled` ones that the run
    keeps, as `classification.classify` does of other systems.

    how: a Training. turns: path of turns.parquet. source: a `classification.Source` of the encoders' embeddings or sequences,
    whichever the system reads; its trainings are those of encoders that are fine-tuned. without: {turn: why}, the turns that
    the run leaves out. refit: None, or the Source with the validation part in its training part; then what is said of test
    turns comes from there. folds: the Sources of cross-fitted encoders, from whose held parts it learns, one after the other.

    Settings are chosen by WA on the validation part (of equals the better UA, then the first), epochs by its loss. Metadata
    beside those of `classify`: training (JSON: what each training says of itself).
    """
    part, sources = ("held", folds) if folds else ("train", [source])
    given = [*sources, *([refit] if refit else [])]
    read, candidates = [_read(how, turns, of) for of in given], how.candidates
    own = read[0]
    if other := [of.split for of in read if not np.array_equal(of.ids, own.ids)]:
        raise EmofuseError(
            f"{', '.join(other)}: not the dialogs of {own.split}; make the splits again from one corpus."
        )
    if not (own.parts == "val").any():
        raise EmofuseError(f"{own.split} has no validation part, on which the epochs of {how.system.name} are chosen.")
    order = np.argsort(own.ids, kind="stable")
    kept = ~np.isin(own.ids, list(without))
    of_class, beside = np.isin(own.parts, ("val", "test")) & kept, np.isin(own.ids, list(unlabelled)) & kept
    asked = np.concatenate([order[of_class[order]], order[beside[order]]])
    rows = Rows(own.ids[asked], np.where(beside, UNLABELLED, own.parts)[asked], own.labels[asked], own.classes)
    trained = [_train(how, part, of, kept, candidates) for of in read[: len(sources)]]
    tried = [_together(how, [of.ask(asked) for of in each], rows) for each in zip(*trained, strict=True)]
    said = [scores[rows.judged].argmax(1) for scores in tried]
    best = max(range(len(tried)), key=lambda number: quality(said[number], rows.truth[rows.judged]))
    scores, settings, records = tried[best], candidates[best], [of[best].record for of in trained]
    if refit:
        [again] = _train(how, "train", read[-1], kept, [settings], like=records[0])
        scores = np.where(rows.judged[:, None], scores, again.ask(asked))
        records.append(again.record)
    notes = getattr(how.module, "notes", lambda settings: [])(settings)
    notes += [f"{(~of[asked]).sum()} turns have no {m}" for m, of in own.there.items() if not of[asked].all()]
    learned = sorted({note for record in records for note in record.get("notes", ())})
    for note in learned:
        log.warning("%s on %s, seed %s: %s", how.system.name, own.split, how.seed, note)
    notes += learned
    prediction = Prediction(scores.argmax(1), scores, notes)
    calibration = calibrated(prediction, rows, how.decides and not folds)
    encoders = {m: read_metadata(path)["encoder"] for m, path in source.embeddings.items()}
    table, facts = tabulate(how.system, prediction, rows, settings, encoders, calibration)
    kind = "cross_fitted" if folds else "in_sample"
    stores = {of.split: _described(each.embeddings) for of, each in zip(read, given, strict=True)}
    metadata = {
        "split": own.split,
        "seed": str(how.seed),
        "protocol": read_metadata(source.split)["protocol"],
        "classes": json.dumps(own.classes),
        "train_vectors": kind,
        "refit": json.dumps(refit is not None),
        "left_out": json.dumps({turn: without[turn] for turn in sorted(own.ids[(own.parts != "") & ~kept])}),
        "stores": json.dumps(stores),
        "systems": json.dumps([facts | {"train_vectors": kind}]),
        "training": json.dumps(records),
    }
    write_parquet(output, table, metadata)


def _read(how, turns, source):
    """The Turns of a source, whose encoders are those of its split."""
    tuned = {m: path for m, path in source.embeddings.items() if m in source.trainings}
    refuse_foreign(tuned, source.trainings, source.split, how.seed)
    if strange := [p for m, p in source.embeddings.items() if m not in tuned and read_metadata(p)["frozen"] != "true"]:
        raise EmofuseError(f"Leak: {', '.join(map(str, strange))}: not of a frozen encoder; delete it and run again.")
    stores = source.embeddings if how.module.READS == "vectors" else {}
    sequences = {} if stores else source.embeddings
    return read_turns(turns, source.split, stores, sequences)


def _described(stores):
    """{modality: what describes its encoder}; stores: {modality: path}."""
    metadata = {modality: read_metadata(path) for modality, path in stores.items()}
    return {modality: {key: of.get(key, "") for key in DESCRIPTION} for modality, of in metadata.items()}


def _train(how, part, turns, kept, candidates, like=None):
    """One that has learned from a part for each of the candidates."""
    learned, judged = (turns.parts == part) & kept, (turns.parts == "val") & kept
    return how.module.train(Task(turns, learned, judged, candidates, how.seed, how.threads, like))


def _together(how, scores, rows):
    """Scores (n, classes) float64 of one or several: of cross-fitted ones the logarithm of the mean of their probabilities."""
    if not how.crossed:
        return scores[0]
    if how.decides:  # decision values of several machines cannot be averaged
        fitted = [fit_sigmoid(each[rows.judged], rows.truth[rows.judged]) for each in scores]
        if None in fitted:
            raise EmofuseError(
                f"{how.system.name}: the validation part has turns of fewer than two classes that it has learned."
            )
        scores = [np.log(np.maximum(f.apply(each), 1e-30)) for f, each in zip(fitted, scores, strict=True)]
    return logsumexp(scores, axis=0) - np.log(len(scores))


def left_out(manifests, outside):
    """{turn: why} of the turns without a clip in one of the run's modalities, which it leaves out, as `alignment.align` says.

    manifests: {modality: paths}; outside: {modality: store of vectors that were made elsewhere}.
    """
    reasons = {}
    for modality, paths in manifests.items():
        missing = {t: why_left_out(row) for t, row in read_manifests(paths).items() if row["status"] != "ok"}
        if modality in outside:
            missing = json.loads(read_metadata(outside[modality])["left_out"])
        for turn, why in missing.items():
            reasons.setdefault(turn, []).append(f"{modality}: {why}")
    return {turn: "; ".join(why) for turn, why in sorted(reasons.items())}
