"""Indexes the files of a listing's sound and picture, opening each: media.parquet."""

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pyarrow as pa
from tqdm import tqdm

from emofuse.corpora.problems import Problems
from emofuse.corpora.recordings import MEDIA_SCHEMA, probe, report
from emofuse.corpora.units import unit_of
from emofuse.media.containers import seconds_of
from emofuse.media.verdicts import of_sound
from emofuse.media.wav import RATE
from emofuse.runtime import store

KINDS = {"sound": ("audio", "audio clip"), "picture": ("video", "video clip")}  # the Row's field, and what comes of it


def index_listing_media(listing, on_missing, media_path, problems_path, threads=1):
    """Open every file of a Listing; write media.parquet (MEDIA_SCHEMA, a row a file and kind) and problems.

    kind: sound or picture; dialog: the unit of the file's first turn; turn_id: null where turns share the file; path as in the
    listing; status: ok, missing (also where the file lacks that track), unreadable or truncated; seconds: its length by its
    headers, null where it is not ok. Only a track's first frame is decoded: what is damaged further on, cutting tells. A
    missing or damaged file is refused unless `on_missing` is drop; one without the track is a warning. threads: files at a
    time.
    """
    problems, base = Problems(listing.base), Path(listing.base)
    files = {kind: defaultdict(list) for kind in KINDS}
    for row in listing.rows:
        for kind, (field, _) in KINDS.items():
            files[kind][getattr(row, field)].append(row)
    for kind, of_kind in files.items():
        _count_absent(listing, kind, of_kind.pop(None, []), problems)
    tasks = [(kind, path, of_file) for kind, of_kind in files.items() for path, of_file in of_kind.items()]
    with ThreadPoolExecutor(threads) as pool:  # FFmpeg reads outside the interpreter's lock
        found = list(tqdm(pool.map(lambda task: _open(base, *task[:2]), tasks), "media", len(tasks)))
    rows = []
    for (kind, path, of_file), (status, seconds, problem) in zip(tasks, found, strict=True):
        turn = of_file[0].turn_id if len(of_file) == 1 else None
        row = (unit_of(of_file[0].turn_id), turn, kind, path, status, seconds)
        rows.append(dict(zip(MEDIA_SCHEMA.names, row, strict=True)))
        _report_file(base / path, KINDS[kind][1], of_file, row, problem, problems)
    problems.finish(problems_path, on_missing)
    rows.sort(key=lambda row: (row["dialog"], row["kind"], row["path"]))
    store.write_parquet(media_path, pa.Table.from_pylist(rows, MEDIA_SCHEMA))


def _open(base, kind, path):
    return probe(base / path, partial(seconds_of, kind=KINDS[kind][0]))


def _count_absent(listing, kind, rows, problems):
    if rows:
        named = ", ".join(row.turn_id for row in rows[:5]) + (" ..." if len(rows) > 5 else "")
        told = f"turns without {kind}: {len(rows)} of {len(listing.rows)} ({named})"
        problems.add(Path(listing.base), "info", told, f"they have no {KINDS[kind][1]}")


def _report_file(path, clip, of_file, row, problem, problems):
    """Report a file that cannot be used, or the turns that it does not hold."""
    *_, kind, _, status, seconds = row
    lost = f"it has no {clip}" if row[1] else f"its {len(of_file)} turns have no {clip}"
    subject = path if path.is_relative_to(problems.root) else str(path)
    if status == "missing" and path.exists():
        problems.add(subject, "warning", problem.replace("missing file", "missing track"), lost)
    elif status != "ok":
        problems.defect(subject, problem, lost)
    for turn in of_file if status == "ok" else ():
        if turn.start_s is not None:
            times = {"turn_id": turn.turn_id, "start_s": turn.start_s, "end_s": turn.end_s}
            verdict = of_sound(turn.start_s, turn.end_s, round(seconds * RATE), f"the {kind}")
            report(times, verdict, kind, seconds, f"it has no {clip}", problems)
