"""Measures how much parts of a picture move, and whether they move with a sound."""

import av
import numpy as np

from emofuse.media.wav import MediaError

GRID = (
    120,
    180,
)  # rows, columns of grey cells to which a frame is averaged; finer, noise and comb lines count as motion
MOUTH = (
    0.22,
    0.5,
    0.56,
    0.33,
)  # x, y, width, height of where a mouth is, as fractions of a speaker's part of the picture
SMOOTHED = (
    3  # frames over which both are averaged, or a frame of delay between picture and sound would hide that they agree
)
LEAST = 15  # frames; a correlation over fewer says nothing
# Loudness grows with the 0.6th power of sound pressure (Stevens, 1957). With it silence needs no floor, as decibels would.
STEVENS = 0.6


class Motion:
    """How much parts of a picture (x, y, width, height as fractions of it) change from frame to frame, where a mouth is."""

    def __init__(self, parts):
        self._places = [_place(part) for part in parts]
        # One for all frames, on one thread: anew for each it would cost more than the decoding.
        self._converter, self._before = av.video.reformatter.VideoReformatter(), None

    def add(self, frame):
        """Mean absolute difference of grey levels (0 to 255) from the frame before, a float a part; 0 of the first one.

        frame: av.VideoFrame. Raises MediaError where its kind of picture cannot be used.
        """
        grey = reformatted(self._converter, frame, GRID[1], GRID[0], "gray").astype(np.int16)
        change = np.abs(grey - (grey if self._before is None else self._before))
        self._before = grey
        return [change[place].mean() for place in self._places]


def reformatted(converter, frame, width, height, kind):
    """An av.VideoFrame as uint8 array of that size and kind (`gray`, `rgb24`), averaged; MediaError where that cannot be."""
    try:
        return converter.reformat(frame, width, height, kind, interpolation="AREA", threads=1).to_ndarray()
    except (av.FFmpegError, ValueError) as error:
        raise MediaError(
            "unreadable", f"holds pictures of the kind {frame.format.name}, not to be used ({error})"
        ) from error


def _place(part):
    """Slices (rows, columns) of the grid, at least a cell, of the mouth's place in a part of the picture."""
    spans = []
    for axis, cells in ((1, GRID[0]), (0, GRID[1])):
        start = part[axis] + part[axis + 2] * MOUTH[axis]
        first = min(round(start * cells), cells - 1)
        spans.append(slice(first, max(first + 1, round((start + part[axis + 2] * MOUTH[axis + 2]) * cells))))
    return tuple(spans)


def loudness(samples, edges):
    """Loudness between each two of `edges`, ascending numbers of samples: float64 (edges - 1,), in no unit.

    samples: int16 (samples,). What lies between is the RMS to the power STEVENS.
    """
    power = np.concatenate([[0.0], np.cumsum(samples.astype(float) ** 2)])
    mean = np.diff(power[edges]) / np.maximum(np.diff(edges), 1)
    return np.sqrt(mean) ** STEVENS


def agreement(motion, loud):
    """The correlation of a part's motion with the change of the loudness, from frame to frame, of a turn's frames.

    motion, loud: (frames,). A mouth moves when the sound changes, not while it lasts. 0 for a part that does not move more in
    one frame than in another; NaN where there are fewer than LEAST frames or the sound does not change.
    """
    if len(loud) < LEAST:
        return float("nan")
    heard, seen = _smoothed(np.abs(np.diff(loud))), _smoothed(motion[1:])
    if np.ptp(heard) < 1e-9:
        return float("nan")
    return 0.0 if np.ptp(seen) < 1e-9 else float(np.corrcoef(heard, seen)[0, 1])


def _smoothed(values):
    return np.convolve(values, np.full(SMOOTHED, 1 / SMOOTHED), "valid")
