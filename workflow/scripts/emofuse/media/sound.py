"""Reads the sound of any file as int16 at 16 kHz, one channel or the mean of all, in step with the file's picture."""

from contextlib import closing

import av
import numpy as np

from emofuse.media.containers import decoded, opened, time_zero, track
from emofuse.media.wav import RATE, MediaError

# How far the times stated for sound may be off the count of its samples before silence is put in or samples are left out:
# Matroska and FLV round times, and clocks drift.
OFF_S = 0.1
MOST_BACK_S, MOST_GAP_S = 1, 3600  # beyond these, times are damaged
SIDES = {"left": 0, "right": 1}


def read_sound(path, channels, seconds=None):
    """{channel: int16 (samples,)} of a file, decoded once: the first `seconds` of it at least, or all of it.

    channels: mix (the mean of all), left, right, or a number from '0'. The first sample is at the file's time zero, where the
    first of sound and picture begins; where sound begins later or pauses there is silence. Resampled by FFmpeg, all of the
    file in one go, so that a span of it is a slice. Raises OSError, and MediaError where the file is damaged, has no sound
    (of the status `missing`), or not the channel.
    """
    needed = None if seconds is None else round(seconds * RATE)
    with opened(path) as container:
        mixes, stream = None, track(container, "audio")
        with closing(_blocks(container, stream)) as blocks:
            for rate, block in blocks:
                if mixes is None:
                    mixes = {name: _Mix(_number(name, len(block)), rate) for name in channels}
                for mix in mixes.values():
                    mix.add(block)
                if needed is not None and all(mix.samples >= needed for mix in mixes.values()):
                    break
            else:
                for mix in mixes.values():
                    mix.finish()
                _check_length(path, container, stream, max(mix.samples for mix in mixes.values()) / RATE)
    return {name: np.concatenate(mix.parts) for name, mix in mixes.items()}


def _check_length(path, container, stream, held):
    """Raise MediaError where a flac or mp3 is shorter than the count of its samples or frames says, if it has one.

    Both end anywhere without a word. Of an mp3 without the count FFmpeg only guesses the length from its first frames.
    """
    counted = container.format.name == "flac"
    if container.format.name == "mp3":
        with open(path, "rb") as file:
            head = file.read(1 << 16)
        counted = b"Xing" in head or b"Info" in head
    stated = float((stream.duration or 0) * stream.time_base) if counted else 0
    if stated - held > OFF_S:
        raise MediaError("truncated", f"holds {held:.2f} of {stated:.2f} s of sound")


def _number(channel, there):
    """The number of a channel among those that are there, None for the mean of all."""
    if channel == "mix":
        return None
    number = SIDES[channel] if channel in SIDES else int(channel)
    if number >= there:
        raise MediaError("unreadable", f"has {there} channel{'s' * (there > 1)} of sound, and no channel {channel}")
    return number


class _Mix:
    """One channel, or the mean of all, on its way to 16 kHz."""

    def __init__(self, number, rate):
        self._number, self._rate, self.parts, self.samples = number, rate, [], 0
        self._resampler = None if rate == RATE else av.AudioResampler(format="fltp", layout="mono", rate=RATE)

    def add(self, block):
        mono = block.mean(axis=0, dtype=np.float64) if self._number is None else block[self._number]
        if self._resampler is None:
            self._take(mono)
            return
        frame = av.AudioFrame.from_ndarray(mono.astype(np.float32)[None], format="fltp", layout="mono")
        frame.sample_rate = self._rate
        self._resample(frame)

    def finish(self):
        if self._resampler is not None:
            self._resample(None)

    def _resample(self, frame):
        for out in self._resampler.resample(frame):
            self._take(out.to_ndarray()[0])

    def _take(self, mono):
        self.parts.append(np.clip(np.rint(mono * 32768.0), -32768, 32767).astype(np.int16))
        self.samples += len(mono)


def _blocks(container, stream):
    """Yield (rate, float32 (channels, samples)) of about a second each, without a gap, from the file's time zero on."""
    start, position, waiting, form = time_zero(container), None, [], None
    for frame in decoded(container, stream):
        if form is None:
            form = frame.sample_rate, frame.layout.nb_channels
        if (frame.sample_rate, frame.layout.nb_channels) != form:
            raise MediaError("unreadable", "changes its sample rate or channels on the way")
        samples = _planar(frame)
        stated = position or 0
        if frame.pts is not None:
            stated = round((frame.pts * frame.time_base - start) * form[0])
        samples = _placed(samples, stated, position, form[0])
        position = (position or 0) + samples.shape[1]
        waiting.append(samples)
        if sum(part.shape[1] for part in waiting) >= form[0]:
            yield form[0], np.concatenate(waiting, axis=1)
            waiting = []
    if waiting:
        yield form[0], np.concatenate(waiting, axis=1)


def _placed(samples, stated, position, rate):
    """Samples that are stated to begin at `stated`, fitted to those before, which end at `position` (None: there are none)."""
    off = stated - (position or 0)
    if position is not None and abs(off) <= OFF_S * rate:
        return samples
    if off > MOST_GAP_S * rate or off < -MOST_BACK_S * rate:
        raise MediaError(
            "unreadable", f"states times of its sound that do not fit together, at {(position or 0) / rate:.1f} s"
        )
    if off <= 0:
        return samples[:, -off:]
    return np.concatenate([np.zeros((len(samples), off), np.float32), samples], axis=1)


def _planar(frame):
    """float32 (channels, samples) between -1 and 1 of an av.AudioFrame of any format."""
    array = frame.to_ndarray()
    if not frame.format.is_planar:
        array = array.reshape(-1, frame.layout.nb_channels).T
    if array.dtype == np.uint8:
        return (array.astype(np.float32) - 128) / 128
    if np.issubdtype(array.dtype, np.integer):
        return (array / -float(np.iinfo(array.dtype).min)).astype(np.float32)
    return array.astype(np.float32)
