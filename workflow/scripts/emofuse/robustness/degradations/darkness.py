"""Less light."""

import numpy as np

PLACE = 6
TITLE = "Darkness"
MODALITY = "video"
UNIT = "stops darker"
SAID = "{:g} stops"
SENTENCE = "pictures so many stops darker, each of which halves the light (gamma 2.2), without the noise of a camera"
SEVERITIES = [2, 4, 6]
RANGE = (0, 16)


def degrade(pictures, severity, turn):
    """uint8 (frames, 3, height, width); severity: stops of exposure that lack."""
    return np.rint(pictures * 2 ** (-severity / 2.2)).astype(np.uint8)
