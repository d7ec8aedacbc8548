"""Trains a system of the config's section `systems` on a split, chooses its settings, and writes what it says."""

import itertools
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
        values = [v if key in listed and isinstance(v, list) else [v] for key, v in self.settings.items()]
        return [dict(zip(self.settings, each, strict=True)) for each in itertools.product(*values)]

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
    parts = [("train", source), *([("train", refit)] if refit else [])] if not folds else [("held", of) for of in folds]
    known = [(part, _read(how, turns, of)) for part, of in parts]
    own = known[0][1]
    if other := [of.split for _, of in known if not np.array_equal(of.ids, own.ids)]:
        raise EmofuseError(
            f"{', '.join(other)}: not the dialogs of {own.split}; make the splits again from one corpus."
        )
    if not (own.parts == "val").any():
        raise EmofuseError(f"{own.split} has no validation part, on which the epochs of {how.system.name} are chosen.")
    order = np.argsort(own.ids, kind="stable")
    kept = ~np.isin(own.ids, list(without))
    of_class, others = np.isin(own.parts, ("val", "test")) & kept, np.isin(own.ids, list(unlabelled)) & kept
    asked = np.concatenate([order[of_class[order]], order[others[order]]])
    rows = Rows(own.ids[asked], np.where(others, UNLABELLED, own.parts)[asked], own.labels[asked], own.classes)
    tried = [_answer(how, settings, known, bool(refit), kept, asked, rows) for settings in how.candidates]
    said = [scores[rows.judged].argmax(1) for scores, _ in tried]
    best = max(range(len(tried)), key=lambda number: quality(said[number], rows.truth[rows.judged]))
    scores, records = tried[best]
    settings = how.candidates[best]
    notes = getattr(how.module, "notes", lambda settings: [])(settings)
    notes += [f"{(~of[asked]).sum()} turns have no {m}" for m, of in own.there.items() if not of[asked].all()]
    prediction = Prediction(scores.argmax(1), scores, notes)
    descriptions = {m: _described(path) for m, path in source.embeddings.items()}
    calibration = calibrated(prediction, rows, how.decides and not folds)
    encoders = {m: of["encoder"] for m, of in descriptions.items()}
    table, facts = tabulate(how.system, prediction, rows, settings, encoders, calibration)
    kind = "cross_fitted" if folds else "in_sample"
    read = zip(known, (of for _, of in parts), strict=True)
    stores = {of.split: {m: _described(path) for m, path in each.embeddings.items()} for (_, of), each in read}
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


def _described(path):
    metadata = read_metadata(path)
    return {key: metadata.get(key, "") for key in DESCRIPTION}


def _answer(how, settings, known, refit, kept, asked, rows):
    """(scores of the asked turns, (n, classes) float64; the records of its trainings) with some settings."""
    records, scores = [], []
    for part, turns in known:
        like = records[0] if refit and records else None
        learned, judged = (turns.parts == part) & kept, (turns.parts == "val") & kept
        trained = how.module.train(Task(turns, learned, judged, settings, how.seed, how.threads, like))
        records.append(trained.record)
        scores.append(trained.ask(asked))
    if refit:
        first, anew = scores
        return np.where(rows.judged[:, None], first, anew), records
    if not how.crossed:
        return scores[0], records
    if how.decides:  # decision values of several machines cannot be averaged
        fitted = [fit_sigmoid(each[rows.judged], rows.truth[rows.judged]) for each in scores]
        if None in fitted:
            raise EmofuseError(
                f"{how.system.name}: the validation part has turns of fewer than two classes that it has learned."
            )
        scores = [np.log(np.maximum(f.apply(each), 1e-30)) for f, each in zip(fitted, scores, strict=True)]
    return logsumexp(scores, axis=0) - np.log(len(scores)), records


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
