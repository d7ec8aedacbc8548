"""Measures one classifier on made-up vectors of a fold's size, in a process of its own: all of its systems, as of a job.

Started as `python -m emofuse.forecast.classifying CASE FOUND`, two JSON files; see `measure`.
"""

import sys
import time

import numpy as np

from emofuse.fusion.alignment import Aligned
from emofuse.fusion.classification import decide, rows_of
from emofuse.fusion.ensemble import Method, train
from emofuse.fusion.systems import systems_of
from emofuse.fusion.train_vectors import tasks
from emofuse.runtime.store import read_json, write_json

CLUSTERS = 20  # speakers and dialogs of a part
APART = 0.3  # of the classes' means, in units of the noise: classifiers learn something, and not at once


def measure(case):
    """{"seconds": of the systems of one fold}.

    case: classifier, settings, early, train_vectors, threads (as of `ensemble.Method`), labels ({modality: its encoder}),
    widths ({modality: width}), classes (their number), parts ({train, val, test: turns}).
    """
    rng = np.random.default_rng(0)
    method = Method(
        case["classifier"], case["settings"], case["early"], case["train_vectors"], seed=0, threads=case["threads"]
    )
    crossed = method.train_vectors == "cross_fitted" and method.classifier != "argmax"
    data = make_turns(rng, case, {**case["parts"], **({"held": case["parts"]["train"] // 3} if crossed else {})})
    began = time.perf_counter()
    known = systems_of(method.classifier, case["labels"], method.early)
    if method.classifier == "argmax":
        list(decide(known, data, None))
    else:
        folds = [data] * 3 if crossed else []
        answers = train(
            known,
            lambda kind, vectors: tasks(kind, vectors, data, None, folds),
            lambda system: method.train_vectors if system.learns else "",
            rows_of(data, data.asked),
            method,
            len(folds),
        )
        for _ in answers:
            pass
    return {"seconds": time.perf_counter() - began}


def make_turns(rng, case, parts):
    """Aligned of made-up turns, the classes' means a little apart."""
    names = [str(number) for number in range(case["classes"])]
    of_part = np.repeat(list(parts), list(parts.values()))
    label = rng.integers(len(names), size=len(of_part))
    vectors, logits = {}, {}
    for modality, width in case["widths"].items():
        means = rng.normal(0, APART, (len(names), width))
        vectors[modality] = means[label] + rng.normal(0, 1, (len(label), width))
        logits[modality] = np.eye(len(names))[label] + rng.normal(0, 1, (len(label), len(names)))
    cluster = np.char.add(of_part, (rng.integers(CLUSTERS, size=len(label))).astype(str))
    return Aligned(
        split="session1",
        classes=names,
        encoders={},
        stores={},
        turns=np.array([f"{number:06d}" for number in range(len(label))]),
        parts=of_part,
        truth=np.array(names)[label],
        dialogs=cluster,
        speakers=cluster,
        logits=logits,
        embeddings=vectors,
        left_out={},
    )


if __name__ == "__main__":
    case = read_json(sys.argv[1])
    start = time.time() - case["spawned"]
    write_json(sys.argv[2], measure(case) | {"start_s": start})
