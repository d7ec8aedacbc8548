"""Brings the modalities' vectors of the same turns together: where they come from, alignment, scaling, combination."""

import json
from dataclasses import dataclass

import numpy as np

from emofuse.fusion.systems import COMBINED, require_one_width
from emofuse.fusion.unlabelled import UNLABELLED
from emofuse.runtime import kinds
from emofuse.runtime.errors import EmofuseError, listing
from emofuse.runtime.store import read_json, read_metadata, read_parquet
from emofuse.splits.parts import read_split, turns_digest

# What the metadata of an embedding file says of its encoder.
DESCRIPTION = ("encoder", "model", "revision", "pooling", "frozen", "checkpoint")


@dataclass
class Aligned:
    """The turns of a split that every modality has, in the order of their ids, then such of no class, and their vectors.

    Those of no class are of the part 'unlabelled', and their truth, dialog and speaker are empty. `turns`, `parts`, `truth`,
    `dialogs`, `speakers`: (n,) str; `logits[modality]`: (n, classes) float64; `embeddings[modality]`: (n, d) float64, an empty
    dict where they were not asked for. `stores[modality]` describes the encoder by the keys of DESCRIPTION. `left_out` gives,
    for each turn of the split that some modality lacks, the reason.
    """

    split: str
    classes: list[str]
    encoders: dict[str, str]
    stores: dict[str, dict[str, str]]
    turns: np.ndarray
    parts: np.ndarray
    truth: np.ndarray
    dialogs: np.ndarray
    speakers: np.ndarray
    logits: dict[str, np.ndarray]
    embeddings: dict[str, np.ndarray]
    left_out: dict[str, str]

    @property
    def labels(self):
        """(n,) int64 indices of the truth into the classes; -1 where there is none."""
        return np.array([self.classes.index(name) if name else -1 for name in self.truth], dtype=np.int64)

    @property
    def asked(self):
        """(n,) bool: the turns that predictions are made of, validation and test part."""
        return np.isin(self.parts, ("val", "test"))

    @property
    def unlabelled(self):
        """(n,) bool: the turns of no class, of which is spoken as of the test part."""
        return self.parts == UNLABELLED


def align(stores, split_path, seed, embeddings=True, unlabelled=()):
    """Read the modalities' embedding files and keep the turns of the split, and those `unlabelled`, that all of them have.

    `stores` maps a modality to its Parquet file; `embeddings=False` reads the logits only. The files must be of this
    split, this seed and these classes, speak of the same turns (rows and left-out turns together), and put each turn
    into the part that the split file says. Raises EmofuseError with everything that is wrong.
    """
    split, classes, parts, truth, dialogs, speakers = split_turns(split_path)
    columns = ["turn_id", "part", "logits"] + (["embedding"] if embeddings else [])
    metadata = {modality: read_metadata(path) for modality, path in stores.items()}
    tables = {modality: read_parquet(path, columns=columns) for modality, path in stores.items()}
    rows = {modality: {t: i for i, t in enumerate(tables[modality]["turn_id"].to_pylist())} for modality in stores}
    missing = {modality: json.loads(metadata[modality]["left_out"]) for modality in stores}
    of_split = {"split": split, "seed": str(seed), "classes": classes}
    known = {modality: rows[modality].keys() | missing[modality].keys() for modality in stores}
    everybody = parts.keys() | set().union(unlabelled, *known.values())
    both = parts.keys() & set(unlabelled)
    problems = [f"{split_path}: {some(both)} in it, which are said to be of no class"] if both else []
    for modality, path in stores.items():
        problems += _foreign(path, metadata[modality], {"modality": modality} | of_split)
        problems += _misplaced(path, tables[modality], parts, split_path)
        if lacking := everybody - known[modality]:
            problems.append(f"{path}: says nothing of {some(lacking)}, which the split or other modalities have")
    if problems:
        raise EmofuseError(
            "The embeddings do not belong together; make them again from one corpus and one split:\n"
            + listing(problems)
        )

    left_out = {
        turn: "; ".join(f"{modality}: {missing[modality][turn]}" for modality in stores if turn in missing[modality])
        for turn in sorted(parts)
        if any(turn in missing[modality] for modality in stores)
    }
    turns = [turn for turn in sorted(parts) if turn not in left_out]
    empty = sorted(set(parts.values()) - {parts[turn] for turn in turns})
    if empty:
        raise EmofuseError(
            f"{split}: no turn of part {' or '.join(empty)} has a clip in every modality. Complete the release, "
            "or leave out the modality that lacks them:\n" + listing(f"{t}: {why}" for t, why in left_out.items())
        )
    turns += [turn for turn in sorted(unlabelled) if all(turn in rows[modality] for modality in stores)]
    order = {modality: [rows[modality][turn] for turn in turns] for modality in stores}

    def vectors(column):
        return {m: matrix(tables[m][column], order[m], f"{column} of {m}", turns) for m in stores}

    return Aligned(
        split=split,
        classes=classes,
        encoders={modality: metadata[modality]["encoder"] for modality in stores},
        stores={m: {key: metadata[m][key] for key in DESCRIPTION} for m in stores},
        turns=np.array(turns, dtype=str),
        parts=np.array([parts.get(turn, UNLABELLED) for turn in turns], dtype=str),
        truth=np.array([truth.get(turn, "") for turn in turns], dtype=str),
        dialogs=np.array([dialogs.get(turn, "") for turn in turns], dtype=str),
        speakers=np.array([speakers.get(turn, "") for turn in turns], dtype=str),
        logits=vectors("logits"),
        embeddings=vectors("embedding") if embeddings else {},
        left_out=left_out,
    )


