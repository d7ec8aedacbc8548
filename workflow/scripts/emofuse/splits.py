"""Splits the labelled turns into training, validation and test parts by session, and checks that no part leaks into another.

Terms: the test part of split `session3` is session 3; a speaker is session + turn letter, so sessions keep speakers apart.
"""

import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emofuse.errors import EmofuseError, listing
from emofuse.store import read_parquet, write_parquet

PARTS = ("train", "val", "test")
CHOICE_PARTS = {"validation": "val", "test": "test"}  # what the config calls the parts on which something is chosen
UNVALIDATED = ("none", "test")  # rules that make no validation part


def make_split(turns, split, sessions, classes, rule, share, seed, output):
    """Write the split file of one fold.

    turns: path of turns.parquet. split: 'session<k>', 'session<k>-refit' or 'selection<k>', which tests session k.
    sessions: all sessions of the corpus, in order. classes: class -> list of raw labels. rule: 'previous_session'
    (validation = the session before the test session, cyclic), 'share' (validation = whole dialogs of the training
    sessions, drawn by `seed` until they hold `share` of the turns), 'none', or 'test' (no validation part either, and
    epochs are chosen on the test part).
    Columns written: turn_id, part, class, session, dialog, speaker, style; metadata: split, validation, classes (JSON).
    """
    test = int(re.search(r"\d+", split)[0])
    table = read_parquet(turns, columns=["turn_id", "session", "dialog", "speaker", "style", "label"])
    class_of = {label: name for name, labels in classes.items() for label in labels}
    labelled = table.filter(pc.is_in(table["label"], pa.array(list(class_of))))
    session = labelled["session"].to_numpy()
    part = np.where(session == test, "test", "train").astype(object)
    if rule == "previous_session":
        part[session == sessions[sessions.index(test) - 1]] = "val"
    elif rule == "share":
        part[np.isin(labelled["dialog"].to_pylist(), _drawn_dialogs(labelled, test, share, seed))] = "val"
    result = pa.table(
        {
            "turn_id": labelled["turn_id"],
            "part": pa.array(part, pa.string()),
            "class": pa.array([class_of[label] for label in labelled["label"].to_pylist()]),
            "session": labelled["session"],
            "dialog": labelled["dialog"],
            "speaker": labelled["speaker"],
            "style": labelled["style"],
        }
    ).sort_by("turn_id")
    validation = f"share {share:g}, seed {seed}" if rule == "share" else rule
    check_split(result, split, sorted(classes), validated=rule not in UNVALIDATED)
    write_parquet(output, result, {"split": split, "validation": validation, "classes": json.dumps(sorted(classes))})


def read_split(path):
    """Read a split file, checked again: a table (columns as written) and its classes (sorted list of names)."""
    table = read_parquet(path)
    metadata = {k.decode(): v.decode() for k, v in table.schema.metadata.items()}
    classes = json.loads(metadata["classes"])
    check_split(table, metadata["split"], classes, validated=metadata["validation"] not in UNVALIDATED)
    return table, classes


def check_split(table, split, classes, validated):
    """Raise EmofuseError if a turn is in two parts, a test speaker or a dialog is on two sides, or a part lacks a class."""
    faults = []
    columns = {
        name: np.array(table[name].to_pylist(), dtype=object)
        for name in ("turn_id", "part", "class", "dialog", "speaker")
    }
    ids, counts = np.unique(columns["turn_id"].astype(str), return_counts=True)
    faults += [f"turn {turn} stands in it {n} times" for turn, n in zip(ids, counts, strict=True) if n > 1]
    sides = {p: columns["part"] == p for p in PARTS}
    for column, parts in (("speaker", ("train", "val")), ("dialog", ("train", "val"))):
        for other in parts:
            shared = set(columns[column][sides["test"]]) & set(columns[column][sides[other]])
            faults += [f"{column} {name} is in the test and the {other} part" for name in sorted(shared)]
    shared = set(columns["dialog"][sides["train"]]) & set(columns["dialog"][sides["val"]])
    faults += [f"dialog {name} is in the train and the val part" for name in sorted(shared)]
    for p in PARTS if validated else ("train", "test"):
        missing = sorted(set(classes) - set(columns["class"][sides[p]]))
        if p == "train" and missing:
            faults.append(f"the training part has no turn of the classes {', '.join(missing)}")
        elif not sides[p].any():
            faults.append(f"the {p} part is empty")
    if faults:
        raise EmofuseError(f"split {split} is not sound:\n{listing(faults)}")


def _drawn_dialogs(labelled, test, share, seed):
    """Whole dialogs outside the test session, drawn in random order until they hold `share` of those sessions' turns."""
    outside = labelled.filter(pc.not_equal(labelled["session"], test))
    names, sizes = np.unique(np.array(outside["dialog"].to_pylist()), return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    enough = int(np.searchsorted(np.cumsum(sizes[order]), share * sizes.sum())) + 1
    return names[order[:enough]]
