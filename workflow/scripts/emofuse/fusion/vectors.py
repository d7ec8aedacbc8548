"""What classifiers are made of: what they learn from, what they say, and how many threads BLAS has."""

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController

from emofuse.fusion.distances import Distances


@dataclass
class Prediction:
    """What a classifier says of n turns: class indices (n,) and scores (n, classes) float64.

    softmax(scores) are its probabilities, but for the SVM's scores, which are decision values. A class without a single
    training turn has score nan. `notes` are remarks for the reader.
    """

    classes: np.ndarray
    scores: np.ndarray
    notes: list[str] = field(default_factory=list)


def joined(first, second):
    """Two Predictions one after the other, with the first one's notes."""
    both = (np.concatenate([getattr(of, name) for of in (first, second)]) for name in ("classes", "scores"))
    return Prediction(*both, first.notes)


@dataclass(frozen=True)
class Lesson:
    """What a classifier learns from. blocks: vectors to be concatenated side by side, {name: (m, d) float64}. labels: (m,)
    indices, 0 to the number of classes that are there, less one. distances: the `Distances` from these blocks."""

    blocks: dict[str, np.ndarray]
    labels: np.ndarray
    seed: int
    threads: int
    distances: Distances


def blas_threads(count):
    """A context in which BLAS runs on `count` threads."""
    return _libraries().limit(limits=count, user_api="blas")


@cache
def _libraries():
    return ThreadpoolController()  # looks through all that is loaded, which takes longer than many a prediction


def side_by_side(blocks, dtype=np.float64):
    """The concatenation of blocks, {name: (n or 1, d)}, as (n, sum of d)."""
    rows = max(len(x) for x in blocks.values())
    wide = [np.broadcast_to(x, (rows, x.shape[1])) for x in blocks.values()]
    return np.concatenate(wide, axis=1, dtype=dtype, casting="same_kind")
