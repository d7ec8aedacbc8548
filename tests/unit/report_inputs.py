"""Makes a small, complete set of a run's results, for the tests of tables, figures and report."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from report_errors import write_corpus, write_predictions
from report_evaluation import write_assessment, write_scenes, write_scores
from report_run import CLASSES, ENCODERS, LABELS, NASTY, SKILL, Inputs, all_systems, fused

from emofuse.runtime.store import write_json, write_parquet, write_tsv


@dataclass(frozen=True)
class Turns:
    """All turns of the corpus, and those that are in a class."""

    table: dict  # column -> values, of all turns
    kept: np.ndarray  # whether a turn is in a class
    classes: np.ndarray  # of the kept turns, as are the columns
    columns: dict
    ids: np.ndarray
    left_out: dict  # turn without a text clip -> reason


@dataclass(frozen=True)
class Fold:
    """A split and a seed, and the part of each kept turn, '' for none."""

    split: str
    seed: int
    part: np.ndarray


def make_inputs(
    root,
    turns_per_session=60,
    modalities=tuple(ENCODERS),
    seeds=(1,),
    validated=True,
    named=None,
    protocols=("session",),
):
    """Write turns, splits, histories, embeddings, evaluation, problems and benchmarks below `root`.

    Encoders are those of the protocol session alone.
    """
    made = Inputs(Path(root), tuple(modalities), tuple(seeds), validated, named or {})
    rng = np.random.default_rng(7)
    turns = _kept(_turns(rng, turns_per_session))
    write_parquet(made.turns, pa.table(turns.table))
    seen = rng.random(len(turns.ids)) < 0.4
    everything = all_systems(modalities, made.named)
    for protocol in protocols:
        folds = _folds(protocol, turns.columns, validated)
        made.folds[protocol], made.splits[protocol], chosen = list(folds), [], []
        for split, (rule, part) in folds.items():
            _split(made, turns, protocol, rule, Fold(split, 0, part))
            test = (part == "test") & (turns.ids != turns.ids[0])
            made.tested[split] = {name: turns.columns[name][test] for name in ("speaker", "style")}
            made.tested[split]["turn_id"] = turns.ids[test]
            made.tested[split]["words"] = np.where(seen[test], "seen", "unseen")
            for fold in (Fold(split, seed, part) for seed in seeds):
                for modality in modalities if protocol == "session" else ():
                    _train(made, rng, fold, modality)
                    _embed(made, rng, turns, fold, modality)
                chosen.append(_predict(made, rng, everything, turns, fold))
        write_scores(made, everything, protocol)
        write_assessment(made, rng, everything, protocol)
        write_tsv(made.evaluation("chosen.tsv", protocol), chosen, list(chosen[0]))
    write_predictions(made, rng, everything)
    write_corpus(made, turns)
    if {"scenario", "scenario_control"} <= set(protocols):
        write_scenes(made, everything)
    _benchmarks(made.root / "benchmarks", [f"session{k}" for k in range(1, 6)], modalities, seeds)
    return made


def _kept(table):
    """The turns that are in a class; the first has no text."""
    label_class = {label: name for name, labels in LABELS.items() for label in labels}
    kept = np.array([label in label_class for label in table["label"]])
    classes = np.array([label_class.get(label, "") for label in table["label"]])[kept]
    columns = {name: np.array(table[name])[kept] for name in ("session", "dialog", "scenario", "speaker", "style")}
    ids = np.array(table["turn_id"])[kept]
    return Turns(table, kept, classes, columns, ids, {str(ids[0]): f"the text is empty {NASTY}"})


def _folds(protocol, columns, validated):
    """{split: (validation rule, part of each turn, '' for none)}."""
    session, speaker = columns["session"], columns["speaker"]
    play = np.array([name.split("_")[0] for name in columns["scenario"]])
    groups = dict(zip("abc", sorted(set(play)), strict=True))
    folds = {}
    for k in range(1, 6):
        before = session == (k - 2) % 5 + 1
        if protocol == "session":
            tests = {f"session{k}": (session == k, before & validated, session > 0)}
            rule = "previous_session" if validated else "none"
        elif protocol == "speaker":
            rule = "partner"
            tests = {
                f"speaker{k}{letter}": (speaker == f"Ses0{k}_{letter}", session == k, session > 0) for letter in "FM"
            }
        else:
            rule, name = "previous_session", "scenario" if protocol == "scenario" else "control"
            tests = {}
            for letter, of_group in groups.items():
                others = (play != of_group) if protocol == "scenario" else session > 0
                tests[f"{name}{k}{letter}"] = (
                    (session == k) & (play == of_group),
                    before & others,
                    (session != k) & others,
                )
        for split, (test, val, train) in tests.items():
            folds[split] = rule, np.select([test, val, train], ["test", "val", "train"], "").astype(object)
    return folds


def _split(made, turns, protocol, rule, fold):
    path = made.root / f"run/splits/{fold.split}.parquet"
    table = {"turn_id": turns.ids, "part": fold.part.astype(str), "class": turns.classes, **turns.columns}
    metadata = {"split": fold.split, "protocol": protocol, "validation": rule, "subset": "all"}
    rows = pa.table({name: values[fold.part != ""] for name, values in table.items()})
    write_parquet(path, rows, {**metadata, "classes": json.dumps(CLASSES)})
    made.splits[protocol].append(path)


def _predict(made, rng, everything, turns, fold):
    """Draw what every system says of a split's turns; the row of chosen.tsv."""
    of_scenario, majority = _baselines(turns, fold.part)
    here, scores = (fold.split, fold.seed), {}
    for p in ("val", "test"):
        rows = (fold.part == p) & (turns.ids != turns.ids[0])
        truth = turns.classes[rows]
        if not len(truth):
            continue
        made.predictions["majority", *here, p] = (truth, np.full(len(truth), majority))
        said = np.array([of_scenario.get(play, majority) for play in turns.columns["scenario"][rows]])
        made.predictions["scenario", *here, p] = (truth, said)
        for system in everything:
            how = system.name.split("-")[0] if system.kind == "substituted" else system.kind
            skill = SKILL.get(how, 0) * (0.7 + 0.1 * len(system.modalities)) * (0.8 if system.missing else 1)
            right = rng.random(len(truth)) < (skill or SKILL[system.modalities[0]])
            guess = np.where(right, truth, rng.choice(CLASSES, len(truth)))
            made.predictions[system.name, *here, p] = (truth, guess)
            scores[system.name, p] = (truth == guess).mean()
    return _choose(made, everything, fold, scores)


