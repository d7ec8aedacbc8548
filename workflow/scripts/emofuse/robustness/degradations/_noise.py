"""What noise is measured by: the level of active speech."""

import numpy as np

FRAME = 320  # samples, 20 ms
BELOW = 30.0  # dB below the loudest frame, to which a frame counts as speech


def active_level(samples):
    """RMS of the frames of 20 ms that are at most 30 dB below the loudest one; 0 of silence.

    Pauses do not count, as in ITU-T P.56, of which this is a simple form. samples: float (n,).
    """
    padded = np.pad(np.asarray(samples, np.float64), (0, -len(samples) % FRAME))
    power = (padded.reshape(-1, FRAME) ** 2).mean(axis=1)
    if not len(power) or not power.max():
        return 0.0
    return float(np.sqrt(power[power >= power.max() * 10 ** (-BELOW / 10)].mean()))


def mixed(samples, noise, snr):
    """Speech, float32 (n,), with noise (n,) so loud that active speech is `snr` dB above the noise's RMS.

    Sound in which nothing is active, or noise that is none, changes nothing: there is no level to set the other by.
    """
    level, rms = (
        active_level(samples),
        float(np.sqrt(np.mean(np.square(noise, dtype=np.float64)))) if len(noise) else 0.0,
    )
    if not level or not rms:
        return samples
    return unclipped(samples + noise * (level / rms * 10 ** (-snr / 20)))


def unclipped(samples):
    """float32 samples in -1..1: made quieter as a whole where they would be louder, which leaves the SNR as it is."""
    return (samples / max(1.0, float(np.abs(samples).max()))).astype(np.float32)
