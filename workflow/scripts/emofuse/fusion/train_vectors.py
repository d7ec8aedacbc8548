"""Says which vectors classifiers are trained on and which they are applied to: the three kinds of training vectors."""

from dataclasses import dataclass, field

import numpy as np

from emofuse.fusion.alignment import scale, softmax, temperatures
from emofuse.runtime.errors import EmofuseError
from emofuse.splits.speakers import speaker_folds


@dataclass
class Task:
    """What one classifier is trained on, and what it is applied to.

    `train`: {modality: (m, d) float64}, with the class indices `labels`, (m,). `apply`: {modality: (n, d) float64}.
    `rows`: (n,) where its predictions belong, among the validation and test turns of a split in the order of their ids;
    where several encoders speak, those of the second follow the first's, and so on. `unlabelled`, `unlabelled_rows`: as apply
    and rows, of the turns of no class; nothing where another task speaks of the test part.
    """

    train: dict[str, np.ndarray]
    labels: np.ndarray
    apply: dict[str, np.ndarray]
    rows: np.ndarray
    unlabelled: dict[str, np.ndarray] = field(default_factory=dict)
    unlabelled_rows: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))


def tasks(kind, train_vectors, data, refit=None, folds=()):
    """The Tasks of `kind` (early: standardised embeddings; late: softmax outputs) on one split.

    data, refit, folds: Aligned of the split's encoders, of those trained anew with the validation part (or None), and of
    the cross-fitted ones. `train_vectors` says who learns from what:

    - in_sample: one classifier from the training part. With `refit` it is asked about the validation turns alone, and one
      of the new encoders' training part about the test turns.
    - validation: from the validation part, asked about the test turns; what is said of the validation turns comes from
      classifiers that learned from the part's other speakers (`speaker_folds`), for the test turns are other speakers' too.
    - cross_fitted: early, from the part `held` of each of the `folds` one classifier, for that encoder's vectors; late,
      from all of them one, for the softmax outputs of each.

    Scaling is fitted on the rows learned from, the softmax outputs' temperatures on the validation part, but where that is
    learned from, on the rows learned from too. Neither looks at the test part. Turns of no class are asked about as test turns
    are, and nothing is fitted on them.
    """
    if train_vectors == "cross_fitted":
        return _cross_fitted(kind, folds)
    return _validation(kind, data) if train_vectors == "validation" else _in_sample(kind, data, refit)


def _in_sample(kind, data, refit):
    # Also those of the encoders trained anew, which leave no validation part to fit them on.
    warmth = temperatures(data, data.parts == "val")
    parts = data.parts[data.asked]
    if refit is None:
        return [_task(kind, data, data.parts == "train", data.asked, warmth, np.arange(len(parts)), voice=0)]
    return [
        _task(kind, of, of.parts == "train", of.parts == part, warmth, np.flatnonzero(parts == part), voice)
        for of, part, voice in ((data, "val", None), (refit, "test", 0))
    ]


def _validation(kind, data):
    val, test = np.flatnonzero(data.parts == "val"), np.flatnonzero(data.parts == "test")
    folds = speaker_folds(data.labels[val], data.speakers[val], data.dialogs[val])
    if not folds:
        raise EmofuseError(
            "train_vectors: 'validation' needs a validation part of two speakers or dialogs or more, with two turns of a"
            " class or more: what is said of one has to be learned from others. Set train_vectors: in_sample, or another"
            " validation rule."
        )
    inside = [(val[learned], val[asked]) for learned, asked in folds]
    place = np.cumsum(data.asked) - 1
    return [
        _task(kind, data, learned, asked, temperatures(data, learned), place[asked], voice)
        for learned, asked, voice in [*((*fold, None) for fold in inside), (val, test, 0)]
    ]


def _cross_fitted(kind, folds):
    each = [
        _task(
            kind,
            fold,
            fold.parts == "held",
            fold.asked,
            temperatures(fold, fold.parts == "val"),
            number * fold.asked.sum() + np.arange(fold.asked.sum()),
            voice=number,
        )
        for number, fold in enumerate(folds)
    ]
    if kind == "early":
        return each

    def of_all(name):
        values = [getattr(task, name) for task in each]
        if isinstance(values[0], dict):
            return {modality: np.concatenate([value[modality] for value in values]) for modality in values[0]}
        return np.concatenate(values)

    return [
        Task(**{name: of_all(name) for name in ("train", "labels", "apply", "rows", "unlabelled", "unlabelled_rows")})
    ]


def _task(kind, data, learned, asked, warmth, answers, voice):
    """voice: its number among the encoders that speak of the test part; None where it does not."""
    task = Task({}, data.labels[learned], {}, answers)
    for modality, logits in data.logits.items():  # one at a time, for of many turns each is half a gigabyte
        if kind == "early":
            x = scale({modality: data.embeddings[modality]}, learned)[modality]
        else:
            x = softmax(logits / warmth[modality])
        task.train[modality], task.apply[modality] = x[learned], x[asked]
        if voice is not None:
            task.unlabelled[modality] = x[data.unlabelled]
    if voice is not None:
        task.unlabelled_rows = voice * data.unlabelled.sum() + np.arange(data.unlabelled.sum())
    return task
