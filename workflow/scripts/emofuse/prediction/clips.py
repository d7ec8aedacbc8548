"""Cuts the clips of a user's recordings as a run cuts those of its corpus, turn by turn."""

import math
import os
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import av
import pyarrow as pa

from emofuse.clips import files, spans
from emofuse.clips.cutting import manifest_row
from emofuse.clips.files import COLUMNS, SUFFIXES, clip_path, read_manifests, save_clip
from emofuse.clips.small import shrink_clips
from emofuse.corpora.listing import unit_of
from emofuse.media.containers import seconds_of
from emofuse.media.wav import MediaError
from emofuse.prediction.transcripts import read_transcript
from emofuse.runtime.store import write_parquet, write_tsv

LONG = 30.0  # seconds; a longer recording without words or spans is cut into windows
LEAST = 1.0  # seconds; a shorter rest belongs to the window before
CUTTERS = {"text": spans.cut_text, "audio": spans.cut_audio, "video": spans.cut_video}


@dataclass(frozen=True)
class Clips:
    """The clips of one modality. root: folder of all clips. turns: ids of those that have one. manifest: {turn: row} of all of
    them. order: path of a table of all turns, for encoders that read a turn among its neighbours."""

    root: Path
    turns: list
    manifest: dict
    order: Path


def turns_of(recordings, window):
    """Rows, a turn each, of some `sources.Recording`: the spans of a transcript, else windows of so many seconds of what is
    long and has no words, else the recording."""
    rows = []
    for recording in recordings:
        row = recording.row
        if recording.transcript:
            rows += [
                replace(
                    row,
                    turn_id=f"{row.turn_id}.{number:04}",
                    speaker=span.speaker or row.speaker,
                    start_s=span.start_s,
                    end_s=span.end_s,
                    text=span.text or None,
                    text_file=None,
                )
                for number, span in enumerate(read_transcript(recording.transcript), 1)
            ]
            continue
        long = _seconds(row) if row.start_s is None and row.text is None and row.text_file is None else 0.0
        if long <= LONG:
            rows.append(row)
            continue
        count = max(1, math.ceil((long - LEAST) / window))
        ends = [window * number for number in range(1, count)] + [long]
        rows += [
            replace(
                row,
                turn_id=f"{row.turn_id}.{number:04}",
                start_s=end - window if end < long else window * (count - 1),
                end_s=end,
            )
            for number, end in enumerate(ends, 1)
        ]
    return rows


def _seconds(row):
    """How long a recording is; 0 of one that cannot be read, which cutting tells."""
    for path, kind in ((row.audio, "audio"), (row.video, "video")):
        try:
            if path:
                return float(seconds_of(path, kind))
        except (OSError, MediaError):
            continue
    return 0.0


def write_order(rows, path):
    """A table of the turns as an encoder reads it that looks at a turn's neighbours: those of its recording."""
    columns = {
        "turn_id": [row.turn_id for row in rows],
        "dialog": [row.dialog for row in rows],
        "speaker": [row.speaker for row in rows],
        "start_s": pa.array([row.start_s or 0.0 for row in rows], pa.float64()),
    }
    write_parquet(path, pa.table(columns))


def cut(rows, modality, work, order, small=None):
    """The Clips of one modality, under the folder `work`. small: pixels of the copies that video encoders read, or None.

    A video clip that has the form in which a run keeps its own is taken as it is, for to encode it again would change it.
    """
    flat, root = Path(work) / "cut" / modality, full_size(work)
    ready = {row.turn_id: frames for row in rows if modality == "video" and (frames := _frames_of_a_clip(row))}
    CUTTERS[modality]([r for r in rows if r.turn_id not in ready], Path(), flat, f"{flat}.tsv", "drop")
    manifest = read_manifests([f"{flat}.tsv"])
    for row in (row for row in rows if row.turn_id in ready):
        saved = save_clip(flat / f"{row.turn_id}.mp4", Path(row.video).read_bytes())
        manifest[row.turn_id] = manifest_row(row, "ok", "", frames=ready[row.turn_id]) | saved
    units = defaultdict(list)
    for turn, line in manifest.items():
        units[unit_of(turn)].append(line)
        if line["status"] == "ok":  # cut at once, for a recording is decoded once; encoders look for them by unit
            target = clip_path(root, modality, turn)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(flat / f"{turn}{SUFFIXES[modality]}", target)
    manifests = {unit: files.manifest_path(root, modality, unit) for unit in units}
    for unit, path in manifests.items():
        write_tsv(path, units[unit], COLUMNS)
    if small:
        root, whole = Path(work) / "small", root
        for unit, path in manifests.items():
            target = files.manifest_path(root, modality, unit)
            shrink_clips(whole, path, small, root / modality / unit, target)
            manifests[unit] = target
    found = read_manifests(manifests.values())
    turns = [row.turn_id for row in rows if found[row.turn_id]["status"] == "ok"]
    return Clips(root, turns, found, Path(order))


def _frames_of_a_clip(row):
    """How many frames the file of a row has, if it is all of it and has the form of a run's own clips; else None."""
    if row.video is None or row.start_s is not None or row.crop is not None or Path(row.video).suffix.lower() != ".mp4":
        return None
    try:
        with av.open(row.video) as container:
            [stream] = container.streams
            like = stream.type == "video" and stream.codec_context.name == "h264"
            like = like and stream.average_rate == 1 / spans.FRAME_S and stream.codec_context.pix_fmt == "yuv420p"
            rotated = like and next(container.decode(stream)).rotation
            return stream.frames if like and not rotated else None
    except (OSError, ValueError, StopIteration):  # PyAV's, too: cutting says what is wrong with it
        return None


def full_size(work):
    """The folder of all clips as they were cut, under the folder `work`."""
    return Path(work) / "clips"
