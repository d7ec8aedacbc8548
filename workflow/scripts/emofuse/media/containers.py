"""Opens any file that FFmpeg reads, after asking its bytes whether it is whole, and decodes one of its tracks."""

import os
from contextlib import contextmanager
from fractions import Fraction

import av
from av.stream import Disposition

from emofuse.media.reading import check_riff
from emofuse.media.wav import MediaError, wav_header

PLAYLISTS = (b"#EXTM3U", b"ffconcat")  # FFmpeg follows them, a live one for ever
POINTER = b"version https://git-lfs.github.com/spec/"
NAMES = {"audio": "sound", "video": "picture"}
# Boxes that stand at the top of an mp4 or mov; after anything else comes what some writer left there.
BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"moof", b"mfra", b"sidx", b"styp", b"uuid", b"udta"}
EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def check_whole(path):
    """Raise OSError, and MediaError where a file is empty, a Git LFS pointer, a playlist, or shorter than its own bytes say.

    What FFmpeg shows of a copy that was cut short is what is left, often without a word. Wav, avi, mp4, mov, mkv and webm
    state their length; of others only decoding may tell.
    """
    with open(path, "rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(64)
        if not head:
            raise MediaError("unreadable", "is empty")
        refuse_pointer(head)
        if head.removeprefix(b"\xef\xbb\xbf").startswith(PLAYLISTS):
            raise MediaError("unreadable", "is a playlist, not a medium")
        stated = _boxes_end(file, length) if head[4:8] in BOXES else _segment_end(head) if head[:4] == EBML else 0
    if stated > length:
        raise MediaError("truncated", f"holds {length} of {stated} bytes")
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        check_riff(path)
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        wav_header(path)


def refuse_pointer(head, what="medium"):
    """Raise MediaError where a file that begins with these bytes only stands for a `what` that Git LFS has not fetched."""
    if head.startswith(POINTER):
        raise MediaError("unreadable", f"is a Git LFS pointer, not the {what}: run `git lfs pull`")


def _boxes_end(file, length):
    """Where the last box of an mp4 ends."""
    at = 0
    while at + 8 <= length:
        file.seek(at)
        head = file.read(16)
        size = int.from_bytes(head[:4], "big")
        if head[4:8] not in BOXES or size == 0:  # 0: to the end of the file
            break
        at += int.from_bytes(head[8:], "big") if size == 1 else max(size, 8)
    return at


def _segment_end(head):
    """Where the one segment of a Matroska file ends; 0 where that is not stated, as in what was sent live."""
    at = 4 + sum(_number(head, 4))
    if head[at : at + 4] != SEGMENT:
        return 0
    size, width = _number(head, at + 4)
    return 0 if size == (1 << 7 * width) - 1 else at + 4 + width + size


def _number(data, at):
    """(value, bytes that it takes) of a number of EBML."""
    width = 9 - data[at].bit_length()
    return int.from_bytes(data[at : at + width], "big") & ((1 << 7 * width) - 1), width


@contextmanager
def opened(path):
    """The open av container of a file as a context; raises what `check_whole` raises, and MediaError."""
    check_whole(path)
    try:
        # No file may lead FFmpeg to fetch another from elsewhere.
        container = av.open(str(path), metadata_errors="ignore", container_options={"protocol_whitelist": "file"})
    except (av.FFmpegError, ValueError) as error:
        raise MediaError("unreadable", f"cannot be opened ({error})") from error
    with container:
        yield container


def track(container, kind):
    """The track of `kind` (audio or video) that FFmpeg takes among several, decoded on one thread; a cover is no picture.

    Raises MediaError, of the status `missing` where there is none.
    """
    stream = container.streams.best(kind)
    if stream is None or _is_cover(stream):
        raise MediaError("missing", f"holds no {NAMES[kind]}")
    if stream.codec_context is None:
        raise MediaError("unreadable", f"holds {NAMES[kind]} of a kind that cannot be decoded")
    stream.codec_context.thread_count = 1
    return stream


def _is_cover(stream):
    return bool(stream.disposition & Disposition.attached_pic)


def time_zero(container):
    """The time at which the first of a file's sound and picture begins, seconds, a Fraction: from it all times count."""
    starts = [
        stream.start_time * stream.time_base
        for stream in container.streams
        if stream.type in NAMES and stream.start_time is not None and not _is_cover(stream)
    ]
    return min(starts, default=Fraction(0))


def decoded(container, stream):
    """Yield the frames of a track as they are decoded. Raises MediaError at damage of sound or picture, and without a frame."""
    last = None
    try:
        for packet in container.demux():
            if packet.is_corrupt and packet.stream.type in NAMES:
                raise MediaError("unreadable", f"is damaged or cut short{_after(last)}")
            if packet.stream.index != stream.index:
                continue
            for frame in packet.decode():
                if frame.is_corrupt:
                    raise MediaError("unreadable", f"is damaged{_after(last)}")
                last = frame
                yield frame
    except (av.FFmpegError, ValueError) as error:
        raise MediaError("unreadable", f"cannot be decoded{_after(last)} ({error})") from error
    if last is None:
        raise MediaError("unreadable", f"holds a track without {NAMES[stream.type]}")


def _after(frame):
    return "" if frame is None or frame.time is None else f" after {frame.time:.1f} s"


def seconds_of(path, kind):
    """The length of a file's sound or picture as its headers tell, counted from `time_zero`; its first frame is decoded.

    Raises OSError and MediaError.
    """
    with opened(path) as container:
        stream = track(container, kind)
        next(decoded(container, stream))
        start = time_zero(container)
        if stream.duration:
            return float((stream.start_time or 0) * stream.time_base + stream.duration * stream.time_base - start)
        if container.duration:
            return container.duration / 1e6
    return _last_packet(path, kind)


def _last_packet(path, kind):
    """The time at which the last packet of a track ends, as of a recording that was sent live and states no length."""
    with opened(path) as container:
        stream = track(container, kind)
        try:
            ends = [packet.pts + (packet.duration or 0) for packet in container.demux(stream) if packet.pts is not None]
        except (av.FFmpegError, ValueError) as error:
            raise MediaError("unreadable", f"cannot be read to its end ({error})") from error
        return float(max(ends, default=0) * stream.time_base - time_zero(container))
