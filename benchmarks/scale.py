"""Times one fold's classifiers and its statistics at 5,000, 20,000 and 80,000 made-up turns: seconds, memory and WA.

A turn has three vectors of 768 numbers, as encoders of base size give them. Each of seven classes, as frequent as MELD's, has
three modes, which a turn's vectors show more or less; on them lies noise, part of it correlated. A fold learns from the number
that is named and is asked about a fifth as many. Each case has a process of its own, so that its peak of memory is its own.
"""

import argparse
import itertools
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow/scripts"))

MODALITIES, WIDTH, MODES = ("text", "audio", "video"), 768, 3
SHARES = np.array([6436, 2308, 1636, 1607, 1002, 361, 358]) / 13_708  # of MELD's seven classes
CLASSES = ["neutral", "joy", "anger", "surprise", "sadness", "disgust", "fear"]
SETTINGS = {
    "svm": {"C": [0.3, 1.0, 3.0, 10.0], "gamma": "scale"},
    "xgboost": {"n_estimators": [50, 100], "max_depth": [3, 6], "learning_rate": 0.3, "max_bin": 64},
    "mlp": {"width": [64, 256], "alpha": 1e-4, "learning_rate": 1e-3, "max_iter": 200},
}
SYSTEMS = ("text.early", "early-concat")  # of one modality, and of all: 768 and 2,304 numbers a turn
RESAMPLES = 10_000
KERNELS_TO = 10_000  # turns up to which the kernels of three modalities are made: of 20,000 they take 16 GB


