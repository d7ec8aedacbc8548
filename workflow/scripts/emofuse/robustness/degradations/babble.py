"""Other people's voices, talking at once."""

import numpy as np

from emofuse.robustness.degradations._noise import active_level, mixed

PLACE = 1
TITLE = "Babble"
MODALITY = "audio"
UNIT = "SNR (dB)"
SAID = "{:g} dB"
SENTENCE = (
    "six other turns of the same test part, of other speakers where it has any, overlaid at one level, so many dB below the "
    "level of active speech"
)
SEVERITIES = [20, 10, 0]
RANGE = (-60, 100)
VOICES = 6


def degrade(samples, severity, turn):
    """float32 (n,) in -1..1 at 16 kHz; severity: SNR in dB."""
    return mixed(samples, voices(len(samples), turn), severity)


def voices(length, turn):
    """float64 (length,): turns of others, each from a place drawn at random, again from its start where it is too short."""
    total = np.zeros(length)
    for other in turn.others(VOICES):
        level = active_level(other)
        if level:
            total += np.resize(np.roll(other, -int(turn.rng.integers(len(other)))), length) / level
    return total
