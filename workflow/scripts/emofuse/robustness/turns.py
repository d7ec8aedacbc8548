"""What a degradation is told of a turn: its name, chance of its own, the voices of others, its sound."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from emofuse.clips.files import clip_path
from emofuse.media.wav import read_clip
from emofuse.runtime import kinds

DEGRADATIONS = "robustness/degradations"


@dataclass
class Turn:
    """A turn that is degraded. rng: of this turn, degradation and seed alone, so that all severities draw the same. others:
    function of a count, waveforms of that many turns of others. sound: function of a turn's id, its waveform or None.
    listen: function of a waveform, its words; None without an ASR model."""

    turn: str
    rng: np.random.Generator
    others: Callable
    sound: Callable
    listen: Callable | None = None


class Sound:
    """The clips of sound of a corpus, of which those of the test part babble. Waveforms are float32 (n,) in -1..1 at 16 kHz."""

    def __init__(self, clips, manifest, speakers):
        """clips: folder of all clips. manifest: turn -> row. speakers: {turn: speaker} of the test part."""
        self.clips, self.manifest, self.speakers = clips, manifest, speakers
        self.voices = sorted(turn for turn in speakers if manifest.get(turn, {}).get("status") == "ok")

    def read(self, turn):
        """The waveform of a turn; None where it has no clip."""
        row = self.manifest.get(turn, {})
        if row.get("status") != "ok":
            return None
        return read_clip(clip_path(self.clips, "audio", turn), int(row["frames"])).astype(np.float32) / 32_768

    def others(self, turn, rng, count):
        """Waveforms of `count` turns of the test part at most: of other speakers, or where it has one speaker, other turns."""
        speaker = self.speakers.get(turn)
        found = [other for other in self.voices if self.speakers[other] != speaker]
        found = found or [other for other in self.voices if other != turn]
        drawn = rng.choice(len(found), min(count, len(found)), replace=False) if found else ()
        return [self.read(found[number]) for number in drawn]


def changing(name, severity, seed, sound, listen=None):
    """A function of a turn's id and what is read of it (a waveform, pictures or words) that gives it degraded.

    name, severity: of a degradation. sound: a `Sound`, or None of pictures. listen: as in Turn.
    """
    module = kinds.load(DEGRADATIONS, name)

    def change(turn, signal):
        key = hashlib.sha256(f"{seed} {name} {turn}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(key[:8], "little"))
        read = sound.read if sound else None
        told = Turn(turn, rng, lambda count: sound.others(turn, rng, count), read, listen)
        return module.degrade(signal, severity, told)

    return change
