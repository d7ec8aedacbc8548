"""Indexes the labelled turns of a release: turns.parquet, from its label files."""

from collections import Counter

import pyarrow as pa
from tqdm import tqdm

from emofuse.corpora.iemocap import names
from emofuse.corpora.iemocap.dialogs import read_dialog_list, stray_files
from emofuse.corpora.iemocap.labels import LABELS, parse_labels
from emofuse.corpora.iemocap.paths import label_path
from emofuse.corpora.problems import Problems
from emofuse.corpora.sources import read_source
from emofuse.corpora.turns import TURNS_SCHEMA
from emofuse.runtime import store


def index_turns(root, dialogs, on_missing, turns_path, problems_path, counts_path=None, dialog_list_path=None):
    """Write turns.parquet (schema TURNS_SCHEMA, sorted by turn_id) and problems from the label files of `dialogs`.

    Errors inside label files (ids that are malformed, foreign or used twice, times that are no interval) are always
    refused, those of all files at once. With `counts_path`, and where `dialogs` are those of the file `dialog_list_path`,
    so the whole release, the turns by session and label must be those of `counts_path` (columns session, label, turns);
    sessions of which a label file was dropped are left out.
    """
    problems, rows, errors, incomplete = Problems(root), [], [], set()
    for path in stray_files(root, sorted({names.session_of(dialog) for dialog in dialogs})):
        problems.add(path, "warning", "stray file: its name is not that of a dialog of this session", "ignored")
    for dialog in tqdm(sorted(dialogs), "labels"):
        path = label_path(root, dialog)
        text = read_source(path, problems, "the dialog has no turns")
        turns, faults = parse_labels(text or "", dialog, path)
        errors += faults
        if not turns and not faults:
            incomplete.add(names.session_of(dialog))
            if text is not None:
                problems.defect(path, "unreadable file: it holds no labelled turn", "the dialog has no turns")
        for turn in turns:
            rows.append(_turn_row(turn, dialog))
            if turn.label not in LABELS:
                problems.add(turn.turn_id, "warning", f"unknown label: {turn.label}", "kept, in no class")
            _check_ratings(turn, problems)
    if not errors and counts_path and set(dialogs) == set(read_dialog_list(dialog_list_path)):
        errors = _count_errors(rows, counts_path, incomplete)
    absent = set(read_dialog_list(dialog_list_path)) - set(dialogs) if dialog_list_path else ()
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
        "session": names.session_of(dialog),
        "dialog": dialog,
        "scenario": names.scenario_of(dialog),
        "style": names.style_of(dialog),
        "speaker": names.speaker_of(turn.turn_id),
        "gender": names.gender_of(turn.turn_id),
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
