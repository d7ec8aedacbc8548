"""Indexes the words of the labelled turns: words.parquet, from the transcripts."""

import pyarrow as pa
from tqdm import tqdm

from emofuse.corpora.iemocap.paths import transcript_path
from emofuse.corpora.iemocap.transcripts import parse_transcript
from emofuse.corpora.problems import Problems
from emofuse.corpora.sources import read_source
from emofuse.corpora.turns import WORDS_SCHEMA, turns_by_dialog
from emofuse.runtime import store


def index_words(root, dialogs, turns_path, on_missing, words_path, problems_path):
    """Write words.parquet (turn_id, text as spoken, markers such as [LAUGHTER] kept; sorted by turn_id) and problems.

    Only turns of `turns_path` have rows, and only those with words.
    """
    problems, rows = Problems(root), []
    for dialog, turns in tqdm(turns_by_dialog(turns_path, dialogs).items(), "transcripts"):
        path = transcript_path(root, dialog)
        lost = f"its {len(turns)} turns have no words"
        text = read_source(path, problems, lost)
        if text is None:
            continue
        found = parse_transcript(text, dialog)
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
