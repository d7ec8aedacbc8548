"""Indexes a release tree: its turns, words and media as tables, and everything that is wrong with it as a list.

A problem is a row of problems.tsv: subject (a turn id, or a path relative to the release), severity (`info`: nothing
is lost; `warning`: a turn loses something; `error`: a file cannot be used), problem (its kind, a colon, details) and
action (what was done). A missing or damaged file ends the work by an EmofuseError that lists all of them at once,
unless `on_missing` is `drop`.
"""

from collections import Counter
from pathlib import Path

import pyarrow as pa
from tqdm import tqdm

from emofuse import media, release, store
from emofuse.errors import EmofuseError, listing

SEVERITIES = ("error", "warning", "info")
PROBLEM_COLUMNS = ("subject", "severity", "problem", "action")

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
WORDS_SCHEMA = pa.schema([("turn_id", pa.string()), ("text", pa.string())])
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
# Lines of one error message: enough for a copy of the release without its videos.
MOST_LISTED = 200


class _Problems:
    """Collects problems, and the defects of files that end the work unless they are to be dropped."""

    def __init__(self, root):
        self._root, self.rows, self._defects = Path(root), [], []

    def add(self, subject, severity, problem, action):
        if isinstance(subject, Path):
            subject = subject.relative_to(self._root).as_posix()
        row = dict(zip(PROBLEM_COLUMNS, (subject, severity, problem, action), strict=True))
        self.rows.append(row)

    def defect(self, path, problem, action):
        """A file that is missing or damaged; `action` is what `on_missing: drop` does about it."""
        self._defects.append(f"{path}: {problem}")
        self.add(path, "error", problem, action)

    def finish(self, path, on_missing, errors=()):
        """Raise EmofuseError for `errors` and, where they are not to be dropped, defects; else write problems.tsv."""
        messages = []
        if errors:
            messages.append(f"Errors in label files: {len(errors)}\n{listing(errors, MOST_LISTED)}")
        if self._defects and on_missing == "error":
            messages.append(
                f"Missing or damaged files of the release: {len(self._defects)} "
                f"(corpus.on_missing: drop works without them)\n{listing(self._defects, MOST_LISTED)}"
            )
        if messages:
            raise EmofuseError("\n".join(messages))
        store.write_tsv(path, self.rows, PROBLEM_COLUMNS)


def index_turns(root, dialogs, on_missing, turns_path, problems_path, counts_path=None, dialog_list_path=None):
    """Write turns.parquet (schema TURNS_SCHEMA, sorted by turn_id) and problems from the label files of `dialogs`.

    Errors inside label files (ids that are malformed, foreign or used twice, times that are no interval) are always
    refused, those of all files at once. With `counts_path`, and where `dialogs` are those of the file `dialog_list_path`,
    so the whole release, the turns by session and label must be those of `counts_path` (columns session, label, turns);
    sessions of which a label file was dropped are left out.
    """
    problems, rows, errors, incomplete = _Problems(root), [], [], set()
    for path in release.stray_files(root, sorted({release.session_of(dialog) for dialog in dialogs})):
        problems.add(path, "warning", "stray file: its name is not that of a dialog of this session", "ignored")
    for dialog in tqdm(sorted(dialogs), "labels"):
        path = release.label_path(root, dialog)
        text = _read(path, problems, "the dialog has no turns")
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


def index_words(root, dialogs, turns_path, on_missing, words_path, problems_path):
    """Write words.parquet (turn_id, text as spoken, markers such as [LAUGHTER] kept; sorted by turn_id) and problems.

    Only turns of `turns_path` have rows, and only those with words.
    """
    problems, rows = _Problems(root), []
    for dialog, turns in tqdm(_by_dialog(turns_path, dialogs).items(), "transcripts"):
        path = release.transcript_path(root, dialog)
        lost = f"its {len(turns)} turns have no words"
        text = _read(path, problems, lost)
        if text is None:
            continue
        found = release.parse_transcript(text, dialog)
        if turns and not found.words:
            problems.defect(path, "unreadable file: it holds no turn", lost)
            continue
        labelled = {turn["turn_id"] for turn in turns}
        rows += [{"turn_id": turn, "text": words} for turn, words in found.words.items() if words and turn in labelled]
        for turn in sorted(labelled):
            if not found.words.get(turn):
                problems.add(turn, "warning", "labelled turn without words", "it has no text clip")
        for turn in sorted(found.words.keys() - labelled):
            problems.add(turn, "info", "words without a label", "not used")
        if found.unlabelled:
            problems.add(path, "info", f"lines of unlabelled turns: {', '.join(found.unlabelled)}", "not used")
        if found.without_id:
            numbers = ", ".join(map(str, found.without_id))
            problems.add(path, "info", f"lines without a turn id: {numbers}", "not used")
        for line in found.strange:
            problems.add(path, "warning", f"line not understood: {line}", "not used")
    problems.finish(problems_path, on_missing)
    rows.sort(key=lambda row: row["turn_id"])
    store.write_parquet(words_path, pa.Table.from_pylist(rows, WORDS_SCHEMA))


def index_media(root, dialogs, turns_path, on_missing, media_path, problems_path):
    """Open every avi and wav; write media.parquet (schema MEDIA_SCHEMA) and problems.

    kind: avi, dialog_wav or sentence_wav (turn_id is null for the first two); path relative to `root`; status: ok,
    missing, unreadable or truncated; seconds: the file's length, null where it is not ok.
    """
    problems, rows = _Problems(root), []
    for dialog, turns in tqdm(_by_dialog(turns_path, dialogs).items(), "media"):
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


def _read(path, problems, lost):
    """The text of a file, or None where it is missing or cannot be read; what is wrong goes to `problems`."""
    try:
        text, note = release.read_text(path)
    except FileNotFoundError:
        problems.defect(path, "missing file", lost)
        return None
    except OSError as error:
        problems.defect(path, f"unreadable file: {error.strerror}", lost)
        return None
    if note:
        problems.add(path, "info", f"encoding: it {note}", "kept")
    return text


def _by_dialog(turns_path, dialogs):
    """The turns of turns.parquet as dicts, by dialog; a dialog without turns has an empty list."""
    found = {dialog: [] for dialog in sorted(dialogs)}
    for turn in store.read_parquet(turns_path, ["turn_id", "dialog", "start_s", "end_s"]).to_pylist():
        if turn["dialog"] in found:
            found[turn["dialog"]].append(turn)
    return found


def merge_problems(paths, out_path):
    """Write the problems of several files into one, the gravest first."""
    rows = [row for path in paths for row in store.read_tsv(path)]
    rows.sort(key=lambda row: (SEVERITIES.index(row["severity"]), row["problem"].split(":")[0], row["subject"]))
    store.write_tsv(out_path, rows, PROBLEM_COLUMNS)
