"""Reads and writes wav files with NumPy alone: headers, samples of 16-bit PCM, and clips, which all have one form."""

import os
import struct
from typing import NamedTuple

import numpy as np

from emofuse.runtime.errors import EmofuseError

RATE = 16_000  # hertz, of every audio clip
HEADER_BYTES = 44  # of a clip
PCM, EXTENSIBLE = 1, 0xFFFE
UNSTATED = (0, 0xFFFFFFFF)  # the sizes that writers to a pipe leave


class MediaError(Exception):
    """A file that is there but cannot be read; `status` is `unreadable`, `truncated`, or `missing`: it lacks that track."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class WavHeader(NamedTuple):
    """A wav's format (1 is PCM), channels, hertz, bits a sample, bytes of a sample of all channels, samples; `start`: the
    first byte of its sound."""

    format: int
    channels: int
    rate: int
    bits: int
    block: int
    samples: int
    start: int

    @property
    def plain(self):
        """Whether `read_plain` reads it."""
        return self.format == PCM and self.bits == 16 and self.block == 2 * self.channels


def wav_header(path):
    """The WavHeader of a wav file. Raises OSError, and MediaError where it is damaged or its sound is cut short.

    The sound's own size decides, not the file's (RIFF size), which recorders leave wrong: what is counted here is what
    `read_plain` reads. Sound whose size is not stated goes on to the end of the file.
    """
    form = None
    with open(path, "rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(12)
        if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
            raise MediaError("unreadable", f"is no WAVE file ({length} bytes)")
        while len(head := file.read(8)) == 8:
            name, size = head[:4], int.from_bytes(head[4:], "little")
            if name == b"data":
                start = file.tell()
                size = _sound_bytes(file, length, size)
                return _checked(form, size, start)
            if name == b"fmt " and size >= 16:
                content = file.read(min(size, 40))
                if len(content) >= 16:
                    form = list(struct.unpack("<HHIIHH", content[:16]))
                if len(content) >= 26 and form[0] == EXTENSIBLE:
                    form[0] = int.from_bytes(content[24:26], "little")
                size -= len(content)
            file.seek(size + size % 2, os.SEEK_CUR)
    raise MediaError("unreadable", "holds no sound")


def _sound_bytes(file, length, stated):
    """Bytes of the sound that begins where `file` stands; MediaError where the file ends before."""
    there = length - file.tell()
    if stated in UNSTATED:
        return 0 if stated == 0 and _chunks_follow(file, length) else there
    if there < stated:
        raise MediaError("truncated", f"holds {there} of {stated} bytes of sound")
    return stated


def _chunks_follow(file, length):
    """Whether whole chunks and nothing else fill the rest of the file: then a size of 0 is meant."""
    at = file.tell()
    while at + 8 <= length:
        file.seek(at)
        head = file.read(8)
        if not all(32 <= byte < 127 for byte in head[:4]):
            return False
        size = int.from_bytes(head[4:], "little")
        at += 8 + size + size % 2
    return at == length


def _checked(form, size, start):
    if form is None:
        raise MediaError("unreadable", "has no format before its sound")
    tag, channels, rate, _, block, bits = form
    if not channels or not rate or not block:
        raise MediaError("unreadable", f"states {channels} channels, {rate} Hz, {block} bytes a sample")
    return WavHeader(tag, channels, rate, bits, block, size // block, start)


def read_plain(path, header):
    """The samples of a wav file with this WavHeader, which is `plain`: int16 (samples, channels)."""
    samples = np.fromfile(path, "<i2", header.samples * header.channels, offset=header.start)
    return samples.reshape(header.samples, header.channels)


def wav_bytes(mono):
    """A wav file, 16 kHz mono 16-bit PCM, of int16 samples (samples,): the one form of a clip."""
    return clip_header(len(mono)) + mono.astype("<i2").tobytes()


def clip_header(samples):
    """The header of a clip of so many samples."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, PCM, 1, RATE, 2 * RATE, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", 36 + 2 * samples, b"WAVE") + form + struct.pack("<4sI", b"data", 2 * samples)


def read_clip(path, samples, start=0, count=-1):
    """`count` samples of a clip from the number `start` on (all that there are): int16 (count,).

    samples: what its manifest says it holds. Raises EmofuseError where it is not a clip of so many.
    """
    with open(path, "rb") as file:
        header = file.read(HEADER_BYTES)
        whole = header == clip_header(samples) and file.seek(0, os.SEEK_END) == HEADER_BYTES + 2 * samples
    if not whole:
        raise EmofuseError(
            f"{path} does not hold the {samples} samples that its manifest counted; delete it and run again, and its dialog"
            " is cut again."
        )
    return np.fromfile(path, "<i2", count, offset=HEADER_BYTES + 2 * start)
