"""Directs a dialog: who says what and when, and what each modality shows."""

from dataclasses import dataclass

from emofuse.demo.chance import generator, raw_labels, shown_classes, speaking_order
from emofuse.demo.words import say

SAMPLE_RATE = 16_000  # hertz
ENDS_EARLY = {"Ses05M_script01_1b"}  # its last turns, LATE of them, lie past the end of its wav and avi
LATE = 2


@dataclass(frozen=True)
class Turn:
    """One turn as it is to be played: times in seconds; `words_class` and so on are the classes shown."""

    turn_id: str
    gender: str
    start: float
    end: float
    label: str
    words: str
    words_class: str
    voice_class: str
    face_class: str

    @property
    def samples(self):
        """Length of the turn's own wav, in samples."""
        return round((self.end - self.start) * SAMPLE_RATE)


def direct(dialog, seed):
    """The turns of a dialog in the order of their start: who says what and when, and what each modality shows."""
    rng, order, labels = generator(seed, dialog, "times"), speaking_order(dialog, seed), raw_labels(dialog, seed)
    clock, own_end, turns = 1.0, {"F": 0.0, "M": 0.0}, []
    for i, turn_id in enumerate(order):
        gender = turn_id[-4]
        if dialog in ENDS_EARLY and i == len(order) - LATE:
            clock += 1.0  # wav and avi end in this pause
        start = max(clock + rng.uniform(-0.4, 0.2), own_end[gender] + 0.1)
        end = start + rng.uniform(0.7, 1.4)
        clock = own_end[gender] = end
        label = labels[turn_id]
        shown = shown_classes(turn_id, label, seed)
        words = say(turn_id, dialog, shown["words"], seed)
        times = round(float(start), 4), round(float(end), 4)
        turns.append(Turn(turn_id, gender, *times, label, words, shown["words"], shown["voice"], shown["face"]))
    return turns


def medium_end(dialog, turns):
    """Seconds of wav and avi: a little more than the turns that they hold."""
    held = turns[:-LATE] if dialog in ENDS_EARLY else turns
    return max(turn.end for turn in held) + 0.5
