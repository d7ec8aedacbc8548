"""How far below the best system is the one that a rule chooses on a validation part of two speakers? A simulation.

With --learning: how good are the classifiers by what they learn from? Embeddings and logits are drawn; the classifiers are
trained, asked and compared by emofuse's own code. docs/statistics.md says what is drawn and what came out. Prints a Markdown
table, in percentage points of WA; progress goes to stderr.
"""

import argparse
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow/scripts"))

from emofuse.evaluation.choice import best, choose
from emofuse.evaluation.folds import Fold
from emofuse.fusion.alignment import Aligned
from emofuse.fusion.classification import calibrated, decide
from emofuse.fusion.ensemble import Method, Rows, train
from emofuse.fusion.systems import candidates, full_fusions, singles, systems_of
from emofuse.fusion.train_vectors import tasks

CLASSES = ["ang", "hap", "neu", "sad"]
SHARES = np.array([0.2, 0.3, 0.31, 0.19])
WIDTH = 16  # of an embedding
# Distances in units of a turn's own noise: of a speaker, of how a speaker shows a class, of a dialog.
SPEAKER, SPEAKER_CLASS, DIALOG = 0.5, 0.3, 0.3
TRAINING_SPEAKERS, VALIDATION_SPEAKERS, TEST_SPEAKERS = range(6), [6, 7], range(8, 32)
TEST_TURNS, TEST_DIALOGS = 2_000, 120
DIALOGS = {60: 8, 250: 15, 1_100: 30}  # of a validation part of so many turns
REPETITIONS = {60: 40, 250: 24, 1_100: 12}
# {modality: (how far the classes' means lie apart, the share of an embedding that the encoder's own logits use)}
WORLDS = {
    "all useful": {"text": (0.35, 1), "audio": (0.3, 1), "video": (0.22, 1)},
    "text useless": {"text": (0.0, 1), "audio": (0.33, 1), "video": (0.25, 1)},
    "text useless, no video": {"text": (0.0, 1), "audio": (0.33, 1)},
    "logits miss most": {"text": (0.35, 0.4), "audio": (0.3, 0.4), "video": (0.22, 0.4)},
}
CLASSIFIERS = {
    "svm": {"C": 1.0, "gamma": "scale"},
    "xgboost": {"n_estimators": 50, "max_depth": 3, "learning_rate": 0.3, "max_bin": 64},
    "mlp": {"width": 64, "alpha": 1e-4, "learning_rate": 1e-3, "max_iter": 60},
}
SMALL = 300  # turns of a validation part up to which the network is trained too: it takes most of the time
BY_DIALOG, BY_SPEAKER = "other dialogs", "other speakers"
ORACLE = "the best system's WA"


