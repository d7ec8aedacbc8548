"""The sum of the vectors; of softmax outputs, decided by argmax, their mean."""

from functools import reduce

import numpy as np

PLACE = 1
TITLE = "sum"
ONE_WIDTH = True
ARGMAX = True


def combine(vectors):
    """A list of (n, d), one of which may have a single row, to one (n, d)."""
    return reduce(np.add, vectors)


def log_probabilities(each):
    """A list of log softmax outputs, (n, classes), to the logarithm of what argmax decides by."""
    return np.logaddexp.reduce(each) - np.log(len(each))
