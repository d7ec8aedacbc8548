"""Indexes a corpus that a recipe listed: turns.parquet, words.parquet and votes.parquet."""

import warnings
from collections import Counter

import numpy as np
import pyarrow as pa

from emofuse.corpora.problems import Problems
from emofuse.corpora.row_words import words_of
from emofuse.corpora.turns import TURNS_SCHEMA, VOTES_SCHEMA, WORDS_SCHEMA
from emofuse.media.containers import seconds_of
from emofuse.media.wav import MediaError
from emofuse.runtime import store
from emofuse.runtime.errors import EmofuseError

OFFICIAL = pa.field("official", pa.string())  # train, val, test of the corpus's own split, '' without one
STYLE = ""  # only IEMOCAP's dialogs are improvised or scripted


def index_turns(listing, folds, on_missing, turns_path, problems_path):
    """Write turns.parquet (schema TURNS_SCHEMA and `official`, sorted by turn_id) and problems of a Listing.

    folds: the config's section `corpus.folds`. session: the number of the fold that `deal` gives the turn. dialog: where the
    corpus names none, the speaker; so it is what intervals resample. scenario: the scene, or ''. start_s, end_s: the turn's
    span; of turns that are whole files, as if the files of a dialog were put end to end, in the order of the rows.
    """
    problems = Problems(listing.base)
    for problem in listing.problems:
        problems.add(*problem)
    if len({bool(row.part) for row in listing.rows}) > 1:
        raise EmofuseError("some turns of the corpus have a part (train, val, test) and some none")
    numbers = deal(listing.rows, folds)
    ends, rows = Counter(), []
    for row, number in zip(listing.rows, numbers, strict=True):
        dialog = row.dialog or row.speaker
        start, end = row.start_s, row.end_s
        if end is None:
            start = ends[dialog]
            end = ends[dialog] = start + _seconds(row, listing, problems)
        rows.append(
            {
                **dict(turn_id=row.turn_id, session=number, dialog=dialog, scenario=row.scene or "", style=STYLE),
                **dict(speaker=row.speaker, gender=row.gender, start_s=start, end_s=end, label=row.label),
                **dict.fromkeys(("valence", "arousal", "dominance")),
                "official": row.part or "",
            }
        )
    without = sum(not row.label for row in listing.rows)
    if without:
        problems.add(listing.base, "info", f"turns without a label: {without}", "kept, in no class")
    problems.finish(problems_path, on_missing)
    rows.sort(key=lambda row: row["turn_id"])
    store.write_parquet(turns_path, pa.Table.from_pylist(rows, TURNS_SCHEMA.append(OFFICIAL)))


def _seconds(row, listing, problems):
    """The length of a turn that is a whole file; 0 where it cannot be told, which is said."""
    kind = "audio" if row.audio else "video"
    path = getattr(row, kind)
    if path is None:
        return 0.0
    try:
        return max(0.0, seconds_of(listing.base / path, kind))
    except (OSError, MediaError):  # the index of media says what is wrong with it
        problems.add(row.turn_id, "info", f"length not known: {path} cannot be read", "counted as 0 s")
        return 0.0


def deal(rows, folds):
    """The number of each row's fold, from 1 on: int64 (rows,).

    What `folds["by"]` names (speaker, group) is never torn apart, and no dialog is; the labels are spread as evenly as
    scikit-learn's StratifiedGroupKFold can, shuffled by `folds["seed"]`. Raises EmofuseError where there are fewer such
    wholes than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    by, number = folds["by"], folds["number"]
    wholes = _wholes([_parts(row, by) for row in rows])
    count = len(set(wholes))
    if count < number:
        joined = "" if by == "dialog" else f" (of those that share a dialog: one whole; {by}s are {_count(rows, by)})"
        raise EmofuseError(
            f"corpus.folds: {number} folds of whole {by}s are asked for, and the corpus has {count} such wholes{joined}; lower"
            " corpus.folds.number"
        )
    labels = np.array([row.label for row in rows])
    dealt = np.zeros(len(rows), np.int64)
    folder = StratifiedGroupKFold(number, shuffle=True, random_state=folds["seed"])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")  # then some fold lacks it
        for fold, (_, tested) in enumerate(folder.split(labels, labels, wholes), 1):
            dealt[tested] = fold
    if missing := sorted(set(range(1, number + 1)) - set(dealt.tolist())):
        raise EmofuseError(
            f"corpus.folds: fold {missing[0]} of {number} has no turn, for the classes are too uneven between {by}s; lower"
            " corpus.folds.number, or set another corpus.folds.seed"
        )
    return dealt


def _parts(row, by):
    """What a row may not be torn from."""
    if by == "group" and not row.group:
        raise EmofuseError(f"corpus.folds.by is 'group', and turn {row.turn_id} is of none")
    own = {"speaker": row.speaker, "group": row.group, "dialog": row.dialog or row.speaker}[by]
    return [(by, own), *([("dialog", row.dialog)] if row.dialog else [])]


def _count(rows, by):
    return len({getattr(row, by) for row in rows})


def _wholes(things):
    """The number of the connected whole of each of some lists of things: int64 (lists,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    number = {}
    pairs = [(i, number.setdefault(thing, len(number))) for i, of_row in enumerate(things) for thing in of_row]
    rows, columns = np.array(pairs).T
    size = len(things) + len(number)
    graph = coo_array((np.ones(len(pairs), np.int8), (rows, len(things) + columns)), shape=(size, size))
    return connected_components(graph, directed=False)[1][: len(things)]


def index_words(listing, on_missing, words_path, problems_path):
    """Write words.parquet (turn_id, text; sorted by turn_id; only turns with words) and problems of a Listing."""
    problems, rows, without = Problems(listing.base), [], 0
    for row in listing.rows:
        try:
            text, note = words_of(row, listing.base)
        except (OSError, MediaError) as error:
            told = error.strerror if isinstance(error, OSError) else f"it {error}"
            problems.defect(listing.base / row.text_file, f"unreadable file: {told}", "its turn has no words")
            continue
        if note:
            problems.add(row.turn_id, "info", f"encoding: {row.text_file} {note}", "kept")
        if text:
            rows.append({"turn_id": row.turn_id, "text": text})
        else:
            without += 1
    if without:
        problems.add(listing.base, "info", f"turns without words: {without}", "they have no text clip")
    problems.finish(problems_path, on_missing)
    rows.sort(key=lambda row: row["turn_id"])
    store.write_parquet(words_path, pa.Table.from_pylist(rows, WORDS_SCHEMA))


def index_votes(listing, votes_path, problems_path):
    """Write votes.parquet (schema VOTES_SCHEMA), a row for each label that a rater gave a turn, and no problems."""
    rows = [
        {"turn_id": row.turn_id, "annotator": rater, "self": False, "labels": [label]}
        for row in listing.rows
        for rater, label in row.raters.items()
    ]
    Problems(listing.base).finish(problems_path, "drop")
    rows.sort(key=lambda row: (row["turn_id"], row["annotator"]))
    store.write_parquet(votes_path, pa.Table.from_pylist(rows, VOTES_SCHEMA))
