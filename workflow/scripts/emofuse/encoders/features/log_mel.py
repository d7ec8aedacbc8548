"""Log-mel statistics: how strong each band of the sound is, how much that varies, and how fast."""

from emofuse.encoders.features._statistics import log_mel, steps, summary

PLACE = 1
BANDS = 40


def make():
    """A function of a waveform, float32 (n,) at 16 kHz, that gives float32 (120,)."""
    return lambda samples: summary(log_mel(samples, BANDS)).numpy()


def make_steps():
    """A function of a waveform, float32 (n,) at 16 kHz, that gives its bands, float32 (frames, 40), and seconds (frames,)."""
    return lambda samples: steps(log_mel(samples, BANDS))
