"""Measures how well classes are recognised: accuracies and F1, of numbers of turns or of predictions."""

import numpy as np

MEASURES = ("wa", "ua", "macro_f1", "weighted_f1")


def measures(support, hits, said):
    """{measure: (...)} of numbers of turns by class, arrays (..., C) that broadcast against each other.

    The conventions are those of `measure`: ua is the mean over the classes that have turns, macro_f1 over
    those that have turns or predictions; weighted_f1 weighs by turns.
    """
    turns = support.sum(axis=-1)
    present = support > 0
    either = support + said
    f1 = 2 * hits / np.maximum(either, 1)
    return {
        "wa": hits.sum(axis=-1) / turns,
        "ua": (hits / np.maximum(support, 1)).sum(axis=-1) / present.sum(axis=-1),
        "macro_f1": f1.sum(axis=-1) / (either > 0).sum(axis=-1),
        "weighted_f1": (f1 * support).sum(axis=-1) / turns,
    }


def measure(truth, prediction, classes):
    """Scores of predictions, as fractions; truth and prediction are (n,) class indices, n > 0, below `classes`.

    n; wa (weighted accuracy: plain accuracy); ua (unweighted accuracy: mean of the classes' recalls); macro_f1,
    weighted_f1; precision, recall, f1, support, each (classes,); confusion (classes, classes), truth by prediction.

    What is not defined is nan: the recall of a class without turns, the precision of one never predicted, the F1 of one
    with neither. ua is the mean over the classes that have turns, macro_f1 over those that have turns or predictions (a
    class predicted though it has no turn counts with F1 0), as sklearn's balanced_accuracy_score and f1_score do it; a
    run has ten thousands of these, for which sklearn would need minutes.
    """
    confusion = np.bincount(truth * classes + prediction, minlength=classes**2).reshape(classes, classes)
    hits, support, said = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    with np.errstate(invalid="ignore"):
        by_class = {"precision": hits / said, "recall": hits / support, "f1": 2 * hits / (support + said)}
    scores = {name: float(score) for name, score in measures(support, hits, said).items()}
    return {"n": len(truth), **scores, **by_class, "support": support, "confusion": confusion}
