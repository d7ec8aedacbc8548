"""Deals turns into folds of whole speakers, so that what is said of one was learned from others."""

import warnings

import numpy as np

FOLDS = 5


def speaker_folds(labels, speakers, dialogs):
    """Pairs of row indices (learn, ask): whole speakers in up to FOLDS parts of like classes, each asked once.

    labels: (n,) class indices; speakers, dialogs: (n,) names. Whole dialogs where one speaker says all. A classifier that
    has learned a speaker's way does better on that speaker's other dialogs than on anybody else, and would be chosen for
    it. None where there is but one speaker and one dialog.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    groups = speakers if len(np.unique(speakers)) > 1 else dialogs
    count = min(FOLDS, len(np.unique(groups)), np.bincount(labels).max(initial=0))
    if count < 2:
        return []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")  # then some part lacks it
        folds = list(StratifiedGroupKFold(count).split(labels, labels, groups))
    return [(learned, asked) for learned, asked in folds if len(asked)]
