"""Reads vectors that were made elsewhere: a Parquet, npz or npy file, or a folder of npy files."""

import json
from collections import Counter
from pathlib import Path

import numpy as np

from emofuse.runtime.errors import EmofuseError, first_line, listing
from emofuse.runtime.store import read_metadata, read_parquet

COLUMNS = ("turn_id", "embedding")


def read_vectors(path, turns, excused, key, drop):
    """(left_out, vectors): {turn: why it has no vector} and float32 (n, width) of all other `turns`, in their order.

    path: a Parquet file or npz with `turn_id` and `embedding`, an npz with an array a turn, an npy of (turns, width) beside
    a .txt with the ids, or a folder with <turn_id>.npy. excused: {turn: why it has no clip}, which may have no vector
    either. key: of the config, for messages. drop: whether turns that are not there are left out; else they are an error.
    Vectors of other turns are no error, for a run may be of a part of a corpus. Raises EmofuseError with all that is wrong.
    """
    path = Path(path)
    try:
        ids, rows = (_folder if path.is_dir() else READERS[path.suffix])(path)
    except (ValueError, KeyError, TypeError, EOFError) as error:  # NumPy's, of what is no such file or is pickled
        raise EmofuseError(f"{key}: {path} cannot be read: {first_line(error)}") from error
    problems = _faults(ids, rows)
    place = {turn: number for number, turn in enumerate(ids)}
    missing = [turn for turn in turns if turn not in place]
    if len(missing) == len(turns):
        example = f"'{ids[0]}', and the corpus '{turns[0]}'" if ids else "nothing"
        problems.append(f"it has no vector of any turn of this corpus; it names {example}")
    elif lacking := [turn for turn in missing if turn not in excused and not drop]:
        problems += [f"{turn}: it has no vector of this turn" for turn in lacking]
    if problems:
        raise EmofuseError(
            f"{key}: {path} does not fit this corpus:\n{listing(problems)}\nMend it, or leave out the turns that it lacks:"
            " corpus.on_missing: drop (they are then listed)."
        )
    left_out = {turn: excused.get(turn, f"missing: no vector in {path.name}") for turn in missing}
    print(f"{path}: vectors of {len(turns) - len(missing)} turns of the corpus, {len(missing)} turns without")
    wanted = [place[turn] for turn in turns if turn in place]
    return left_out, np.stack([rows[number] for number in wanted]).astype(np.float32)


def _faults(ids, rows):
    """What is wrong with ids and vectors as they are, whatever the corpus."""
    faults = [f"{turn}: it has {n} vectors" for turn, n in Counter(ids).items() if n > 1]
    flat = [(turn, row) for turn, row in zip(ids, rows, strict=True) if row.ndim == 1 and row.size]
    faults += [
        f"{turn}: it has an array of shape {row.shape}, and not one vector (of a sequence take the mean over time)"
        for turn, row in zip(ids, rows, strict=True)
        if row.ndim != 1 or not row.size
    ]
    width = Counter(len(row) for _, row in flat).most_common(1)[0][0] if flat else 0
    for turn, row in flat:
        if len(row) != width:
            faults.append(f"{turn}: its vector has {len(row)} numbers, and most have {width}")
        elif not np.issubdtype(row.dtype, np.number) or np.iscomplexobj(row):
            faults.append(f"{turn}: its vector is of type {row.dtype}")
        elif not np.isfinite(row.astype(np.float32)).all():
            faults.append(f"{turn}: its vector holds values that are no finite numbers")
    return faults


def _parquet(path):
    refuse_fitted(read_metadata(path), path)
    table = read_parquet(path)
    if lacking := [name for name in COLUMNS if name not in table.column_names]:
        raise ValueError(f"it lacks the column {' and '.join(lacking)}; it has {', '.join(table.column_names)}")
    rows = [np.asarray(row.as_py() or [], np.float64) for row in table["embedding"]]
    return list(map(str, table["turn_id"].to_pylist())), rows


def _npz(path):
    with np.load(path, allow_pickle=False) as arrays:
        if set(COLUMNS) <= set(arrays):
            return _paired(arrays["turn_id"].tolist(), arrays["embedding"])
        return list(arrays), [arrays[name] for name in arrays]


def _npy(path):
    names = path.with_suffix(".txt")
    if not names.is_file():
        raise ValueError(f"the ids of its rows are missing: a file {names}, a line each")
    return _paired(names.read_text(encoding="utf-8").split(), np.load(path, allow_pickle=False))


def _folder(path):
    files = sorted(path.rglob("*.npy"))
    return [file.stem for file in files], [np.load(file, allow_pickle=False) for file in files]


def _paired(ids, rows):
    if len(ids) != len(rows):
        raise ValueError(f"it has {len(ids)} ids and {len(rows)} rows")
    return list(map(str, ids)), list(rows)


def refuse_fitted(metadata, path):
    """Raise EmofuseError for a store whose metadata says that its encoder learned from labels."""
    if metadata.get("frozen") != "true" and {"checkpoint", "split"} <= metadata.keys():
        raise EmofuseError(
            f"{path} holds embeddings of {metadata.get('encoder')}, fine-tuned by emofuse on labels of the training part of"
            f" {metadata['split']} ({len(json.loads(metadata['classes']))} classes). They are no vectors of a frozen encoder:"
            " classifiers would learn from turns that it has seen with their labels, and be tested on some."
        )


READERS = {".parquet": _parquet, ".npz": _npz, ".npy": _npy}