def main(arguments=None):
    """Simulate and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, nargs="+", choices=DIALOGS, default=list(DIALOGS), metavar="N",
                        help=f"of the validation part, of {', '.join(map(str, DIALOGS))} (all)")  # fmt: skip
    parser.add_argument("--repetitions", type=int, metavar="N", help="of each (40, 24 and 12 by the number of turns)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn (%(default)s)")
    parser.add_argument(
        "--learning", action="store_true", help="the WA of fusions by what their classifiers learn from"
    )
    options = parser.parse_args(arguments)
    what = learned_from if options.learning else regrets_of
    print(as_markdown(simulate(what, options.turns, options.repetitions, options.seed)))


def simulate(what, sizes, repetitions=None, seed=0):
    """{(world, turns of the validation part): {row: (mean, standard error)}} of what `regrets_of` or `learned_from` gives."""
    cells = [(world, turns) for turns in sizes for world in WORLDS]
    regrets = {}
    with ProcessPoolExecutor(initializer=_one_thread) as pool:
        jobs = {
            pool.submit(repeat, what, world, turns, repetitions or REPETITIONS[turns], seed): (world, turns)
            for world, turns in cells
        }
        for job in tqdm(as_completed(jobs), total=len(jobs), unit="world and size"):
            regrets[jobs[job]] = job.result()
    return {cell: regrets[cell] for cell in cells}


def repeat(what, world, turns, repetitions, seed):
    """One cell of `simulate`."""
    rng = np.random.default_rng([seed, turns, list(WORLDS).index(world)])
    held = what is learned_from
    drawn = pd.DataFrame([what(draw(rng, WORLDS[world], turns, held), turns) for _ in range(repetitions)])
    return {rule: (drawn[rule].mean(), drawn[rule].sem()) for rule in drawn}


def regrets_of(data, turns):
    """{rule: what the chosen system's WA on test lacks to that of the best system of all}."""
    folds, truth = {}, {}
    for way, speakers in ((BY_DIALOG, data.dialogs), (BY_SPEAKER, data.speakers)):
        folds[way], truth = ask(replace(data, speakers=speakers), turns)
    frame = pd.DataFrame({"dialog": data.dialogs}, index=data.turns)
    known = list(truth)
    plain = [system for system in known if not system.learns]

    def careful(errors, way=BY_SPEAKER):
        return choose(folds[way], candidates(known), frame, errors)

    chosen = {
        ("best WA of the fusions", BY_DIALOG): best(folds[BY_DIALOG], full_fusions(known)),
        ("best WA of the fusions (`validation_wa`)", BY_SPEAKER): best(folds[BY_SPEAKER], full_fusions(known)),
        ("least log loss of all", BY_SPEAKER): careful(-np.inf),
        ("what learns nothing, a classifier if better by 2 standard errors", BY_DIALOG): careful(2, BY_DIALOG),
        ("the same by 1 standard error", BY_SPEAKER): careful(1),
        ("**the same by 2 standard errors (`validation`)**", BY_SPEAKER): careful(2),
        ("least log loss of what learns nothing", "–"): choose(folds[BY_SPEAKER], plain, frame),
        ("least log loss of the single modalities", "–"): choose(folds[BY_SPEAKER], singles(known), frame),
        ("always late-sum-argmax", "–"): next(system for system in known if system.name == "late-sum-argmax"),
    }
    most = max(truth.values())
    return {rule: most - truth[system] for rule, system in chosen.items()} | {(ORACLE, ""): most}


def learned_from(data, turns):
    """{(what fuses, what it learns from): WA on test}, the mean over the fusions with a trained classifier."""
    found = {}
    for vectors, source in (
        ("validation", "the validation part"),
        ("cross_fitted", "three times as many turns held out"),
    ):
        _, truth = ask(data, turns, vectors)
        trained = [wa for system, wa in truth.items() if system.learns]
        found["a trained classifier, the mean of all", f"{source} (`{vectors}`)"] = np.mean(trained)
    plain = {system.name: wa for system, wa in truth.items()}
    return found | {("late-sum-argmax", "nothing"): plain["late-sum-argmax"]}


def ask(data, turns, vectors="validation"):
    """(Fold of the validation turns, {System: its WA on the test turns}) of all candidates, for the config's train_vectors."""
    rows = Rows(data.turns[data.asked], data.parts[data.asked], data.labels[data.asked], data.classes)
    names = {modality: modality for modality in data.logits}
    voices = int(vectors == "cross_fitted")
    decided = decide(systems_of("argmax", names), data, None)
    answers = [(system, prediction, False) for system, _, prediction in decided]
    for classifier, settings in CLASSIFIERS.items():
        if classifier == "mlp" and turns > SMALL:
            continue
        known = full_fusions([s for s in systems_of(classifier, names) if s.kind != "substituted"])
        method = Method(classifier, settings, [], vectors, seed=0, threads=1)
        trained = train(
            known, lambda kind, how: tasks(kind, how, data, None, [data]), lambda system: vectors, rows, method, voices
        )
        answers += [(system, prediction, method.decides and not voices) for system, _, prediction in trained]
    kept = candidates([system for system, *_ in answers])
    val = rows.judged
    fold = Fold(rows.turns[val], rows.parts[val], rows.truth[val])
    truth = {}
    for system, prediction, decides in answers:
        if system in kept:
            fold.predictions[system] = prediction.classes[val]
            if calibration := calibrated(prediction, rows, decides):
                fold.probabilities["after"][system] = calibration.apply(prediction.scores[val])
            truth[system] = (prediction.classes == rows.truth)[~val].mean()
    return fold, truth


def draw(rng, world, turns, held=False):
    """An Aligned of `turns` validation turns of two speakers and many test turns of others; with `held` a part of that name
    of three times as many turns, of six speakers that nothing else has.

    The encoders' logits are of a logistic regression that learned three times as many turns of six other speakers, and
    twice as sure as they should be, as those of fine-tuned encoders are.
    """
    from sklearn.linear_model import LogisticRegression

    means = {modality: apart * rng.normal(0, 1, (4, WIDTH)) for modality, (apart, _) in world.items()}
    ways = {
        modality: (rng.normal(0, SPEAKER, (32, 1, WIDTH)), rng.normal(0, SPEAKER_CLASS, (32, 4, WIDTH)))
        for modality in world
    }
    of_part = {
        "train": draw_part(rng, means, ways, TRAINING_SPEAKERS, 3 * turns, 3 * DIALOGS[turns]),
        "val": draw_part(rng, means, ways, VALIDATION_SPEAKERS, turns, DIALOGS[turns]),
        "test": draw_part(rng, means, ways, TEST_SPEAKERS, TEST_TURNS, TEST_DIALOGS),
    }
    kept = ["val", "test"]
    if held:
        more = {m: (rng.normal(0, SPEAKER, (6, 1, WIDTH)), rng.normal(0, SPEAKER_CLASS, (6, 4, WIDTH))) for m in world}
        of_part["held"] = draw_part(rng, means, more, range(6), 3 * turns, 3 * DIALOGS[turns])
        kept.append("held")
    vectors = {m: np.concatenate([of_part[part][0][m] for part in kept]) for m in world}
    logits = {}
    for modality, (_, seen) in world.items():
        used = max(2, int(seen * WIDTH))
        head = LogisticRegression(max_iter=300).fit(of_part["train"][0][modality][:, :used], of_part["train"][1])
        logits[modality] = np.full((len(vectors[modality]), 4), -20.0)
        logits[modality][:, head.classes_] = 2 * (vectors[modality][:, :used] @ head.coef_.T + head.intercept_)
    labels, dialogs, speakers = (np.concatenate([of_part[part][column] for part in kept]) for column in (1, 2, 3))
    parts = np.repeat(kept, [len(of_part[part][1]) for part in kept])
    return Aligned(
        split="session1",
        classes=CLASSES,
        encoders={},
        stores={},
        turns=np.array([f"{number:06d}" for number in range(len(labels))]),
        parts=parts,
        truth=np.array(CLASSES)[labels],
        dialogs=np.char.add(parts, dialogs.astype(str)),
        speakers=speakers.astype(str),
        logits=logits,
        embeddings=vectors,
        left_out={},
    )


def draw_part(rng, means, ways, speakers, turns, dialogs):
    """({modality: (n, WIDTH)}, labels, dialogs, speakers, each (n,)) of about so many turns."""
    sizes = np.maximum(1, rng.multinomial(turns, np.full(dialogs, 1 / dialogs)))
    dialog = np.repeat(np.arange(dialogs), sizes)
    mixes = rng.dirichlet(2 * SHARES, dialogs).cumsum(axis=1)
    label = (rng.random((len(dialog), 1)) > mixes[dialog, :-1]).sum(axis=1)
    speaker = rng.choice(speakers, len(dialog))
    vectors = {}
    for modality in means:
        always, by_class = ways[modality]
        vectors[modality] = (
            means[modality][label]
            + always[speaker, 0]
            + by_class[speaker, label]
            + rng.normal(0, DIALOG, (dialogs, WIDTH))[dialog]
            + rng.normal(0, 1, (len(label), WIDTH))
        )
    return vectors, label, dialog, speaker


def as_markdown(regrets):
    """The table in percentage points; ± is one standard error of the simulation."""
    heads = [f"{world}: {turns:,}" for world, turns in regrets]
    lines = [f"| | | {' | '.join(heads)} |", "|---" * (len(heads) + 2) + "|"]
    for rule, way in next(iter(regrets.values())):
        cells = [
            f"{100 * mean:.1f} ± {100 * error:.1f}" for mean, error in (cell[rule, way] for cell in regrets.values())
        ]
        lines.append(f"| {rule} | {way} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _one_thread():
    """Of a process that is one of many; and quiet where a small part lacks a class."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    warnings.filterwarnings("ignore")


if __name__ == "__main__":
    main()