def _baselines(turns, part):
    """The most frequent class of the training turns of each scenario, and of all of them."""
    training, scenarios = turns.classes[part == "train"], turns.columns["scenario"][part == "train"]
    majority = max(CLASSES, key=lambda c: (training == c).sum())
    return {
        play: max(CLASSES, key=lambda c: (training[scenarios == play] == c).sum()) for play in set(scenarios)
    }, majority


def _choose(made, everything, fold, scores):
    """The row of chosen.tsv of a fold, by the WA of {(system, part): WA}."""
    here = (fold.split, fold.seed)
    candidates = [s.name for s in everything if fused(s, made.modalities)] or [everything[0].name]
    best = max(candidates, key=lambda name: scores.get((name, "val"), 0))
    row = {"split": fold.split, "seed": fold.seed, "system": best}
    for p in ("val", "test"):
        if (best, *here, p) not in made.predictions:
            row |= {f"{p}_wa": "", f"{p}_ua": ""}
            continue
        made.predictions["chosen", *here, p] = made.predictions[best, *here, p]
        row |= _measured(f"{p}_", *made.predictions[best, *here, p])
    single = max((s.name for s in everything if s.kind == "single"), key=lambda name: scores.get((name, "val"), 0))
    if (single, "val") not in scores:
        return row | {"single": "", "single_wa": "", "single_ua": ""}
    made.predictions["chosen-single", *here, "test"] = made.predictions[single, *here, "test"]
    return row | {"single": single} | _measured("single_", *made.predictions[single, *here, "test"])


def _measured(prefix, truth, guess):
    recalls = [(guess[truth == c] == c).mean() for c in CLASSES if (truth == c).any()]
    return {f"{prefix}wa": (truth == guess).mean(), f"{prefix}ua": np.mean(recalls)}


def _turns(rng, per_session):
    labels = ["ang", "hap", "exc", "neu", "sad", "fru", "xxx"]
    weights = [0.13, 0.07, 0.12, 0.21, 0.13, 0.2, 0.14]
    rows = {name: [] for name in ("turn_id", "session", "dialog", "scenario", "style", "speaker", "gender", "label")}
    for k in range(1, 6):
        drawn = [*labels, *rng.choice(labels, per_session - len(labels), p=weights)]
        for i, label in enumerate(drawn):
            scenario = f"impro{i % 4:02}" if i % 2 else "script01_1"
            letter = "FM"[i % 3 % 2]
            dialog = f"Ses0{k}F_{scenario}"
            values = (f"{dialog}_{letter}{i:03}", k, dialog, scenario, "improvised" if i % 2 else "scripted")
            for name, value in zip(rows, (*values, f"Ses0{k}_{letter}", letter, str(label)), strict=True):
                rows[name].append(value)
    rows["session"] = np.array(rows["session"], dtype=np.int8)
    start = np.arange(len(rows["turn_id"])) * 5.0
    return {**rows, "start_s": start, "end_s": start + rng.uniform(0.6, 9, len(start))}


