"""The product of the vectors, number by number; of softmax outputs, decided by argmax, likewise."""

from functools import reduce

import numpy as np

PLACE = 2
TITLE = "product"
ONE_WIDTH = True
ARGMAX = True
NEUTRAL = 1.0


def combine(vectors):
    """A list of (n, d), one of which may have a single row, to one (n, d)."""
    return reduce(np.multiply, vectors)


def log_probabilities(each):
    """A list of log softmax outputs, (n, classes), to the logarithm of what argmax decides by."""
    return np.add.reduce(each)
