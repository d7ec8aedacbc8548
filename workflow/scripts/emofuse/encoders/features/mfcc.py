"""MFCC statistics: the shape of the spectrum, how much it varies, and how fast."""

from functools import cache

import torch
import torchaudio

from emofuse.encoders.features._statistics import log_mel, slopes, steps, summary

PLACE = 2
BANDS, COEFFICIENTS = 40, 20


def make():
    """A function of a waveform, float32 (n,) at 16 kHz, that gives float32 (60,)."""
    return lambda samples: summary(_coefficients(samples)).numpy()


def make_steps():
    """A function of a waveform, float32 (n,) at 16 kHz, that gives its coefficients and their slopes, float32 (frames, 40),
    and seconds (frames,)."""

    def steps_of(samples):
        frames = _coefficients(samples)
        return steps(torch.cat([frames, slopes(frames)]))

    return steps_of


def _coefficients(samples):
    return _cosines().T @ log_mel(samples, BANDS)


@cache
def _cosines():
    return torchaudio.functional.create_dct(COEFFICIENTS, BANDS, "ortho")
