"""Brings all turns of the dialogs of a split into their order in time, with the vectors or sequences of each."""

from dataclasses import dataclass, field

import numpy as np

from emofuse.corpora.turns import in_order_of_time
from emofuse.encoders.sequences import Sequences
from emofuse.fusion.alignment import matrix, some
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_metadata, read_parquet
from emofuse.splits.parts import read_split


@dataclass
class Turns:
    """All turns of every dialog of which a split has a turn, dialog after dialog, each in order of time.

    `ids`, `dialogs`, `speakers`: (n,) str. `parts`: (n,) str, '' of a turn that is in no part. `labels`: (n,) int64 indices
    into `classes`, -1 of a turn that is in no part: what the annotators said of it is not read. `vectors[modality]`: (n, d)
    float32, zeros where there is none; `steps[modality]`: n arrays (steps, d) float16, without a step where there is none;
    `there[modality]`: (n,) bool. A modality has the one or the other.
    """

    split: str
    classes: list[str]
    ids: np.ndarray
    dialogs: np.ndarray
    speakers: np.ndarray
    parts: np.ndarray
    labels: np.ndarray
    vectors: dict[str, np.ndarray] = field(default_factory=dict)
    steps: dict[str, list[np.ndarray]] = field(default_factory=dict)
    there: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def modalities(self):
        """In the order of the sources."""
        return list(self.there)

    @property
    def widths(self):
        """{modality: numbers of a vector or of a step}."""
        found = {m: x.shape[1] for m, x in self.vectors.items()}
        return {m: found.get(m) or self.steps[m][0].shape[1] for m in self.there}

    def require_apart(self, learned):
        """Raise EmofuseError where a dialog that is learned from, (n,) bool, holds a turn of the test part.

        A network reads a dialog's other turns, so it would learn from the neighbours of test turns.
        """
        both = set(self.dialogs[learned]) & set(self.dialogs[self.parts == "test"])
        if both:
            raise EmofuseError(
                f"Leak: {self.split}: dialogs that hold test turns would be learned from ({', '.join(sorted(both)[:3])})."
            )


def read_turns(turns, split, stores, sequences):
    """The Turns of a split. turns: path of turns.parquet; split: path of a split file, checked again for leaks.

    stores: {modality: embedding Parquet}; sequences: {modality: Parquet of sequences}. A turn is past to another one of its
    dialog if it starts earlier, or at the same time with a smaller id. Raises EmofuseError where a file does not speak of a
    turn, or of none that there is not.
    """
    table, classes = read_split(split)
    facts = {row["turn_id"]: row for row in table.select(["turn_id", "part", "class", "dialog"]).to_pylist()}
    dialogs = {row["dialog"] for row in facts.values()}
    columns = ["turn_id", "dialog", "speaker", "start_s"]
    rows = in_order_of_time(row for row in read_parquet(turns, columns).to_pylist() if row["dialog"] in dialogs)
    ids = [row["turn_id"] for row in rows]
    if foreign := facts.keys() - set(ids):
        raise EmofuseError(f"{split} speaks of {some(foreign)}, which {turns} has not; make both again.")
    found = Turns(
        split=read_metadata(split)["split"],
        classes=classes,
        ids=np.array(ids, dtype=str),
        dialogs=np.array([row["dialog"] for row in rows], dtype=str),
        speakers=np.array([row["speaker"] for row in rows], dtype=str),
        parts=np.array([facts[turn]["part"] if turn in facts else "" for turn in ids], dtype=str),
        labels=np.array([classes.index(facts[turn]["class"]) if turn in facts else -1 for turn in ids]),
    )
    for modality, path in stores.items():
        found.vectors[modality], found.there[modality] = _vectors(path, modality, ids)
    for modality, path in sequences.items():
        found.steps[modality], found.there[modality] = _steps(path, ids)
    for modality, there in found.there.items():
        if not there.any():
            raise EmofuseError(f"{(stores | sequences)[modality]}: it has no turn of {split}; make both again.")
    return found


def _vectors(path, modality, ids):
    table = read_parquet(path, columns=["turn_id", "embedding"])
    places = {turn: row for row, turn in enumerate(table["turn_id"].to_pylist())}
    there = np.array([turn in places for turn in ids])
    known = [turn for turn in ids if turn in places]
    taken = matrix(table["embedding"], [places[turn] for turn in known], f"embedding of {modality}", known)
    vectors = np.zeros((len(ids), taken.shape[1]), np.float32)
    vectors[there] = taken
    return vectors, there


def _steps(path, ids):
    """Of a file of sequences, kept in float16, as they are stored."""
    store, places = Sequences(path), {turn: number for number, turn in enumerate(ids)}
    steps = [np.zeros((0, store.width), np.float16) for _ in ids]
    for turn, states, _ in store:
        if turn in places:
            steps[places[turn]] = states.astype(np.float16)
    return steps, np.array([len(states) > 0 for states in steps])
