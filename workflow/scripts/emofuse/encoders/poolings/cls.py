"""The first position."""

PLACE = 1


def pool(states, mask):
    """(W, T, width) -> (W, width)."""
    return states[:, 0]
