"""Some batches that stand for an epoch, and clips that stand for turns that are not cut yet."""

import numpy as np


def representative(batches, sizes, number):
    """`number` of the batches, in their order, that stand for all: sorted by size and cut into as many groups, from each
    the batch whose size is closest to the group's mean. sizes: float (batches,)."""
    if number >= len(batches):
        return batches
    chosen = []
    for group in np.array_split(np.argsort(sizes, kind="stable"), number):
        chosen.append(group[np.argmin(np.abs(sizes[group] - sizes[group].mean()))])
    return [batches[i] for i in sorted(chosen)]


def stand_ins(lengths, known):
    """For each of (n,) lengths the name of the clip in `known`, {name: length}, whose length is nearest."""
    names = sorted(known, key=lambda name: (known[name], name))
    have = np.array([known[name] for name in names], float)
    right = (
        np.searchsorted(have, lengths).clip(1, max(1, len(have) - 1)) if len(have) > 1 else np.zeros(len(lengths), int)
    )
    left = np.maximum(right - 1, 0)
    nearer = np.abs(have[left] - lengths) <= np.abs(have[right] - lengths)
    return [names[i] for i in np.where(nearer, left, right)]
