"""Indexes the recordings of a release, opening each wav and avi: media.parquet."""

import pyarrow as pa
from tqdm import tqdm

from emofuse import media, release, store
from emofuse.problems import Problems
from emofuse.turns import turns_by_dialog

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

# Times are given to a tenth of a millisecond, but wavs were cut and videos end on whole frames.
TOLERANCE_S = 0.1
# Nothing begins within the last video frame.
LAST_FRAME_S = 1001 / 30000


def index_media(root, dialogs, turns_path, on_missing, media_path, problems_path):
    """Open every avi and wav; write media.parquet (schema MEDIA_SCHEMA) and problems.

    kind: avi, dialog_wav or sentence_wav (turn_id is null for the first two); path relative to `root`; status: ok,
    missing, unreadable or truncated; seconds: the file's length, null where it is not ok.
    """
    problems, rows = Problems(root), []
    for dialog, turns in tqdm(turns_by_dialog(turns_path, dialogs).items(), "media"):
        _index_avi(root, dialog, turns, rows, problems)
        _index_wavs(root, dialog, turns, rows, problems)
    problems.finish(problems_path, on_missing)
    store.write_parquet(media_path, pa.Table.from_pylist(rows, MEDIA_SCHEMA))


def _index_avi(root, dialog, turns, rows, problems):
    path = release.avi_path(root, dialog)
    status, seconds, problem = _probe(path, media.avi_seconds)
    rows.append(_media_row(root, dialog, None, "avi", path, status, seconds))
    if problem:
        problems.defect(path, problem, f"its {len(turns)} turns have no video clip")
    if seconds is None:
        return
    for turn in turns:
        _check_end(turn, seconds, "video", "it has no video clip", problems)


def _index_wavs(root, dialog, turns, rows, problems):
    path = release.dialog_wav_path(root, dialog)
    status, seconds, problem = _probe(path, _wav_seconds)
    rows.append(_media_row(root, dialog, None, "dialog_wav", path, status, seconds))
    fallback = "cut from the dialog's wav" if status == "ok" else "it has no audio clip"
    without, missing = [], []
    for turn in turns:
        own = release.sentence_wav_path(root, turn["turn_id"])
        own_status, own_seconds, own_problem = _probe(own, _wav_seconds)
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
        _check_end(turn, seconds, "dialog's wav", "it has no audio clip", problems)


def _check_end(turn, seconds, medium, lost, problems):
    """Report a turn that lies past the end of its medium, or reaches past it."""
    times = f"it lasts from {turn['start_s']:.2f} to {turn['end_s']:.2f} s, the {medium} to {seconds:.2f} s"
    if turn["start_s"] > seconds - LAST_FRAME_S:
        problems.add(turn["turn_id"], "warning", f"past the end of the {medium}: {times}", lost)
    elif turn["end_s"] > seconds + TOLERANCE_S:
        problems.add(turn["turn_id"], "warning", f"partly past the end of the {medium}: {times}", "kept, cut short")


def _media_row(root, dialog, turn_id, kind, path, status, seconds):
    relative = path.relative_to(root).as_posix()
    return dict(zip(MEDIA_SCHEMA.names, (dialog, turn_id, kind, relative, status, seconds), strict=True))


def _probe(path, read):
    """(status, seconds, problem) of a medium: read(path) gives its seconds."""
    try:
        return "ok", read(path), ""
    except FileNotFoundError:
        return "missing", None, "missing file"
    except OSError as error:
        return "unreadable", None, f"unreadable file: {error.strerror}"
    except media.MediaError as error:
        return error.status, None, f"{error.status} file: it {error}"


def _wav_seconds(path):
    header = media.wav_header(path)
    if header.samples == 0:
        raise media.MediaError("unreadable", "holds no sound")
    return header.samples / header.rate
