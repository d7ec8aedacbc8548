"""Compares the encoders of one modality on one fold, and chooses the one that goes into all folds."""

import json

import numpy as np
import pyarrow as pa
from scipy.special import softmax

from emofuse.evaluation.measures import measure
from emofuse.fusion.alignment import align
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_json, read_metadata, read_parquet, write_json, write_parquet
from emofuse.splits.parts import CHOICE_PARTS, read_split

# What training.json says of the cost of a training.
COST = ("best_epoch", "seconds", "samples_per_second", "peak_memory_mb", "parameters")


def compare_encoders(split, embeddings, trainings, output):
    """Write how each encoder and seed does on the validation and the test part of the split (a path), a row each.

    embeddings, trainings: paths of the embedding files and of the training.json of the same encoders and seeds. Columns:
    modality, encoder, seed, part, n, loss (cross-entropy, nats a turn), wa, ua (fractions), then those of COST and device.
    Metadata: split; sessions (JSON: part -> sessions). Raises EmofuseError where files do not belong together.
    """
    from sklearn.metrics import log_loss

    costs = {(t["encoder"], t["seed"], t["checkpoint"]): t for t in map(read_json, trainings)}
    rows = []
    for path in embeddings:
        store = read_metadata(path)
        seed = int(store["seed"])
        cost = costs.get((store["encoder"], seed, store["checkpoint"]))
        if cost is None:
            raise EmofuseError(
                f"{path} is not of the checkpoint that its training.json names; delete it and run again."
            )
        data = align({store["modality"]: path}, split, seed, embeddings=False)
        probabilities = softmax(data.logits[store["modality"]], axis=1)
        truth = np.array([data.classes.index(name) for name in data.truth])
        for part in CHOICE_PARTS.values():
            of_part = data.parts == part
            scores = measure(truth[of_part], probabilities[of_part].argmax(axis=1), len(data.classes))
            rows.append(
                {
                    "modality": store["modality"],
                    "encoder": store["encoder"],
                    "seed": seed,
                    "part": part,
                    "n": scores["n"],
                }
                | {"loss": log_loss(truth[of_part], probabilities[of_part], labels=np.arange(len(data.classes)))}
                | {"wa": scores["wa"], "ua": scores["ua"]}
                | {key: cost[key] for key in (*COST, "device")}
            )
    turns = read_split(split)[0].to_pandas()
    sessions = {part: sorted(map(int, of_part["session"].unique())) for part, of_part in turns.groupby("part")}
    metadata = {"split": read_metadata(split)["split"], "sessions": json.dumps(sessions)}
    write_parquet(output, pa.Table.from_pylist(rows), metadata)


def choose_encoder(comparison, on, output):
    """Write the encoder with the best WA, mean over seeds, on the part that `on` names: validation, or test (a leak).

    comparison: what `compare_encoders` wrote. Ties go by UA, then by name. The JSON holds encoder, chosen_on and the means:
    {encoder: {wa, ua}}.
    """
    rows = read_parquet(comparison, columns=["encoder", "part", "wa", "ua"]).to_pandas()
    means = rows[rows["part"] == CHOICE_PARTS[on]].groupby("encoder")[["wa", "ua"]].mean()
    best = means.sort_index().sort_values(["wa", "ua"], ascending=False, kind="stable").index[0]
    write_json(output, {"encoder": best, "chosen_on": on, "scores": means.to_dict("index")})
    print(f"{best}, by WA on the {on} part:\n{means.mul(100).round(1)}")
