"""Indexes the labelled turns of a release: turns.parquet, from its label files."""

from collections import Counter

import pyarrow as pa
from tqdm import tqdm

from emofuse.corpora.iemocap import release
from emofuse.corpora.problems import Problems, read_source
from emofuse.runtime import store

TURNS_SCHEMA = pa.schema(
    [
        ("turn_id", pa.string()),
        ("session", pa.int8()),
        ("dialog", pa.string()),
        ("scenario", pa.string()),
        ("style", pa.string()),
        ("speaker", pa.string()),
        ("gender", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("label", pa.string()),
        ("valence", pa.float32()),
        ("arousal", pa.float32()),
        ("dominance", pa.float32()),
    ]
)


def index_turns(root, dialogs, on_missing, turns_path, problems_path, counts_path=None, dialog_list_path=None):
    """Write turns.parquet (schema TURNS_SCHEMA, sorted by turn_id) and problems from the label files of `dialogs`.

    Errors inside label files (ids that are malformed, foreign or used twice, times that are no interval) are always
    refused, those of all files at once. With `counts_path`, and where `dialogs` are those of the file `dialog_list_path`,
    so the whole release, the turns by session and label must be those of `counts_path` (columns session, label, turns);
    sessions of which a label file was dropped are left out.
    """
    problems, rows, errors, incomplete = Problems(root), [], [], set()
    for path in release.stray_files(root, sorted({release.session_of(dialog) for dialog in dialogs})):
        problems.add(path, "warning", "stray file: its name is not that of a dialog of this session", "ignored")
    for dialog in tqdm(sorted(dialogs), "labels"):
        path = release.label_path(root, dialog)
        text = read_source(path, problems, "the dialog has no turns")
        turns, faults = release.parse_labels(text or "", dialog, path)
        errors += faults
        if not turns and not faults:
            incomplete.add(release.session_of(dialog))
            if text is not None:
                problems.defect(path, "unreadable file: it holds no labelled turn", "the dialog has no turns")
        for turn in turns:
            rows.append(_turn_row(turn, dialog))
            if turn.label not in release.LABELS:
                problems.add(turn.turn_id, "warning", f"unknown label: {turn.label}", "kept, in no class")
            _check_ratings(turn, problems)
    if not errors and counts_path and set(dialogs) == set(release.read_dialog_list(dialog_list_path)):
        errors = _count_errors(rows, counts_path, incomplete)
    absent = set(release.read_dialog_list(dialog_list_path)) - set(dialogs) if dialog_list_path else ()
    if absent:
        named = ", ".join(sorted(absent)[:5]) + (" ..." if len(absent) > 5 else "")
        problems.add(
            root, "info", f"not the whole release: without {len(absent)} of its dialogs ({named})", "not asserted"
        )
    problems.finish(problems_path, on_missing, errors)
    rows.sort(key=lambda row: row["turn_id"])
    store.write_parquet(turns_path, pa.Table.from_pylist(rows, TURNS_SCHEMA))


def _turn_row(turn, dialog):
    return {
        **turn._asdict(),
        "session": release.session_of(dialog),
        "dialog": dialog,
        "scenario": release.scenario_of(dialog),
        "style": release.style_of(dialog),
        "speaker": release.speaker_of(turn.turn_id),
        "gender": release.gender_of(turn.turn_id),
    }


def _check_ratings(turn, problems):
    for name in ("valence", "arousal", "dominance"):
        value = getattr(turn, name)
        if value is None:
            problems.add(turn.turn_id, "info", f"rating not given: {name}", "left empty")
        elif not 1 <= value <= 5:
            problems.add(turn.turn_id, "info", f"rating outside 1 to 5: {name} {value:g}", "kept")


def _count_errors(rows, counts_path, incomplete):
    """Lines on the cells of the table of turns by session and label that differ from the release's."""
    expected = {(int(row["session"]), row["label"]): int(row["turns"]) for row in store.read_tsv(counts_path)}
    found = Counter((row["session"], row["label"]) for row in rows)
    return [
        f"session {session}, label {label}: {found[session, label]} turns, but the release has {expected.get(cell, 0)}"
        for cell in sorted(expected.keys() | found.keys())
        for session, label in [cell]
        if session not in incomplete and found[cell] != expected.get(cell, 0)
    ]


def turns_by_dialog(turns_path, dialogs):
    """The turns of turns.parquet as dicts, by dialog; a dialog without turns has an empty list."""
    found = {dialog: [] for dialog in sorted(dialogs)}
    for turn in store.read_parquet(turns_path, ["turn_id", "dialog", "start_s", "end_s"]).to_pylist():
        if turn["dialog"] in found:
            found[turn["dialog"]].append(turn)
    return found