def _train(made, rng, fold, modality):
    """One fine-tuned model's history and training.json."""
    encoder = ENCODERS[modality]
    folder = made.root / f"run/encoders/{modality}/{encoder}/{fold.split}/seed{fold.seed}"
    epochs, steps = 10, 40
    rows = []
    for step in range(5, epochs * steps + 1, 5):
        decay = np.exp(-step / 120)
        rows.append((step, step / steps, "train", 0.35 + 1.05 * decay + rng.normal(0, 0.03), None, None))
        if made.validated and step % steps == 0:
            wa = SKILL[modality] * (1 - 0.5 * decay) + rng.normal(0, 0.012)
            loss = 0.8 + 0.6 * decay + step / 2500 + rng.normal(0, 0.02)
            rows.append((step, step / steps, "val", loss, wa, wa - 0.01))
    names = ("step", "epoch", "part", "loss", "wa", "ua")
    history = pa.table({name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)})
    write_parquet(folder / "history.parquet", history)
    write_json(
        folder / "training.json",
        {
            "modality": modality,
            "encoder": encoder,
            "settings": _settings(encoder),
            "training": {"device": "auto", "threads": 2},
            "seed": fold.seed,
            "classes": CLASSES,
            "turns": {part: int((fold.part == part).sum()) for part in ("train", "val")},
            "frozen": False,
            "best_epoch": 7,
            "chosen_on": "val" if made.validated else None,
            "best_wa": 0.61 if made.validated else None,
            "precision": "bf16",
            "checkpoint": "0" * 64,
            "parameters": 109_486_854,
            "device": "NVIDIA H200",
            "seconds": 93.2 + rng.random(),
            "samples_per_second": 412.3,
            "peak_memory_mb": 7311,
            "versions": {"torch": "2.13.0", "transformers": "5.23.0"},
        },
    )
    made.histories.append(folder / "history.parquet")
    made.trainings.append(folder / "training.json")


def _settings(encoder):
    return {"model": f"some/{encoder}-base", "revision": "0a1b2c3", "pooling": "mean", "learning_rate": 2e-5}


def _embed(made, rng, turns, fold, modality, width=12):
    """One fine-tuned model's vectors: classes lie apart along random directions."""
    encoder, ids, kept = ENCODERS[modality], turns.table["turn_id"], turns.kept
    directions = rng.normal(0, 1.6 * SKILL[modality], (len(CLASSES), width))
    vectors = rng.normal(0, 1, (len(ids), width))
    vectors[kept] += directions[[CLASSES.index(c) for c in turns.classes]]
    every_part = np.full(len(kept), None, dtype=object)
    every_part[kept] = fold.part
    left_out = turns.left_out if modality == "text" else {}
    rows = np.array([turn not in left_out for turn in ids])
    path = made.root / f"run/embeddings/{modality}/{encoder}/{fold.split}/seed{fold.seed}.parquet"
    logits = rng.normal(0, 1, (rows.sum(), len(CLASSES)))
    table = pa.table(
        {
            "turn_id": np.array(ids)[rows],
            "part": pa.array(every_part[rows], pa.string()),
            "embedding": _lists(vectors[rows]),
            "logits": _lists(logits),
        }
    )
    settings = _settings(encoder)
    metadata = {
        "modality": modality,
        "encoder": encoder,
        **{name: settings[name] for name in ("model", "revision", "pooling")},
        "frozen": "false",
        "checkpoint": "0" * 64,
        "split": fold.split,
        "seed": str(fold.seed),
        "classes": json.dumps(CLASSES),
        "left_out": json.dumps(left_out),
    }
    write_parquet(path, table, metadata)
    made.embeddings.append(path)


def _lists(matrix):
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.astype(np.float32).ravel()), matrix.shape[1])


def _benchmarks(folder, folds, modalities, seeds):
    head = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    folder.mkdir(parents=True)
    for i, fold in enumerate(folds):
        for rule in ("fine_tune", "embed"):
            for j, modality in enumerate(modalities):
                (folder / rule).mkdir(exist_ok=True)
                row = f"{90.25 + i + j}\t0:01:30\t{2100.5 + 10 * i}\t9000\t2000\t2000\t1\t1\t180\t170\n"
                for encoder in (ENCODERS[modality], "one-that-is-no-longer-in-the-run"):
                    path = folder / rule / f"{modality}_{encoder}_{fold}_seed{seeds[0]}.tsv"
                    path.write_text(head + row)
    (folder / "evaluate.tsv").write_text(head + "0.4213\t0:00:00\tNA\tNA\tNA\tNA\tNA\tNA\tNA\tNA\n")
