"""Reads the sound and the picture of a release: whether files are whole, how long they are, their samples and frames."""

import math
import os
from collections import deque
from fractions import Fraction
from heapq import heappop, heappush

import av
import numpy as np

from emofuse.media.wav import PCM, RATE, UNSTATED, MediaError, read_plain, wav_bytes, wav_header

__all__ = ["RATE", "MediaError", "Video", "avi_seconds", "read_mono", "wav_bytes", "wav_header", "wav_seconds"]

# Formats of which a header's number of samples is theirs: PCM, float, A-law, mu-law.
COUNTED = (PCM, 3, 6, 7)
REORDERED = 16  # frames among which a codec may have put their times out of order
MOVED_S = 0.1  # a frame's time may be mended by this much; see `in_order`


def read_mono(path):
    """All samples of a wav file as int16 at 16 kHz, shape (samples,): the mean of its channels, resampled if need be.

    16-bit PCM is read as its header says, other formats by FFmpeg. Raises OSError, and MediaError where it is damaged,
    holds no sound, or holds less than its header says.
    """
    header = wav_header(path)
    if header.samples == 0:
        raise MediaError("unreadable", "holds no sound")
    channels = read_plain(path, header).T if header.plain else _decoded(path, header)
    mono = channels[0] if len(channels) == 1 else np.rint(channels.mean(axis=0)).astype(np.int16)
    return mono if header.rate == RATE else _resample(mono, header.rate)


def wav_seconds(path):
    """The length of a wav file as `read_mono` reads it; raises what that raises."""
    header = wav_header(path)
    if header.plain and header.samples:
        return header.samples / header.rate
    return len(read_mono(path)) / RATE


def _decoded(path, header):
    """int16 (channels, samples) at the file's own rate, by FFmpeg."""
    try:
        with av.open(str(path)) as container:
            stream = container.streams.audio[0]
            planar = av.AudioResampler(format="s16p")
            frames = [out.to_ndarray() for frame in container.decode(stream) for out in planar.resample(frame)]
            frames += [out.to_ndarray() for out in planar.resample(None)] if frames else []
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise MediaError("unreadable", f"cannot be decoded ({error})") from error
    samples = np.concatenate(frames, axis=1) if frames else np.zeros((header.channels, 0), np.int16)
    if len(samples) != header.channels or (header.format in COUNTED and samples.shape[1] != header.samples):
        raise MediaError(
            "unreadable",
            f"states {header.samples} samples of {header.channels} channels, of which {samples.shape[1]} of {len(samples)}"
            " can be decoded",
        )
    if not samples.size:
        raise MediaError("unreadable", "holds no sound")
    return samples


def _resample(mono, rate):
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    frame = av.AudioFrame.from_ndarray(mono[None], format="s16", layout="mono")
    frame.sample_rate = rate
    return np.concatenate([out.to_ndarray()[0] for part in (frame, None) for out in resampler.resample(part)])


def check_riff(path):
    """Raise MediaError unless `path` begins as an avi file and is as long as it says.

    That finds copies that were cut short, of which FFmpeg shows what is left without a word. Writers to a pipe leave the
    size 0 or 0xFFFFFFFF (UNSTATED); a last odd byte may lack its padding.
    """
    with open(path, "rb") as file:
        head = file.read(12)
        length = file.seek(0, os.SEEK_END)
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"AVI ":
        raise MediaError("unreadable", f"is no AVI file ({length} bytes)")
    stated = int.from_bytes(head[4:8], "little")
    if stated not in UNSTATED and length + 1 < stated + 8:
        raise MediaError("truncated", f"holds {length} of {stated + 8} bytes")


class Video:
    """An avi file's picture, as a context manager; opening it raises OSError and MediaError.

    `time_base`: seconds a tick, a Fraction (1001/30000 in the release). `rate`: frames a second, a Fraction. `step`: ticks
    from frame to frame.
    """

    def __init__(self, path):
        check_riff(path)
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

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._container.close()

    def seconds(self, ticks):
        """The time of a tick."""
        return float(ticks * self.time_base)

    def frames(self):
        """Yield (ticks, av.VideoFrame) in the order shown, ticks rising. Raises MediaError at damaged data, where the picture
        changes its size, and where the times of the frames do not fit together."""
        most = math.ceil(MOVED_S / self.time_base)
        try:
            yield from in_order(self._decoded(), self.step, most)
        except Disorder as error:
            raise MediaError(
                "unreadable",
                f"states times of its frames that do not fit together, at {self.seconds(error.args[0]):.1f} s",
            ) from None

    def _decoded(self):
        """Yield (ticks or None, frame) as decoded.

        An avi holds no times of presentation, only the order of the frames in the file. FFmpeg makes times of that, and
        counts the delay in that B-frames need for reordering; the first frame belongs at the stream's start.
        """
        ticks, delay, size = None, 0, None
        try:
            for frame in self._container.decode(self._stream):
                if ticks is None and frame.pts is not None and self._stream.codec_context.has_b_frames:
                    delay = frame.pts - (self._stream.start_time or 0)
                stated = None if frame.pts is None else frame.pts - delay
                ticks = stated if stated is not None else (0 if ticks is None else ticks + self.step)
                size = size or (frame.width, frame.height)
                if frame.is_corrupt:
                    raise MediaError("unreadable", f"is damaged at {self.seconds(ticks):.1f} s")
                if (frame.width, frame.height) != size:
                    raise MediaError(
                        "unreadable",
                        f"changes its size from {size[0]}x{size[1]} to {frame.width}x{frame.height} at"
                        f" {self.seconds(ticks):.1f} s",
                    )
                yield stated, frame
        except (av.FFmpegError, ValueError) as error:
            at = 0.0 if ticks is None else self.seconds(ticks)
            raise MediaError("unreadable", f"cannot be decoded after {at:.1f} s ({error})") from error
        if ticks is None:
            raise MediaError("unreadable", "holds no picture")


class Disorder(Exception):
    """Times that cannot be mended; its argument is the first of them."""


def in_order(frames, step, most):
    """Yield (ticks, frame) with rising ticks, of (ticks or None, frame) in the order shown.

    Frames come out of a decoder in their order, but their times may not: DivX packs a P- and a B-frame into one chunk, and
    their times change places; other writers leave times out or give one twice. So the times of the next REORDERED frames
    are sorted, a missing one is `step` after the one before, and of two that are the same the second comes between. Raises
    Disorder where that would move a frame by more than `most` ticks from the time stated for it.
    """
    waiting, times, last, before = deque(), [], None, None

    def first():
        nonlocal last
        stated, frame = waiting.popleft()
        ticks = heappop(times)
        if last is not None and ticks <= last:
            following = next((time for time in sorted(times) if time > last), last + 2 * step)
            ticks = last + max(1, min(step, (following - last) // 2))
        if abs(ticks - stated) > most:
            raise Disorder(stated)
        last = ticks
        return ticks, frame

    for stated, frame in frames:
        if stated is None:
            stated = 0 if before is None else before + step
        before = stated
        waiting.append((stated, frame))
        heappush(times, stated)
        if len(waiting) > REORDERED:
            yield first()
    while waiting:
        yield first()


def avi_ticks(video):
    """The ticks of all frames of an open Video, int64 (frames,), rising. Decodes all of it; raises what that raises."""
    return np.fromiter((ticks for ticks, _ in video.frames()), np.int64)


def avi_seconds(path):
    """The length in seconds of an avi: the end of its last frame, whatever its header says. Raises OSError and MediaError."""
    with Video(path) as video:
        return video.seconds(int(avi_ticks(video)[-1]) + video.step)
