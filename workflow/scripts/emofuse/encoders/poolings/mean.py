"""The mean over real positions, never over padding."""

PLACE = 2


def pool(states, mask):
    """(W, T, width) -> (W, width); mask: (W, T), 1 at real positions and 0 at padding, or None where all are real."""
    if mask is None:
        return states.mean(1)
    mask = mask[:, :, None].to(states.dtype)
    return (states * mask).sum(1) / mask.sum(1)