def make_turns(learned, modalities, rng):
    """`fusion.Aligned` of made-up turns: `learned` of the training part, a tenth as many each of validation and test part."""
    from emofuse.fusion.alignment import Aligned

    parts = np.repeat(["train", "val", "test"], [learned, learned // 10, learned // 10])
    labels = rng.choice(len(SHARES), len(parts), p=SHARES / SHARES.sum())
    modes, embeddings = rng.integers(0, MODES, len(parts)), {}
    for modality in modalities:
        shown = 0.25 * rng.standard_normal((len(SHARES), MODES, WIDTH), np.float32)
        shared = 0.25 * rng.standard_normal((40, WIDTH), np.float32)
        x = rng.standard_normal((len(parts), WIDTH), np.float32)
        x += rng.standard_normal((len(parts), 40), np.float32) @ shared
        for rows in np.array_split(np.arange(len(parts)), 1 + len(parts) // 5_000):
            x[rows] += rng.gamma(1, 1, (len(rows), 1)).astype(np.float32) * shown[labels[rows], modes[rows]]
        embeddings[modality] = x.astype(np.float64)
    turns = np.array([f"t{number:06}" for number in range(len(parts))])
    logits = {modality: np.zeros((len(parts), len(SHARES))) for modality in modalities}
    truth = np.array(CLASSES)[labels]
    encoders, stores = dict.fromkeys(modalities, "made"), {modality: {} for modality in modalities}
    return Aligned("fold", CLASSES, encoders, stores, turns, parts, truth, turns, turns, logits, embeddings, {})


def classify(turns, name, classifier, threads, most):
    """{C, wa, ua, ...} of one system with all candidates, as a classify job makes it. most: turns of which a kernel is made."""
    from emofuse.fusion import train_vectors
    from emofuse.fusion.classification import rows_of
    from emofuse.fusion.classifiers import svm
    from emofuse.fusion.distances import Distances
    from emofuse.fusion.ensemble import Ensemble, Method, quality
    from emofuse.fusion.systems import systems_of

    svm.MOST = most or svm.MOST
    modalities = ("text",) if name.startswith("text.") else MODALITIES
    data = make_turns(turns, modalities, np.random.default_rng(0))
    [system] = [
        s for s in systems_of(classifier, dict.fromkeys(modalities, "made")) if s.name == f"{name}-{classifier}"
    ]
    before, began = time.process_time(), time.monotonic()
    tasks = train_vectors.tasks("early", "in_sample", data)
    rows, method = (
        rows_of(data, data.asked),
        Method(classifier, SETTINGS[classifier], ["concat"], "in_sample", 0, threads),
    )
    ensemble = Ensemble(system, tasks, [Distances(task.train) for task in tasks], rows, method, 0)
    chosen = ensemble.learn(method.candidates)
    said, test = ensemble.ask(), rows.parts == "test"
    wa, ua = quality(said.classes[test], rows.truth[test])
    way = "–" if classifier != "svm" else "Nystroem" if said.notes else "kernel"
    seconds = {"seconds": time.monotonic() - began, "cpu": time.process_time() - before}
    return {"way": way, "chosen": chosen, "wa": wa, "ua": ua} | seconds


def assess(turns, clusters):
    """{seconds, cpu} of the intervals of 30 systems and of the tests of 20 pairs of them, on test turns in so many clusters."""
    from emofuse.evaluation import statistics

    rng = np.random.default_rng(0)
    truth = rng.choice(len(SHARES), turns, p=SHARES / SHARES.sum())
    said = np.where(rng.random((30, 1, turns)) < 0.6, truth, rng.choice(len(SHARES), (30, 1, turns)))
    of = np.array([f"c{number:05}" for number in rng.permutation(np.arange(turns) % clusters)])
    before, began = time.process_time(), time.monotonic()
    counts = statistics.count(of, np.full(turns, "all"), truth, said, len(SHARES))
    statistics.intervals(counts, RESAMPLES)
    statistics.sign_flip(counts, [(0, other) for other in range(1, 21)], RESAMPLES)
    statistics.clustered_error((said[0, 0] == truth) - (said[1, 0] == truth).astype(float), of)
    return {"seconds": time.monotonic() - began, "cpu": time.process_time() - before}


def run(*arguments):
    """What a case prints, from a process of its own."""
    command = [sys.executable, __file__, "--one", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--turns", type=int, nargs="*", default=[5_000, 20_000, 80_000], help="learned from (%(default)s)"
    )
    parser.add_argument("--classifiers", nargs="*", default=["svm"], help="svm, xgboost, mlp (%(default)s)")
    parser.add_argument("--systems", nargs="*", default=SYSTEMS, help="%(default)s")
    parser.add_argument("--threads", type=int, default=1, help="(%(default)s)")
    parser.add_argument("--kernel-to", type=int, default=20_000, help="the same of one modality (%(default)s)")
    parser.add_argument(
        "--clusters", type=int, nargs="*", default=[91, 80_000], help="of 80,000 test turns (%(default)s)"
    )
    parser.add_argument("--one", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        kind, turns, *rest = options.one
        if kind == "assess":
            found = assess(int(turns), int(rest[0]))
        else:
            found = classify(int(turns), rest[0], kind, int(rest[1]), int(rest[2]))
        print(json.dumps(found | {"memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
        return
    print("| turns | system | way | chosen | wall s | CPU s | peak MB | WA here | UA here |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for turns, classifier, name in itertools.product(options.turns, options.classifiers, options.systems):
        most = options.kernel_to if name.startswith("text.") else KERNELS_TO
        # 0: as it is. Else the number up to which it is by the kernel: all of them, or none.
        for limit in [0] if classifier != "svm" else [turns, 1] if turns <= most else [1]:
            found = run(classifier, turns, name, options.threads, limit)
            listed = {k: v for k, v in found["chosen"].items() if isinstance(SETTINGS[classifier][k], list)}
            settings = ", ".join(f"{key} {value}" for key, value in listed.items())
            print(
                f"| {turns:,} | {name}-{classifier} | {found['way']} | {settings} | {found['seconds']:.0f} |"
                f" {found['cpu']:.0f} | {found['memory']:,.0f} | {100 * found['wa']:.1f} | {100 * found['ua']:.1f} |",
                flush=True,
            )
    for clusters in options.clusters:
        found = run("assess", 80_000, clusters)
        print(
            f"80,000 test turns in {clusters:,} clusters: {found['seconds']:.0f} s, {found['cpu']:.0f} CPU s,"
            f" {found['memory']:,.0f} MB",
            flush=True,
        )


if __name__ == "__main__":
    main()
