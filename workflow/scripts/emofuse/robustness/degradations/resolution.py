"""Fewer pixels."""

import numpy as np

PLACE = 4
TITLE = "Lower resolution"
MODALITY = "video"
UNIT = "times fewer pixels a side"
SAID = "1/{:g} a side"
SENTENCE = "pictures of so many times fewer pixels a side than the encoder reads, made large again"
SEVERITIES = [2, 4, 8]
RANGE = (1, 64)


def degrade(pictures, severity, turn):
    """uint8 (frames, 3, height, width) as the encoder reads them; severity: how many times fewer pixels a side."""
    import torch
    from torch.nn.functional import interpolate

    size = pictures.shape[-2:]
    small = [max(1, round(side / severity)) for side in size]
    coarse = interpolate(torch.from_numpy(pictures).float(), size=small, mode="area")
    fine = interpolate(coarse, size=tuple(size), mode="bilinear")
    return fine.round().clamp(0, 255).numpy().astype(np.uint8)
