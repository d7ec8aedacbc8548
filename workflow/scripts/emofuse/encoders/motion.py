"""Writes how the people of a turn move, in 200 equal parts of it: of the markers that one of them wears, or of the picture."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from emofuse.clips.files import clip_path, read_manifests, require_whole_clips
from emofuse.corpora.iemocap.motion import WIDTHS
from emofuse.corpora.iemocap.names import wearer_speaks
from emofuse.corpora.motion import read_dialog
from emofuse.corpora.problems import Problems
from emofuse.corpora.turns import turns_by_dialog
from emofuse.encoders.sequences import GROUP, writing
from emofuse.encoders.stores import why_left_out
from emofuse.media.motion import WIDTH, motion_on_grid

PARTS = 200
SHOWS = pa.field("shows", pa.string())  # speaker, listener, or both of them
HIDDEN = pa.field("hidden", pa.int32())  # numbers of a step that no frame of the turn has


def read_motion_capture(root, turns, dialogs, encoder, on_missing, output, problems_path):
    """Write the sequences of the motion capture of a release, a row for each turn of turns.parquet that has all of it, and the
    problems that were met.

    Format: that of `sequences.writing`, 200 steps of 189 numbers, each the mean over its frames: face 165 and hand 18 in mm,
    head 6, in the order face, head, hand. What no frame of a step shows is interpolated over time; what no frame of the turn
    shows is 0, and the column `hidden` counts such numbers. Column `shows`: speaker, where the speaker wears the markers, else
    listener. Metadata: modality, encoder (its name), frozen ('true'), width, left_out (JSON: turn -> why it has none). No label
    is read. Raises EmofuseError with all missing and unreadable files unless `on_missing` is drop.
    """
    problems, left_out = Problems(root), {}
    metadata = _metadata(encoder)
    with writing(output, metadata, sum(WIDTHS.values()), (SHOWS, HIDDEN)) as write:
        for dialog, of_dialog in tqdm(turns_by_dialog(turns, dialogs).items(), "motion", unit="dialog"):
            for turn, found, why in read_dialog(root, dialog, of_dialog, problems):
                name = turn["turn_id"]
                if found is None:
                    left_out[name] = why
                    continue
                states, hidden = filled(np.hstack([parts(found[kind]) for kind in WIDTHS]))
                write(name, states, middles(turn), "speaker" if wearer_speaks(name) else "listener", hidden)
        problems.finish(problems_path, on_missing)
        metadata["left_out"] = json.dumps(left_out)


def read_motion_vectors(turns, dialogs, data, crop, encoder, threads, output):
    """Write the sequences of the motion in video clips: 200 steps of the 128 numbers of `media.motion.motion_on_grid`.

    A row for each turn of turns.parquet that has a clip. data: `settings.Data` of the clips as they are cut, for small copies
    hold no motion. crop: what they show. threads: clips at a time. Metadata and `shows` are those of `read_motion_capture`.
    """
    shows = {"speaker": "speaker", "partner": "listener", "full": "both"}[crop]
    manifest = read_manifests(data.manifests)
    corpus = [turn for of_dialog in turns_by_dialog(turns, dialogs).values() for turn in of_dialog]
    rows = {turn["turn_id"]: manifest[turn["turn_id"]] for turn in corpus}
    left_out = {turn: why_left_out(row) for turn, row in rows.items() if row["status"] != "ok"}
    usable = [turn for turn in corpus if turn["turn_id"] not in left_out]
    require_whole_clips(data.clips, "video", [turn["turn_id"] for turn in usable], manifest)

    def states_of(turn):
        name = turn["turn_id"]
        return parts(motion_on_grid(clip_path(data.clips, "video", name), int(manifest[name]["frames"])))

    metadata = _metadata(encoder) | {"left_out": json.dumps(left_out)}
    with (
        writing(output, metadata, WIDTH, (SHOWS,)) as write,
        ThreadPoolExecutor(threads) as pool,  # FFmpeg decodes outside the interpreter's lock
        tqdm(total=len(usable), desc="motion", unit="turn") as bar,
    ):
        for start in range(0, len(usable), GROUP):  # so that what is read does not wait in memory to be written
            some = usable[start : start + GROUP]
            for turn, states in zip(some, pool.map(states_of, some), strict=True):
                write(turn["turn_id"], states, middles(turn), shows)
                bar.update()


def _metadata(encoder):
    return {"modality": "motion", "encoder": encoder, "frozen": "true"}


def middles(turn):
    """float32 (200,): the second in the middle of each part, from the start of the turn."""
    return ((np.arange(PARTS) + 0.5) / PARTS * (turn["end_s"] - turn["start_s"])).astype(np.float32)


def parts(frames):
    """float64 (200, width): the means of 200 equal parts of frames (n, width), without what is NaN; NaN where all of it is.

    Of fewer than 200 frames a part takes the one that its middle lies in.
    """
    number = np.arange(PARTS)
    if len(frames) < PARTS:
        return frames[(2 * number + 1) * len(frames) // (2 * PARTS)].astype(float)
    first, seen = number * len(frames) // PARTS, ~np.isnan(frames)
    sums = np.add.reduceat(np.where(seen, frames, 0.0), first)
    counts = np.add.reduceat(seen, first, dtype=int)
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)


def filled(states):
    """(states, hidden): (n, width) without NaN. What lacks is interpolated over time, the nearest number at either end; columns
    of NaN alone, of which there are `hidden`, are 0."""
    states, steps, hidden = states.copy(), np.arange(len(states)), 0
    for column in np.flatnonzero(np.isnan(states).any(axis=0)):
        seen = ~np.isnan(states[:, column])
        hidden += not seen.any()
        states[:, column] = np.interp(steps, steps[seen], states[seen, column]) if seen.any() else 0.0
    return states, hidden
