"""Reads wav and avi files: whether they are whole, how long they are, their samples and frames."""

import os
import struct
from fractions import Fraction
from typing import NamedTuple

import av
import numpy as np

RATE = 16_000  # hertz, of every audio clip


class MediaError(Exception):
    """A file that is there but cannot be read; `status` is `unreadable` or `truncated`."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class WavHeader(NamedTuple):
    """A wav's format (1 is PCM), channels, hertz, bits a sample, samples, and whether the file states their number."""

    format: int
    channels: int
    rate: int
    bits: int
    samples: int
    sized: bool


UNSTATED = (0, 0xFFFFFFFF)  # the sizes that writers to a pipe leave


def check_riff(path, kind):
    """Raise MediaError unless `path` begins as a RIFF file of this kind (b"WAVE", b"AVI ") and is as long as it says.

    That finds copies that were cut short, wav and avi alike, without decoding them. Writers to a pipe leave the size
    0 or 0xFFFFFFFF (UNSTATED); a last odd byte may lack its padding.
    """
    with open(path, "rb") as file:
        head = file.read(12)
        length = file.seek(0, os.SEEK_END)
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != kind:
        raise MediaError("unreadable", f"is no {kind.decode().strip()} file ({length} bytes)")
    stated = int.from_bytes(head[4:8], "little")
    if stated not in UNSTATED and length + 1 < stated + 8:
        raise MediaError("truncated", f"holds {length} of {stated + 8} bytes")


def wav_header(path):
    """The WavHeader of a wav file. Raises OSError, and MediaError where it is damaged or cut short."""
    check_riff(path, b"WAVE")
    form = None
    with open(path, "rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(4)
        stated = int.from_bytes(file.read(4), "little") not in UNSTATED
        file.seek(12)
        while len(head := file.read(8)) == 8:
            name, size = head[:4], int.from_bytes(head[4:], "little")
            if name == b"fmt " and size >= 16:
                form = struct.unpack("<HHIIHH", file.read(16))
                size -= 16
            elif name == b"data":
                there = length - file.tell()
                sized = stated and size not in UNSTATED
                if size not in UNSTATED and there < size:
                    raise MediaError("truncated", f"holds {there} of {size} bytes of sound")
                if form is None or form[4] == 0:
                    raise MediaError("unreadable", "has no format before its sound")
                tag, channels, rate, _, block, bits = form
                return WavHeader(tag, channels, rate, bits, (size if sized else there) // block, sized)
            file.seek(size + size % 2, os.SEEK_CUR)
    raise MediaError("unreadable", "holds no sound")


def read_mono(path):
    """All samples of a sound file as int16 at 16 kHz, shape (samples,): the mean of its channels, resampled if need be.

    Raises MediaError where it cannot be decoded.
    """
    try:
        with av.open(str(path)) as container:
            stream = container.streams.audio[0]
            planar = av.AudioResampler(format="s16p")
            frames = [out.to_ndarray() for frame in container.decode(stream) for out in planar.resample(frame)]
            frames += [out.to_ndarray() for out in planar.resample(None)] if frames else []
            rate = stream.rate
    except (av.FFmpegError, IndexError) as error:
        raise MediaError("unreadable", f"cannot be decoded ({error})") from error
    if not frames:
        raise MediaError("unreadable", "holds no sound")
    channels = np.concatenate(frames, axis=1)
    mono = channels[0] if len(channels) == 1 else np.rint(channels.mean(axis=0)).astype(np.int16)
    return mono if rate == RATE else _resample(mono, rate)


def _resample(mono, rate):
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    frame = av.AudioFrame.from_ndarray(mono[None], format="s16", layout="mono")
    frame.sample_rate = rate
    return np.concatenate([out.to_ndarray()[0] for part in (frame, None) for out in resampler.resample(part)])


def wav_bytes(mono):
    """A wav file, 16 kHz mono 16-bit PCM, of int16 samples (samples,)."""
    data = mono.astype("<i2").tobytes()
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    return (
        struct.pack("<4sI4s", b"RIFF", 36 + len(data), b"WAVE") + form + struct.pack("<4sI", b"data", len(data)) + data
    )


class Video:
    """An avi file's picture, as a context manager; opening it raises OSError and MediaError.

    `time_base`: seconds a tick, a Fraction (1001/30000 in the release). `seconds`: the length that the file states, or
    None. `rate`: frames a second, a Fraction. `step`: ticks from frame to frame.
    """

    def __init__(self, path):
        check_riff(path, b"AVI ")
        try:
            self._container = av.open(str(path))
        except av.FFmpegError as error:
            raise MediaError("unreadable", f"cannot be opened ({error})") from error
        if not self._container.streams.video:
            self._container.close()
            raise MediaError("unreadable", "holds no picture")
        self._stream = self._container.streams.video[0]
        self._stream.codec_context.thread_count = 1
        self.time_base = self._stream.time_base
        self.rate = self._stream.average_rate or Fraction(30_000, 1_001)
        self.step = max(1, round(1 / (self.rate * self.time_base)))
        self.seconds = float(self._stream.duration * self.time_base) if self._stream.duration else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._container.close()

    def frames(self):
        """Yield (ticks, av.VideoFrame) in the order shown. Raises MediaError at damaged data.

        An avi holds no times of presentation, only the order of the frames in the file. FFmpeg makes times of that, and
        counts the delay in that B-frames need for reordering; the first frame belongs at the stream's start.
        """
        ticks, delay = None, 0
        try:
            for frame in self._container.decode(self._stream):
                if frame.pts is None:
                    ticks = 0 if ticks is None else ticks + self.step
                else:
                    if ticks is None and self._stream.codec_context.has_b_frames:
                        delay = frame.pts - (self._stream.start_time or 0)
                    ticks = frame.pts - delay
                if frame.is_corrupt:
                    raise MediaError("unreadable", f"is damaged at {float(ticks * self.time_base):.1f} s")
                yield ticks, frame
        except av.FFmpegError as error:
            at = 0.0 if ticks is None else float(ticks * self.time_base)
            raise MediaError("unreadable", f"cannot be decoded after {at:.1f} s ({error})") from error
        if ticks is None:
            raise MediaError("unreadable", "holds no picture")


def avi_seconds(path):
    """The length in seconds that an avi states (None: it does not), after decoding its first frame.

    Raises OSError and MediaError.
    """
    with Video(path) as video:
        next(video.frames())
        return video.seconds
