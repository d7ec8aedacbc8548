"""openSMILE's eGeMAPSv02: 88 functionals of loudness, pitch, timbre and rhythm."""

from emofuse.encoders.features._opensmile import functionals

PLACE = 3


def make():
    """A function of a waveform, float32 (n,) at 16 kHz, that gives float32 (88,)."""
    return functionals("eGeMAPSv02")
