"""Watches the picture of a dialog while each turn is spoken: stills, and which part of it moves with the sound."""

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from emofuse.clips.cutting import damage_of, present, refuse
from emofuse.clips.files import clip_path, read_manifests, require_whole_clips
from emofuse.clips.labelled import read_turns
from emofuse.clips.stills import WATCHED_SCHEMA, jpeg
from emofuse.corpora.iemocap.names import side_of, speaker_of
from emofuse.corpora.sheet import first_and_last
from emofuse.media.reading import Video
from emofuse.media.synchrony import Motion, agreement, loudness
from emofuse.media.verdicts import exact, of_picture
from emofuse.media.wav import RATE, MediaError, read_clip
from emofuse.runtime import store

HALVES = {"left": (0.0, 0.0, 0.5, 1.0), "right": (0.5, 0.0, 0.5, 1.0)}


@dataclass(frozen=True)
class Spoken:
    """A turn to watch. start_s, end_s: in the picture's file. crop, other: x, y, width, height as fractions of the picture, of
    the speaker and of whom to compare with, or None. sound: int16 (samples,) from the turn's start on, at 16 kHz; empty where
    there is none. shown: whether a still is taken."""

    turn_id: str
    start_s: float
    end_s: float
    crop: tuple[float, float, float, float]
    other: tuple[float, float, float, float] | None
    sound: np.ndarray
    shown: bool


def watch_dialog(dialog, labels_path, avi_path, clips_root, manifest_path, out_path, on_missing):
    """Write a table (WATCHED_SCHEMA) of a dialog's turns, in the order in which they begin, of one pass over its avi.

    The crop is the speaker's half of the split screen, the other part the other half. clips_root, manifest_path: of the turns'
    audio clips. avi_path: None where it is missing; on_missing as for cutting. Raises EmofuseError also for a damaged clip.
    """
    turns = sorted(read_turns(dialog, labels_path, on_missing), key=lambda turn: (turn.start_s, turn.turn_id))
    clips = {turn: row for turn, row in read_manifests([manifest_path]).items() if row["status"] == "ok"}
    require_whole_clips(clips_root, "audio", list(clips), clips)
    shown, spoken = first_and_last((turn.turn_id, speaker_of(turn.turn_id)) for turn in turns), []
    for turn in turns:
        name = turn.turn_id
        sound = np.zeros(0, np.int16)
        if name in clips:
            sound = read_clip(clip_path(clips_root, "audio", name), int(clips[name]["frames"]))
        side = side_of(name, "speaker")
        crop, other = HALVES[side], HALVES["left" if side == "right" else "right"]
        spoken.append(Spoken(name, turn.start_s, turn.end_s, crop, other, sound, name in shown))
    try:
        with Video(present(avi_path)) as video:
            seen = watch(video, spoken)
    except (OSError, MediaError) as error:
        damage = damage_of(avi_path or f"the video of {dialog}", error)
        refuse([damage], on_missing)
        seen = {turn.turn_id: {"note": damage[1]} for turn in spoken}
    rows = [
        {
            **dict(turn_id=turn.turn_id, dialog=dialog, speaker=speaker_of(turn.turn_id), start_s=turn.start_s),
            **dict(crop=turn.crop, shown=turn.shown),
            **seen[turn.turn_id],
        }
        for turn in spoken
    ]
    store.write_parquet(out_path, pa.Table.from_pylist(rows, WATCHED_SCHEMA))


def watch(video, turns):
    """{turn id: its own, other, still and note of WATCHED_SCHEMA} of Spoken turns, of one pass over an open Video.

    own and other are None unless both parts can be compared with the sound. Raises MediaError as the Video does.
    """
    parts = sorted({part for turn in turns for part in (turn.crop, turn.other) if part})
    motion, ticks, moved, stills = Motion(parts), [], [], {}
    waiting = sorted(((*_moment(turn, video), turn.turn_id) for turn in turns if turn.shown), reverse=True)
    for tick, frame in video.frames():
        ticks.append(tick)
        moved.append(motion.add(frame))
        while waiting and waiting[-1][0] <= tick:
            _, end, turn_id = waiting.pop()
            if tick < end:
                stills[turn_id] = jpeg(frame)
    ticks, moved = np.array(ticks), dict(zip(parts, np.array(moved).T, strict=True))
    found = {}
    for turn in turns:
        verdict = of_picture(turn.start_s, turn.end_s, ticks, video.time_base, video.step)
        own, other = _compared(turn, verdict, ticks, moved, video) if verdict.status == "ok" else (None, None)
        note = verdict.note if verdict.status != "ok" else ""
        found[turn.turn_id] = {"own": own, "other": other, "still": stills.get(turn.turn_id), "note": note}
    return found


def _moment(turn, video):
    """(tick from which on a turn's still may be taken, tick of its end): where it is loudest, for there a mouth is open."""
    start, end = (math.ceil(exact(seconds) / video.time_base) for seconds in (turn.start_s, turn.end_s))
    edges = np.arange(0, len(turn.sound) + 1, RATE // 10)
    after = int(np.argmax(loudness(turn.sound, edges))) / 10 if len(edges) > 1 else (turn.end_s - turn.start_s) / 2
    loudest = math.floor((turn.start_s + after) / video.time_base)
    return max(start, min(loudest, end - video.step)), end


def _compared(turn, verdict, ticks, moved, video):
    """How the motion of the crop and of the other part agree with the sound, or (None, None)."""
    if turn.other is None:
        return None, None
    frames = ticks[verdict.first : verdict.end]
    seconds = np.append(frames, frames[-1] + video.step) * float(video.time_base) - turn.start_s
    edges = np.rint(seconds * RATE).astype(int)
    edges = edges[edges <= len(turn.sound)]
    loud = loudness(turn.sound, edges)
    span = slice(verdict.first, verdict.first + len(loud))
    both = [agreement(moved[part][span], loud) for part in (turn.crop, turn.other)]
    return (None, None) if np.isnan(both).any() else tuple(both)
