"""Words that a speech recogniser hears, through babble."""

from emofuse.robustness.degradations import babble

PLACE = 8
TITLE = "Recognised words"
MODALITY = "text"
UNIT = "SNR (dB)"
SAID = "{:g} dB"
SENTENCE = (
    "what the Whisper model of predict.asr recognises in the turn's sound under babble, so many dB below the level of active "
    "speech; 60 dB cannot be heard"
)
SEVERITIES = [60, 20, 10, 0]
RANGE = (-60, 100)
LISTENS = True  # needs an ASR model and the clips of sound


def degrade(words, severity, turn):
    """A turn's text; severity: SNR in dB of the sound that is listened to. '' where a turn has no sound."""
    samples = turn.sound(turn.turn)
    return "" if samples is None else turn.listen(babble.degrade(samples, severity, turn))
