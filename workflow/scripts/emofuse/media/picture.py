"""Reads the picture of any file by time: which frame is on screen, turned upright and cropped."""

import math
from fractions import Fraction

import av
import numpy as np

from emofuse.media.containers import decoded, opened, time_zero, track
from emofuse.media.reading import MOVED_S, Disorder, in_order
from emofuse.media.wav import MediaError

# Matroska and FLV round the times of frames to milliseconds: a frame may be half of one early.
ROUNDED_S = Fraction(1, 2000)
# One for all frames: a conversion set up anew for each costs more than the decoding of a small one.
CONVERTER = av.video.reformatter.VideoReformatter()


def shown(path):
    """Yield (av.VideoFrame, begins, ends) of a file's picture in the order shown: from when to when each is on screen.

    Times are Fractions, seconds from the file's time zero, where the first of its sound and picture begins; each frame ends
    where the next begins. Half a millisecond is allowed for containers that round times. Raises OSError, and MediaError where
    the file is damaged or has no picture (of the status `missing`).
    """
    with opened(path) as container:
        stream = track(container, "video")
        start, base = time_zero(container) + ROUNDED_S, stream.time_base
        step = max(1, round(1 / ((stream.average_rate or Fraction(30)) * base)))
        before = None
        try:
            for ticks, frame in in_order(_stated(container, stream), step, math.ceil(MOVED_S / base)):
                begins = ticks * base - start
                if before is not None:
                    yield before, then, begins
                before, then = frame, begins
        except Disorder as error:
            at = float(error.args[0] * base - start)
            raise MediaError(
                "unreadable", f"states times of its frames that do not fit together, at {at:.1f} s"
            ) from None
        yield before, then, then + (before.duration or step) * base


def _stated(container, stream):
    """Yield (ticks or None, frame). An avi counts the delay into them that B-frames need; see media.reading."""
    delay, size = None, None
    for frame in decoded(container, stream):
        if delay is None:
            late = container.format.name == "avi" and frame.pts is not None and stream.codec_context.has_b_frames
            delay = frame.pts - (stream.start_time or 0) if late else 0
        size = size or (frame.width, frame.height)
        if (frame.width, frame.height) != size:
            raise MediaError(
                "unreadable", f"changes its size from {size[0]}x{size[1]} to {frame.width}x{frame.height} on the way"
            )
        yield None if frame.pts is None else frame.pts - delay, frame


def upright(frame, crop=None):
    """A frame turned as it is to be shown, or the part `crop` of it, as planar YUV 4:2:0: uint8 (height * 3 / 2, width).

    crop: x, y, width, height as fractions of the upright picture. Borders fall on even pixels. Colours are BT.601, limited
    range, whatever the file's, for clips do not state theirs. Raises MediaError where FFmpeg cannot convert it.
    """
    width, height = frame.width // 2 * 2, frame.height // 2 * 2
    try:
        if not width or not height:
            raise ValueError(f"it is {frame.width}x{frame.height}")
        # An odd row or column is scaled away.
        picture = CONVERTER.reformat(
            frame, width, height, "yuv420p", dst_colorspace="ITU601", dst_color_range="MPEG", threads=1
        ).to_ndarray()
    except (av.FFmpegError, ValueError) as error:
        raise MediaError(
            "unreadable", f"holds pictures of the kind {frame.format.name}, not to be used ({error})"
        ) from error
    quarter = (height // 2, width // 2)
    planes = [picture[:height], *picture[height:].reshape(2, *quarter)]
    planes = [np.rot90(plane, round(frame.rotation / 90)) for plane in planes]
    if crop is not None:
        rows, columns = (_even(crop[i], crop[i + 2], planes[0].shape[1 - i]) for i in (1, 0))
        planes = [
            plane[rows.start // by : rows.stop // by, columns.start // by : columns.stop // by]
            for plane, by in zip(planes, (1, 2, 2), strict=True)
        ]
    height, width = planes[0].shape
    return np.concatenate([plane.ravel() for plane in planes]).reshape(height * 3 // 2, width)


def _even(begin, share, pixels):
    """The slice of so many pixels that a fraction of them, from the fraction `begin` on, is: even at both ends, never empty."""
    first, end = (2 * round(fraction * pixels / 2) for fraction in (begin, begin + share))
    first = max(0, min(first, pixels - 2))
    return slice(first, min(max(end, first + 2), pixels))
