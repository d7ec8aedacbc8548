"""What the index of a corpus holds: turns.parquet, words.parquet and votes.parquet."""

from operator import itemgetter

import pyarrow as pa

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
WORDS_SCHEMA = pa.schema([("turn_id", pa.string()), ("text", pa.string())])
VOTES_SCHEMA = pa.schema(
    [
        ("turn_id", pa.string()),
        ("annotator", pa.string()),
        ("self", pa.bool_()),
        ("labels", pa.list_(pa.string())),
    ]
)


def in_order_of_time(turns):
    """Dicts of turns sorted by dialog, within it by the time at which they begin; those that begin together by their ids."""
    return sorted(turns, key=itemgetter("dialog", "start_s", "turn_id"))


def turns_by_dialog(turns_path, dialogs):
    """The turns of turns.parquet as dicts, by dialog; a dialog without turns has an empty list."""
    found = {dialog: [] for dialog in sorted(dialogs)}
    for turn in store.read_parquet(turns_path, ["turn_id", "dialog", "start_s", "end_s"]).to_pylist():
        if turn["dialog"] in found:
            found[turn["dialog"]].append(turn)
    return found
