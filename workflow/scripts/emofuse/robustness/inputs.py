"""Puts a degradation between what is read of a turn and what its encoder takes, as encoders/inputs.py has both."""

from copy import copy
from pathlib import Path

import numpy as np
import torch

from emofuse.encoders.frozen import Sounds
from emofuse.encoders.inputs import SHORTEST, AudioInputs, VideoInputs
from emofuse.media.wav import read_clip


def degraded(inputs, change):
    """TextInputs, ContextInputs, AudioInputs or VideoInputs whose turns are read through `change`, a function of (turn id,
    signal): sound as the whole turn's waveform, pictures as the encoder's windows of them, words before they are tokenised,
    those of the turns around too."""
    made = copy(inputs)
    if isinstance(inputs, AudioInputs):
        made.windows = lambda path, length, rng=None: _slices(inputs, change(Path(path).stem, _waveform(path, length)))
    elif isinstance(inputs, VideoInputs):
        made.windows = lambda path, length, rng=None: [
            change(Path(path).stem, window) for window in inputs.windows(path, length)
        ]
    else:
        made.words = lambda path, length: change(Path(path).stem, inputs.words(path, length))
        made.known = {}  # of ContextInputs: tokens of the words as they were
    return made


def _waveform(path, length):
    return read_clip(path, length).astype(np.float32) / 32_768


def _slices(inputs, samples):
    """The windows for evaluation, as AudioInputs cuts and fills them."""
    slices = [samples[start : start + inputs.most] for start in inputs.starts(len(samples))]
    return [np.pad(each, (0, max(0, min(SHORTEST, inputs.most) - len(each)))) for each in slices]


class DegradedSounds(Sounds):
    """What a feature set makes of turns that are read through `change`; None: as they are."""

    change = None

    def __getitem__(self, index):
        samples = _waveform(*self.clips[index])
        if self.change:
            samples = self.change(self.turns[index], samples)
        return torch.from_numpy(self.vector_of(samples))
