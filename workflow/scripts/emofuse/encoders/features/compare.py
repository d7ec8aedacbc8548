"""openSMILE's ComParE_2016: 6,373 functionals, the baseline of many challenges."""

from emofuse.encoders.features._opensmile import functionals

PLACE = 4


def make():
    """A function of a waveform, float32 (n,) at 16 kHz, that gives float32 (6373,)."""
    return functionals("ComParE_2016")
