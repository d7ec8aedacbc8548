"""Cuts a dialog's picture into one mp4 a turn, in one decoding pass."""

import math

import av
import numpy as np

from emofuse.clips.cutting import damage_of, manifest_row, present, refuse, save
from emofuse.clips.encoding import Encoder
from emofuse.clips.files import COLUMNS, clear
from emofuse.clips.labelled import begin
from emofuse.corpora.iemocap.names import CROPS, side_of
from emofuse.media.reading import Video
from emofuse.media.verdicts import exact, of_picture
from emofuse.media.wav import MediaError
from emofuse.runtime import store
from emofuse.runtime.errors import EmofuseError


def cut_video(dialog, labels_path, avi_path, out_dir, manifest_path, crop, on_missing):
    """Write `<out_dir>/<turn>.mp4`, H.264 without sound, for every turn of which the avi holds a frame.

    `crop`: `speaker`, `partner` (that half of the split screen) or `full`. A clip's first frame is the first one at or
    after the turn's start, its last the last one before the turn's end, by the frames' exact times, which are kept
    relative to the first. The avi is decoded once; turns overlap, so several encoders are open at a time.
    """
    if crop not in CROPS:
        raise EmofuseError(f"clips.crop is {crop!r}; it is one of {', '.join(CROPS)}.")
    turns = begin(dialog, labels_path, out_dir, manifest_path, on_missing)
    rows = {}
    try:
        with Video(present(avi_path)) as video:
            _cut_frames(video, turns, out_dir, crop, rows)
    except (OSError, MediaError) as error:
        damage = damage_of(avi_path or f"the video of {dialog}", error)
        refuse([damage], on_missing)
        # A dialog's damaged picture is dropped whole: which frames before the damage can be trusted is unknown.
        clear(out_dir, ".mp4")
        rows = {turn.turn_id: manifest_row(turn, *damage) for turn in turns}
    store.write_tsv(manifest_path, [rows[turn.turn_id] for turn in turns], COLUMNS)


def _cut_frames(video, turns, out_dir, crop, rows):
    """Encode the turns of an open Video and put their rows into `rows` by turn id."""
    spans = {turn: [math.ceil(exact(s) / video.time_base) for s in (turn.start_s, turn.end_s)] for turn in turns}
    waiting = sorted(turns, key=spans.get, reverse=True)
    encoders, shown = {}, []

    def finish(turn):
        encoder = encoders.pop(turn)
        rows[turn.turn_id] = save(turn, out_dir, "video", encoder.finish(), encoder.frames)

    for ticks, frame in video.frames():
        shown.append(ticks)
        for turn in [turn for turn in encoders if spans[turn][1] <= ticks]:
            finish(turn)
        while waiting and spans[waiting[-1]][0] <= ticks:
            turn = waiting.pop()
            if ticks < spans[turn][1]:
                encoders[turn] = Encoder(turn.turn_id, video.rate, video.time_base)
        halves = {}
        for turn, encoder in encoders.items():
            side = side_of(turn.turn_id, crop)
            if side not in halves:
                halves[side] = _crop(frame, side, video.seconds(ticks))
            encoder.add(halves[side], ticks)
    for turn in list(encoders):
        finish(turn)
    shown = np.array(shown)
    for turn in turns:
        found = of_picture(turn.start_s, turn.end_s, shown, video.time_base, video.step)
        if found.status == "ok":
            rows[turn.turn_id]["note"] = found.note
        else:
            rows[turn.turn_id] = manifest_row(turn, found.status, found.note)


def _crop(frame, side, seconds=0.0):
    """A frame, shown at `seconds`, or its left or right half, as planar YUV 4:2:0: uint8, (height * 3 / 2, width)."""
    width, height = frame.width, frame.height
    if width % 4 or height % 2:
        raise MediaError("unreadable", f"is {width}x{height}, which cannot be halved in YUV 4:2:0")
    try:
        picture = frame.to_ndarray(format="yuv420p")
    except (av.FFmpegError, ValueError) as error:
        raise MediaError(
            "unreadable",
            f"holds pictures of the kind {frame.format.name}, not to be used, at {seconds:.1f} s ({error})",
        ) from error
    if side == "full":
        return picture
    left = 0 if side == "left" else 1
    # Luma rows, then those of both chroma planes, two of which share a row of the array.
    luma = picture[:height].reshape(height, 2, width // 2)
    chroma = picture[height:].reshape(height, 2, width // 4)
    return np.concatenate([luma[:, left].ravel(), chroma[:, left].ravel()]).reshape(height * 3 // 2, width // 2)
