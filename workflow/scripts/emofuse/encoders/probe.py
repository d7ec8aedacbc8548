"""Lets a frozen encoder speak for a fold: a logistic regression on its vectors, chosen on the validation part."""

import json
import time
from pathlib import Path

import numpy as np
import sklearn
import torch
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from emofuse.encoders.outside import refuse_fitted
from emofuse.encoders.records import cost
from emofuse.encoders.stores import write_embeddings
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_json, read_metadata, read_parquet, share, write_json
from emofuse.splits.parts import read_split, turns_digest
from emofuse.splits.speakers import speaker_folds

COPIED = ("encoder", "model", "modality", "revision", "pooling", "left_out", "frozen", "checkpoint")
ITERATIONS = 1_000


def fit_probe(vectors, split, encoder, strengths, seed, threads, output, like=None):
    """Train the probe of one fold, and write what `fine_tune` and `embed` write of a fine-tuned encoder.

    vectors: what `embed_frozen` wrote. split: path of the split file. encoder: `settings.Encoder`. strengths: values of C,
    of which the one with the best WA on the validation part is taken (of equals the better UA, then the first). output:
    {head, training, embeddings}: paths. like: training.json of a probe whose C is taken.

    The logits of the training turns are what probes say that learned from the part's other speakers, so that a classifier
    may learn from them; those of all other turns are the probe's of the whole part. head.safetensors: weight (classes,
    width) and bias (classes,), float32, of vectors as they are. The test part is not looked at, unless the split itself
    says that choices are made on it (rule 'test').
    """
    began = time.monotonic()
    source = read_metadata(vectors)
    refuse_fitted(source, vectors)
    if (source.get("modality"), source.get("encoder")) != (encoder.modality, encoder.name):
        raise EmofuseError(f"{vectors} does not hold the vectors of {encoder.key}; delete it and run again.")
    table, classes = read_split(split)
    watched = "test" if read_metadata(split)["validation"] == "test" else "val"
    store = read_parquet(vectors)
    turns = store["turn_id"].to_pylist()
    embedding = store["embedding"].combine_chunks().flatten().to_numpy().reshape(len(turns), -1)
    facts = {row["turn_id"]: row for row in table.to_pylist()}
    parts = np.array([facts[turn]["part"] if turn in facts else "" for turn in turns])
    rows = {part: np.flatnonzero(parts == part) for part in ("train", watched)}
    labels = {part: np.array([classes.index(facts[turns[i]]["class"]) for i in of]) for part, of in rows.items()}
    if len(np.unique(labels["train"])) < 2:
        raise EmofuseError(
            f"{split}: the training turns that {encoder.key} has vectors of are not of two classes or more"
        )

    with threadpool_limits(threads, user_api="blas"):
        probe = Probe(embedding, rows["train"], labels["train"], len(classes))
        learned = [facts[turns[i]] for i in rows["train"]]
        if like:
            strengths = [read_json(like)["C"]]
        said = {C: probe.fit(C) for C in tqdm(strengths, f"probe {encoder.name}", unit="C")}
        scores = {C: _scores(labels[watched], one.logits(embedding[rows[watched]])) for C, one in said.items()}
        best = max(strengths, key=scores.__getitem__)  # the first of equals
        logits = said[best].logits(embedding)
        logits[rows["train"]] = probe.held_out(
            best, *(np.array([row[name] for row in learned]) for name in ("speaker", "dialog"))
        )

    head = said[best].head()
    Path(output["head"]).parent.mkdir(parents=True, exist_ok=True)
    save_file(head, output["head"], metadata={"format": "pt"})
    share([output["head"]])
    record = {"modality": encoder.modality, "encoder": encoder.name, "settings": encoder.settings, "seed": seed}
    record |= {"frozen": True, "C": best, "best_epoch": None, "precision": "fp32", "classes": classes}
    record |= {
        "commit": source["revision"] or None,
        "turns": {part: len(of) for part, of in rows.items()},
        "train_turns": turns_digest(row["turn_id"] for row in table.to_pylist() if row["part"] == "train"),
        "chosen_on": watched if len(rows[watched]) else None,
        "best_wa": scores[best][0] if len(rows[watched]) else None,
        "checkpoint": source["checkpoint"],
    }
    write_json(output["training"], record | _cost(source, head, len(rows["train"]), time.monotonic() - began))
    metadata = {key: source[key] for key in COPIED} | {"seed": str(seed), "classes": json.dumps(classes)}
    metadata["split"] = read_metadata(split)["split"]
    of_turn = {turn: row["part"] for turn, row in facts.items()}
    write_embeddings(output["embeddings"], turns, of_turn, embedding, logits.astype(np.float32), metadata)


def _cost(source, head, turns, seconds):
    """What training.json says of the machine and the time. source: metadata of the vectors, with their encoder's parameters."""
    parameters = int(source["parameters"]) + sum(tensor.numel() for tensor in head.values())
    return cost("cpu", seconds, turns / seconds, parameters, {"scikit-learn": sklearn.__version__})


class Probe:
    """Logistic regressions on the standardised vectors of training turns.

    vectors: (n, width); learned: (m,) indices of the training turns; labels: (m,) indices into `count` classes.
    """

    def __init__(self, vectors, learned, labels, count):
        self.vectors, self.labels, self.count = vectors[learned].astype(np.float64), labels, count

    def fit(self, strength, among=slice(None)):
        """One that learned from all training turns, or from those `among` them."""
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=ITERATIONS))
        return Fitted(model.fit(self.vectors[among], self.labels[among]), self.count)

    def held_out(self, strength, speakers, dialogs):
        """(m, classes) float64: what is said of each training turn by one that learned from other speakers; speakers,
        dialogs: (m,) names, of which there must be two or more."""
        logits = np.zeros((len(self.labels), self.count))
        folds = speaker_folds(self.labels, speakers, dialogs)
        if not folds or any(len(np.unique(self.labels[learn])) < 2 for learn, _ in folds):
            raise EmofuseError(
                "The training part is too small for a frozen encoder's probe: it needs two speakers or dialogs or more, with"
                " turns of two classes or more each."
            )
        for learn, ask in folds:
            logits[ask] = self.fit(strength, learn).logits(self.vectors[ask])
        return logits


class Fitted:
    """A trained probe."""

    def __init__(self, model, count):
        scaler, regression = model[0], model[-1]
        weight, bias = regression.coef_, regression.intercept_
        if len(regression.classes_) == 2:  # scikit-learn then has one row, of the second class against the first
            weight, bias = np.vstack([-weight / 2, weight / 2]), np.concatenate([-bias / 2, bias / 2])
        weight = weight / scaler.scale_
        bias = bias - weight @ scaler.mean_
        self.weight, self.bias = np.zeros((count, weight.shape[1])), np.full(count, UNSEEN)
        self.weight[regression.classes_], self.bias[regression.classes_] = weight, bias

    def logits(self, vectors):
        """(n, classes) float64."""
        return vectors @ self.weight.T + self.bias

    def head(self):
        """As tensors: weight (classes, width), bias (classes,), float32."""
        return {name: torch.tensor(getattr(self, name), dtype=torch.float32) for name in ("weight", "bias")}


UNSEEN = -30.0  # logit of a class without a training turn: as good as impossible, and finite


def _scores(truth, logits):
    """(WA, UA), what C is chosen by; zeros where there are no turns to choose on."""
    if not len(truth):
        return 0.0, 0.0
    said = logits.argmax(1)
    return accuracy_score(truth, said), balanced_accuracy_score(truth, said)
