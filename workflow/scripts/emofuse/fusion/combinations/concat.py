"""The vectors side by side."""

import numpy as np

PLACE = 3
TITLE = "concatenation"
SIDE_BY_SIDE = True


def combine(vectors):
    """A list of (n, d), of any widths, to one (n, sum of d)."""
    return np.concatenate(vectors, axis=1)