def _foreign(path, metadata, expected):
    """What the metadata of an embedding file says otherwise than expected."""
    found = {**metadata, "classes": json.loads(metadata["classes"])}
    return [f"{path}: {key} is {found[key]!r}, not {value!r}" for key, value in expected.items() if found[key] != value]


def _misplaced(path, table, parts, split_path):
    """Turns that stand in an embedding file twice, or in another part than the split says."""
    turns, problems = table["turn_id"].to_pylist(), []
    if twice := len(turns) - len(set(turns)):
        problems.append(f"{path}: {twice} turns stand in it twice")
    moved = [turn for turn, part in zip(turns, table["part"].to_pylist(), strict=True) if part != parts.get(turn)]
    if moved:
        problems.append(f"{path}: {some(moved)} not in the part that {split_path} says")
    return problems


def split_turns(path):
    """A split file, checked again for leaks: name, classes, and {turn: str} of part, class, dialog and speaker."""
    table, classes = read_split(path)
    turns = table["turn_id"].to_pylist()
    columns = (
        dict(zip(turns, table[name].to_pylist(), strict=True)) for name in ("part", "class", "dialog", "speaker")
    )
    return read_metadata(path)["split"], classes, *columns


def refuse_foreign(stores, trainings, split_path, seed):
    """Raise EmofuseError where vectors are not of encoders that learned from the split's training part with this seed.

    stores: {modality: embedding Parquet}; trainings: {modality: training.json of the encoder that it should be of}. An
    encoder of another split may have seen the turns of this one's test part, labels and all.
    """
    split, _, parts, *_ = split_turns(split_path)
    learned = turns_digest(turn for turn, part in parts.items() if part == "train")
    problems = []
    for modality, store in stores.items():
        training = read_json(trainings[modality])
        if training["train_turns"] != learned:
            problems.append(
                f"{trainings[modality]}: its encoder learned from other turns than the training part of {split}"
            )
        if training["seed"] != seed:
            problems.append(f"{trainings[modality]}: its encoder was trained with seed {training['seed']}, not {seed}")
        metadata = read_metadata(store)
        frozen = metadata["frozen"] == "true"
        if training["checkpoint"] != metadata["checkpoint"] or training["frozen"] != frozen:
            problems.append(f"{store}: its vectors are of another encoder than that of {trainings[modality]}")
    if problems:
        raise EmofuseError(
            f"Leak: not the encoders of {split}, so they may have learned from its test part; delete these files and run"
            f" again:\n{listing(problems)}"
        )


def matrix(column, rows, what, turns):
    """The given rows of a fixed-size-list column as (n, d) float64; EmofuseError where a value is not finite."""
    lists = column.combine_chunks()
    values = lists.flatten().to_numpy(zero_copy_only=False).reshape(len(lists), -1)
    taken = values[rows].astype(np.float64)
    broken = ~np.isfinite(taken).all(axis=1)
    if broken.any():
        names = some(turn for turn, bad in zip(turns, broken, strict=True) if bad)
        raise EmofuseError(
            f"{what}: {names} hold values that are no finite numbers. The encoder's training has diverged: "
            "lower its learning rate, or train it in full precision."
        )
    return taken


def some(turns, most=5):
    """Turns for a message: how many, and the first few of them."""
    turns = sorted(turns)
    return f"{len(turns)} turn{'s' * (len(turns) > 1)} ({', '.join(turns[:most])}{', ...' * (len(turns) > most)})"


def scale(vectors, training):
    """Standardise each modality by the mean and deviation of its training rows.

    `vectors` maps a modality to (n, d) float64, `training` is an (n,) bool mask or the indices of those rows. Other rows
    take no part in the fit.
    """
    from sklearn.preprocessing import StandardScaler

    return {name: StandardScaler().fit(x[training]).transform(x) for name, x in vectors.items()}


def temperatures(data, rows):
    """{modality: temperature} that makes the softmax of its logits likeliest on the `rows` (mask or indices) of Aligned `data`.

    1 where it cannot be fitted, above all where there are no rows.
    """
    from emofuse.fusion.calibration import fit_temperature

    fitted = {modality: fit_temperature(x[rows], data.labels[rows]) for modality, x in data.logits.items()}
    return {modality: found.temperature if found else 1.0 for modality, found in fitted.items()}


def combine(vectors, how):
    """Combine modalities, {name: (n, d)}, into one (n, d'), as the combination `how` does.

    Where it takes vectors of one width, a modality may have a single row, for all turns. Raises EmofuseError where such a
    one meets unequal widths.
    """
    require_one_width({name: x.shape[1] for name, x in vectors.items()}, how)
    return kinds.load(COMBINED, how).combine(list(vectors.values()))


def softmax(logits):
    """Softmax over the last axis, (n, classes) float64, without overflow."""
    return np.exp(log_softmax(logits))


def log_softmax(logits):
    """Logarithm of the softmax over the last axis, (n, classes) float64."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
