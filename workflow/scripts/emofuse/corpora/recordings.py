"""Indexes the recordings of a release, opening each wav and avi: media.parquet."""

from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
from tqdm import tqdm

from emofuse.corpora.iemocap.paths import avi_path, dialog_wav_path, sentence_wav_path
from emofuse.corpora.problems import Problems
from emofuse.corpora.turns import turns_by_dialog
from emofuse.media import reading as media
from emofuse.media.verdicts import TOLERANCE_S, of_picture, of_sound
from emofuse.media.wav import RATE, MediaError
from emofuse.runtime import store

MEDIA_SCHEMA = pa.schema(
    [
        ("dialog", pa.string()),
        ("turn_id", pa.string()),
        ("kind", pa.string()),
        ("path", pa.string()),
        ("status", pa.string()),
        ("seconds", pa.float64()),
    ]
)


def index_media(root, dialogs, turns_path, on_missing, media_path, problems_path, threads=1):
    """Read every avi and wav as cutting reads it; write media.parquet (schema MEDIA_SCHEMA) and problems.

    kind: avi, dialog_wav or sentence_wav (turn_id is null for the first two); path relative to `root`; status: ok,
    missing, unreadable or truncated; seconds: the file's length, null where it is not ok. Each avi is decoded to its end:
    its header may state too few frames, and its last one may be the broken one. threads: dialogs at a time.
    """

    def index(item):
        dialog, turns = item
        problems, rows = Problems(root), []
        _index_avi(root, dialog, turns, rows, problems)
        _index_wavs(root, dialog, turns, rows, problems)
        return problems, rows

    problems, rows = Problems(root), []
    by_dialog = turns_by_dialog(turns_path, dialogs)
    with ThreadPoolExecutor(threads) as pool:  # FFmpeg decodes outside the interpreter's lock
        for of_dialog, found in tqdm(pool.map(index, by_dialog.items()), "media", len(by_dialog)):
            problems.extend(of_dialog)
            rows += found
    problems.finish(problems_path, on_missing)
    store.write_parquet(media_path, pa.Table.from_pylist(rows, MEDIA_SCHEMA))


def _index_avi(root, dialog, turns, rows, problems):
    path = avi_path(root, dialog)
    status, found, problem = probe(path, _read_avi)
    seconds = None if found is None else float((int(found[0][-1]) + found[2]) * found[1])
    rows.append(_media_row(root, dialog, None, "avi", path, status, seconds))
    if problem:
        problems.defect(path, problem, f"its {len(turns)} turns have no video clip")
        return
    for turn in turns:
        verdict = of_picture(turn["start_s"], turn["end_s"], *found)
        report(turn, verdict, "video", seconds, "it has no video clip", problems)


def _read_avi(path):
    """(ticks of all frames, time_base, step) of an avi."""
    with media.Video(path) as video:
        return media.avi_ticks(video), video.time_base, video.step


def _index_wavs(root, dialog, turns, rows, problems):
    path = dialog_wav_path(root, dialog)
    status, seconds, problem = probe(path, media.wav_seconds)
    rows.append(_media_row(root, dialog, None, "dialog_wav", path, status, seconds))
    fallback = "cut from the dialog's wav" if status == "ok" else "it has no audio clip"
    without, missing = [], []
    for turn in turns:
        own = sentence_wav_path(root, turn["turn_id"])
        own_status, own_seconds, own_problem = probe(own, media.wav_seconds)
        rows.append(_media_row(root, dialog, turn["turn_id"], "sentence_wav", own, own_status, own_seconds))
        if own_status == "ok":
            lasts = turn["end_s"] - turn["start_s"]
            if abs(own_seconds - lasts) > TOLERANCE_S:
                length = f"its wav lasts {own_seconds:.2f} s, the turn {lasts:.2f} s"
                problems.add(turn["turn_id"], "warning", f"length differs: {length}", "kept as it is")
            continue
        without.append(turn)
        if own_status == "missing":
            missing.append(own)
        else:
            problems.defect(own, own_problem, fallback)
    if missing and len(missing) == len(turns):
        missing = [missing[0].parent]
    for own in missing:
        if status == "ok":
            problems.add(own, "warning", "missing wav of a turn, or a dialog's folder of them", fallback)
        else:
            problems.defect(own, "missing file", fallback)
    if status != "ok":
        lost = f"{len(without)} turns have no audio clip" if without else "not needed: each turn has its own wav"
        problems.defect(path, problem, lost)
        return
    for turn in without:
        verdict = of_sound(turn["start_s"], turn["end_s"], round(seconds * RATE))
        report(turn, verdict, "dialog's wav", seconds, "it has no audio clip", problems)


def report(turn, verdict, medium, seconds, lost, problems):
    """Report a turn of which its medium, `seconds` long, does not hold all."""
    times = f"it lasts from {turn['start_s']:.2f} to {turn['end_s']:.2f} s, the {medium} to {seconds:.2f} s"
    if verdict.status == "past_end":
        problems.add(turn["turn_id"], "warning", f"past the end of the {medium}: {times}", lost)
    elif verdict.status == "missing":
        problems.add(turn["turn_id"], "warning", f"nothing in its time: {verdict.note}; {times}", lost)
    elif verdict.note:
        problems.add(turn["turn_id"], "warning", f"partly past the end of the {medium}: {times}", "kept, cut short")


def _media_row(root, dialog, turn_id, kind, path, status, seconds):
    relative = path.relative_to(root).as_posix()
    return dict(zip(MEDIA_SCHEMA.names, (dialog, turn_id, kind, relative, status, seconds), strict=True))


def probe(path, read):
    """(status, read(path) or None, problem) of a medium."""
    try:
        return "ok", read(path), ""
    except FileNotFoundError:
        return "missing", None, "missing file"
    except OSError as error:
        return "unreadable", None, f"unreadable file: {error.strerror}"
    except MediaError as error:
        return error.status, None, f"{error.status} file: it {error}"
