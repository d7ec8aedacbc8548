"""White noise."""

from emofuse.robustness.degradations._noise import mixed

PLACE = 2
TITLE = "White noise"
MODALITY = "audio"
UNIT = "SNR (dB)"
SAID = "{:g} dB"
SENTENCE = "white noise, so many dB below the level of active speech"
SEVERITIES = [20, 10, 0]
RANGE = (-60, 100)


def degrade(samples, severity, turn):
    """float32 (n,) in -1..1 at 16 kHz; severity: SNR in dB."""
    return mixed(samples, turn.rng.standard_normal(len(samples)), severity)
