"""Reverberation of a room."""

import numpy as np

from emofuse.media.wav import RATE
from emofuse.robustness.degradations._noise import active_level, unclipped

PLACE = 3
TITLE = "Reverberation"
MODALITY = "audio"
UNIT = "RT60 (s)"
SAID = "RT60 {:g} s"
SENTENCE = (
    "reverberation that takes so many seconds to decay by 60 dB: exponentially decaying noise, as strong in all as the direct "
    "sound; the level of active speech stays"
)
SEVERITIES = [0.3, 0.6, 1.0]
RANGE = (0.05, 10)


def degrade(samples, severity, turn):
    """float32 (n,) in -1..1 at 16 kHz; severity: RT60 in seconds."""
    from scipy.signal import fftconvolve

    wet = fftconvolve(samples, impulse_response(severity, turn.rng))[: len(samples)]
    before, after = active_level(samples), active_level(wet)
    return unclipped(wet * (before / after)) if before and after else samples


def impulse_response(seconds, rng):
    """float64 (n,) at 16 kHz: the direct sound and a tail of the same energy that decays by 60 dB in so many seconds."""
    time = np.arange(1, int(1.2 * seconds * RATE)) / RATE
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / seconds)
    return np.concatenate([[1.0], tail / np.linalg.norm(tail)])
