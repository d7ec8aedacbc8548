"""Makes split files, embedding files and training records of a small corpus, for the tests of all that follows encoders."""

import hashlib
import json
import re

import numpy as np
import pyarrow as pa

from emofuse.runtime.store import write_json, write_parquet
from emofuse.splits.parts import turns_digest

CLASSES = ["ang", "hap", "neu", "sad"]
ENCODERS = {"text": "bert", "audio": "wav2vec2", "video": "videomae"}


class Corpus:
    """Five sessions with `per_class` turns of each class a session, eight turns a dialog, and one turn without a class.

    frozen: modalities whose encoder is frozen. Splits are those of a test session; `suffix` is `-refit` or
    `-without<session>`, as in the names of splits.
    """

    def __init__(self, folder, per_class=8, width=6, seed=0, frozen=()):
        self.folder, self.width, self.frozen = folder, width, frozen
        self.rng = np.random.default_rng(seed)
        self.session, self.label, self.turns = [], [], []
        for session in range(1, 6):
            for index, name in enumerate([*CLASSES * per_class, None]):
                letter = "FM"[index // len(CLASSES) % 2]
                self.turns.append(f"Ses0{session}F_impro{index // 8 + 1:02}_{letter}{index:03}")
                self.session.append(session)
                self.label.append(name)

    def parts(self, test, validation=True, suffix=""):
        """{turn: part} of the turns with a class; the session before the test session validates."""
        before = (test - 2) % 5 + 1
        role = {test: "test"} | ({before: "val"} if validation and suffix != "-refit" else {})
        held = re.fullmatch(r"-without(\d)", suffix)
        role |= {int(held[1]): "held"} if held else {}
        rows = zip(self.turns, self.session, self.label, strict=True)
        return {turn: role.get(session, "train") for turn, session, label in rows if label}

    def write_split(self, test, validation=True, classes=CLASSES, labels=None, suffix=""):
        """Write splits/session<test><suffix>.parquet; `labels`, {turn: class}, replaces those of single turns."""
        parts = self.parts(test, validation, suffix)
        turns = sorted(parts)
        truth = dict(zip(self.turns, self.label, strict=True)) | (labels or {})
        session = dict(zip(self.turns, self.session, strict=True))
        path = self.folder / f"splits/session{test}{suffix}.parquet"
        table = {
            "turn_id": turns,
            "part": [parts[turn] for turn in turns],
            "class": [truth[turn] for turn in turns],
            "session": pa.array([session[turn] for turn in turns], pa.int8()),
            "dialog": [turn[:-5] for turn in turns],
            "scenario": [turn[7:-5] for turn in turns],
            "speaker": [f"{turn[:5]}_{turn[-4]}" for turn in turns],
            "style": ["improvised"] * len(turns),
        }
        metadata = {
            "split": f"session{test}{suffix}",
            "protocol": "session",
            "validation": "previous_session" if "val" in parts.values() else "none",
            "subset": "all",
            "classes": json.dumps(classes),
        }
        write_parquet(path, pa.table(table), metadata)
        return path

    def vectors(self, modality, width=None, suffix=""):
        """Embeddings (turns, width) and logits (turns, classes), float32: class means and noise, always the same.

        The encoders of each suffix have a space of their own.
        """
        rng = np.random.default_rng([7, list(ENCODERS).index(modality), *suffix.encode()])
        codes = np.array([CLASSES.index(name or "neu") for name in self.label])
        means = rng.normal(size=(len(CLASSES), width or self.width))
        embeddings = means[codes] + rng.normal(size=(len(codes), width or self.width))
        logits = 1.5 * np.eye(len(CLASSES))[codes] + rng.normal(size=(len(codes), len(CLASSES)))
        return embeddings.astype(np.float32), logits.astype(np.float32)

    def write_store(
        self,
        modality,
        test,
        width=None,
        left_out=None,
        unmentioned=(),
        change=None,
        validation=True,
        suffix="",
        **metadata,
    ):
        """Write one modality's embedding file in shuffled order, without the turns `left_out`, {turn: reason}.

        The turns `unmentioned` are neither rows nor left out. `change(turns, parts, embeddings, logits)` may alter the
        arrays in place; `metadata` replaces entries.
        """
        left_out = left_out or {}
        parts = self.parts(test, validation, suffix)
        part = np.array([parts.get(turn) for turn in self.turns], dtype=object)
        embeddings, logits = self.vectors(modality, width, suffix)
        if change:
            change(np.array(self.turns), part, embeddings, logits)
        rows = self.rng.permutation([i for i, turn in enumerate(self.turns) if turn not in {*left_out, *unmentioned}])
        table = {
            "turn_id": [self.turns[i] for i in rows],
            "part": pa.array(part[rows], pa.string()),
            "embedding": fixed(embeddings[rows]),
            "logits": fixed(logits[rows]),
        }
        described = {
            "modality": modality,
            "encoder": ENCODERS[modality],
            "model": f"some/{ENCODERS[modality]}",
            "revision": "main",
            "pooling": "mean",
            "frozen": "true" if modality in self.frozen else "false",
            "checkpoint": checkpoint(modality, test, suffix),
            "split": f"session{test}{suffix}",
            "seed": "1",
            "classes": json.dumps(CLASSES),
            "left_out": json.dumps(left_out),
        }
        path = self.folder / f"embeddings/{modality}-session{test}{suffix}.parquet"
        write_parquet(path, pa.table(table), described | metadata)
        return path

    def write_stores(self, test, **options):
        """All three modalities' files, {modality: path}."""
        return {modality: self.write_store(modality, test, **options) for modality in ENCODERS}

    def write_trainings(self, test, validation=True, suffix="", **changed):
        """What training.json says of each modality's encoder, {modality: path}; `changed` replaces entries."""
        parts = self.parts(test, validation, suffix)
        said = {"seed": 1, "train_turns": turns_digest(turn for turn, part in parts.items() if part == "train")}
        paths = {m: self.folder / f"trainings/{m}-session{test}{suffix}.json" for m in ENCODERS}
        for modality, path in paths.items():
            own = {"checkpoint": checkpoint(modality, test, suffix), "frozen": modality in self.frozen}
            write_json(path, said | own | changed)
        return paths

    def write_source(self, test, validation=True, suffix=""):
        """Embeddings, trainings and split file of one split: what `classify` takes for refitting and cross-fitting."""
        stores = self.write_stores(test, validation=validation, suffix=suffix)
        trainings = self.write_trainings(test, validation, suffix)
        return stores, trainings, self.write_split(test, validation, suffix=suffix)


def checkpoint(modality, test, suffix):
    """Stands for the hash of an encoder's weights."""
    return hashlib.sha256(f"{modality} {test} {suffix}".encode()).hexdigest()


def fixed(values):
    """(n, d) float32 as a fixed-size-list column."""
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel(), pa.float32()), values.shape[1])
