"""What the built-in sets share: a spectrogram by mel bands, and statistics over its frames."""

from functools import cache

import numpy as np
import torch
import torchaudio

from emofuse.media.wav import RATE

WINDOW, HOP = 400, 160  # samples: 25 ms every 10 ms
FLOOR = 1e-6  # power below which all is silence


def log_mel(samples, bands):
    """(bands, frames) float32, the logarithm of the power in mel bands, of a waveform (n,) float32."""
    padded = torch.nn.functional.pad(torch.from_numpy(samples), (0, max(0, WINDOW - len(samples))))
    return (_spectrogram(bands)(padded) + FLOOR).log()


@cache
def _spectrogram(bands):
    return torchaudio.transforms.MelSpectrogram(RATE, n_fft=WINDOW, hop_length=HOP, n_mels=bands)


def summary(frames):
    """(3 * rows,): mean and deviation over time of the rows of (rows, frames), and the deviation of their slopes."""
    return torch.cat([frames.mean(1), frames.std(1, correction=0), slopes(frames).std(1, correction=0)])


def slopes(frames):
    """(rows, frames): how fast each row of (rows, frames) changes, by the two frames on either side."""
    return torchaudio.functional.compute_deltas(frames[None])[0]


def steps(frames):
    """What `make_steps` promises, of (rows, frames): (frames, rows) float32, and the second in the middle of each frame."""
    return frames.T.numpy(), np.arange(frames.shape[1]) * HOP / RATE
