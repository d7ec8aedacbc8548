"""Makes a small, complete set of a run's results, for the tests of tables, figures and report."""

import json
from collections import namedtuple
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa

from emofuse.runtime.store import write_json, write_parquet, write_tsv

CLASSES = ("ang", "hap", "neu", "sad")
LABELS = {"ang": ["ang"], "hap": ["hap", "exc"], "neu": ["neu"], "sad": ["sad"]}
ENCODERS = {"text": "bert", "audio": "wav2vec2", "video": "videomae"}
CLASSIFIERS = ("svm", "xgboost", "mlp")
# How often a system of this kind and modality is right.
SKILL = {"text": 0.62, "audio": 0.58, "video": 0.42, "early": 0.72, "late": 0.69}
NASTY = "<script>alert('x')</script>"
FACTS = {
    "classes": LABELS,
    "class_set": "four",
    "subset": "all",
    "refit": False,
    "train_vectors": "validation",
    "seeds": [1],
    "choices": {},
    "leaks": {},
    "final_system": "validation",
    "classifiers": {"svm": {"C": [1.0, 3.0], "gamma": "scale"}},
    "sessions": [1, 2, 3, 4, 5],
    "clips": {"crop": "speaker"},
}
System = namedtuple("System", "name kind combination classifier modalities missing", defaults=("",))


@dataclass
class Inputs:
    """Paths of what the generator wrote, and the predictions behind the scores."""

    root: Path
    modalities: tuple
    seeds: tuple
    folds: dict = field(default_factory=dict)  # protocol -> names of its splits
    splits: dict = field(default_factory=dict)  # protocol -> paths of its split files
    histories: list = field(default_factory=list)
    trainings: list = field(default_factory=list)
    embeddings: list = field(default_factory=list)
    predictions: dict = field(default_factory=dict)  # (system, split, seed, part) -> (truth, prediction) arrays
    tested: dict = field(default_factory=dict)  # split -> {column: array} of its test turns

    @property
    def turns(self):
        return self.root / "turns.parquet"

    @property
    def problems(self):
        return self.root / "problems.tsv"

    @property
    def evaluations(self):
        return {protocol: self.root / "run/evaluation" / protocol for protocol in self.folds}

    def evaluation(self, name="", protocol="session"):
        return self.root / "run/evaluation" / protocol / name


def all_systems(modalities):
    """Every system of a run with predictions: single, of all modalities, of a part of them, and with one substituted."""
    found = [System(f"{m}-{ENCODERS[m]}", "single", "", "argmax", (m,)) for m in modalities]
    for size in range(1, len(modalities) + 1):
        for names in combinations(modalities, size):
            prefix = "" if size == len(modalities) and size > 1 else "+".join(names) + "."
            ways = ("sum", "product", "concat") if size > 1 else ("",)
            for kind in ("early", "late"):
                for how in ways:
                    trained = [*CLASSIFIERS, *(["argmax"] if kind == "late" and how in ("sum", "product") else [])]
                    for classifier in trained:
                        name = "-".join(filter(None, (kind, how, classifier)))
                        found.append(System(f"{prefix}{name}", kind, how, classifier, names))
    full = [
        s for s in found if s.kind != "single" and len(s.modalities) == len(modalities) > 1 and s.classifier != "argmax"
    ]
    found += [System(f"{s.name}.no-{m}", "substituted", *s[2:5], m) for s in full for m in modalities]
    return found


def fused(system, modalities):
    """Whether it may become the final system."""
    return system.kind in ("early", "late") and system.combination and len(system.modalities) == len(modalities)


def make_inputs(
    root, turns_per_session=60, modalities=tuple(ENCODERS), seeds=(1,), validated=True, width=12, protocols=("session",)
):
    """Write turns, splits, histories, embeddings, evaluation, problems and benchmarks below `root`.

    Encoders are those of the protocol session alone.
    """
    made = Inputs(Path(root), tuple(modalities), tuple(seeds))
    rng = np.random.default_rng(7)
    turns = _turns(rng, turns_per_session)
    write_parquet(made.turns, pa.table(turns))
    write_tsv(
        made.problems,
        [
            _problem("Ses01F_impro01_F003", "warning", f"no words: {NASTY}", "kept; the text clip is missing"),
            _problem("Session2/Ses02M_script01_1.avi", "error", "unreadable file: ends at 3 s", "no clip"),
            _problem("Session3/dialog/EmoEvaluation/._Ses03F_impro01.txt", "info", "name starts with a dot", "skipped"),
            *(
                _problem(f"Ses05M_script01_1b_F{i:03}", "warning", "past the end of its video: 2 s", "no clip")
                for i in range(6)
            ),
        ],
        ["subject", "severity", "problem", "action"],
    )
    label_class = {label: name for name, labels in LABELS.items() for label in labels}
    kept = np.array([label in label_class for label in turns["label"]])
    classes = np.array([label_class.get(label, "") for label in turns["label"]])[kept]
    columns = {name: np.array(turns[name])[kept] for name in ("session", "dialog", "scenario", "speaker", "style")}
    ids = np.array(turns["turn_id"])[kept]
    left_out = {str(ids[0]): f"the text is empty {NASTY}"}
    seen = rng.random(len(ids)) < 0.4
    everything = all_systems(modalities)
    for protocol in protocols:
        folds = _folds(protocol, columns, validated)
        made.folds[protocol], made.splits[protocol], chosen = list(folds), [], []
        for split, (rule, part) in folds.items():
            path = made.root / f"run/splits/{split}.parquet"
            table = {"turn_id": ids, "part": part.astype(str), "class": classes, **columns}
            metadata = {"split": split, "protocol": protocol, "validation": rule, "subset": "all"}
            rows = pa.table({name: values[part != ""] for name, values in table.items()})
            write_parquet(path, rows, {**metadata, "classes": json.dumps(CLASSES)})
            made.splits[protocol].append(path)
            test = (part == "test") & (ids != ids[0])
            made.tested[split] = {"speaker": columns["speaker"][test], "style": columns["style"][test]}
            made.tested[split]["words"] = np.where(seen[test], "seen", "unseen")
            for seed in seeds:
                for modality in modalities if protocol == "session" else ():
                    _encoder(made, rng, turns, kept, classes, part, modality, split, seed, left_out, width, validated)
                chosen.append(
                    _predict(made, rng, everything, classes, part, ids != ids[0], columns["scenario"], split, seed)
                )
        _evaluation(made, everything, protocol)
        _assessment(made, rng, everything, protocol, validated)
        write_tsv(made.evaluation("chosen.tsv", protocol), chosen, list(chosen[0]))
    _benchmarks(made.root / "benchmarks", [f"session{k}" for k in range(1, 6)], modalities, seeds)
    return made


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


def _predict(made, rng, everything, classes, part, there, scenario, split, seed):
    """Draw what every system says of a split's turns; the row of chosen.tsv."""
    training = classes[part == "train"]
    majority = max(CLASSES, key=lambda c: (training == c).sum())
    of_scenario = {
        play: max(CLASSES, key=lambda c: (training[scenario[part == "train"] == play] == c).sum())
        for play in set(scenario[part == "train"])
    }
    scores = {}
    for p in ("val", "test"):
        rows = (part == p) & there
        truth = classes[rows]
        if not len(truth):
            continue
        made.predictions["majority", split, seed, p] = (truth, np.full(len(truth), majority))
        said = np.array([of_scenario.get(play, majority) for play in scenario[rows]])
        made.predictions["scenario", split, seed, p] = (truth, said)
        for system in everything:
            how = system.name.split("-")[0] if system.kind == "substituted" else system.kind
            skill = SKILL.get(how, 0) * (0.7 + 0.1 * len(system.modalities)) * (0.8 if system.missing else 1)
            right = rng.random(len(truth)) < (skill or SKILL[system.modalities[0]])
            guess = np.where(right, truth, rng.choice(CLASSES, len(truth)))
            made.predictions[system.name, split, seed, p] = (truth, guess)
            scores[system.name, p] = (truth == guess).mean()
    candidates = [s.name for s in everything if fused(s, made.modalities)] or [everything[0].name]
    best = max(candidates, key=lambda name: scores.get((name, "val"), 0))
    row = {"split": split, "seed": seed, "system": best}
    for p in ("val", "test"):
        if (best, split, seed, p) not in made.predictions:
            row |= {f"{p}_wa": "", f"{p}_ua": ""}
            continue
        truth, guess = made.predictions["chosen", split, seed, p] = made.predictions[best, split, seed, p]
        recalls = [(guess[truth == c] == c).mean() for c in CLASSES if (truth == c).any()]
        row |= {f"{p}_wa": (truth == guess).mean(), f"{p}_ua": np.mean(recalls)}
    single = max((s.name for s in everything if s.kind == "single"), key=lambda name: scores.get((name, "val"), 0))
    if (single, "val") not in scores:
        return row | {"single": "", "single_wa": "", "single_ua": ""}
    made.predictions["chosen-single", split, seed, "test"] = truth, guess = made.predictions[
        single, split, seed, "test"
    ]
    recalls = [(guess[truth == c] == c).mean() for c in CLASSES if (truth == c).any()]
    return row | {"single": single, "single_wa": scores[single, "test"], "single_ua": np.mean(recalls)}


def _problem(subject, severity, problem, action):
    return {"subject": subject, "severity": severity, "problem": problem, "action": action}


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


def _encoder(made, rng, turns, kept, classes, part, modality, split, seed, left_out, width, validated):
    """One fine-tuned model's history, training.json and vectors (classes lie apart along random directions)."""
    encoder = ENCODERS[modality]
    folder = made.root / f"run/encoders/{modality}/{encoder}/{split}/seed{seed}"
    epochs, steps = 10, 40
    rows = []
    for step in range(5, epochs * steps + 1, 5):
        decay = np.exp(-step / 120)
        rows.append((step, step / steps, "train", 0.35 + 1.05 * decay + rng.normal(0, 0.03), None, None))
        if validated and step % steps == 0:
            wa = SKILL[modality] * (1 - 0.5 * decay) + rng.normal(0, 0.012)
            loss = 0.8 + 0.6 * decay + step / 2500 + rng.normal(0, 0.02)
            rows.append((step, step / steps, "val", loss, wa, wa - 0.01))
    names = ("step", "epoch", "part", "loss", "wa", "ua")
    history = pa.table({name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)})
    write_parquet(folder / "history.parquet", history)
    settings = {"model": f"some/{encoder}-base", "revision": "0a1b2c3", "pooling": "mean", "learning_rate": 2e-5}
    write_json(
        folder / "training.json",
        {
            "modality": modality,
            "encoder": encoder,
            "settings": settings,
            "training": {"device": "auto", "threads": 2},
            "seed": seed,
            "classes": CLASSES,
            "turns": {"train": int((part == "train").sum()), "val": int((part == "val").sum())},
            "best_epoch": 7,
            "chosen_on": "val" if validated else None,
            "best_wa": 0.61 if validated else None,
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

    directions = rng.normal(0, 1.6 * SKILL[modality], (len(CLASSES), width))
    vectors = rng.normal(0, 1, (len(turns["turn_id"]), width))
    vectors[kept] += directions[[CLASSES.index(c) for c in classes]]
    every_part = np.full(len(kept), None, dtype=object)
    every_part[kept] = part
    left_out = left_out if modality == "text" else {}
    rows = np.array([turn not in left_out for turn in turns["turn_id"]])
    path = made.root / f"run/embeddings/{modality}/{encoder}/{split}/seed{seed}.parquet"
    logits = rng.normal(0, 1, (rows.sum(), len(CLASSES)))
    table = pa.table(
        {
            "turn_id": np.array(turns["turn_id"])[rows],
            "part": pa.array(every_part[rows], pa.string()),
            "embedding": _lists(vectors[rows]),
            "logits": _lists(logits),
        }
    )
    metadata = {
        "modality": modality,
        "encoder": encoder,
        "model": settings["model"],
        "revision": settings["revision"],
        "pooling": "mean",
        "checkpoint": "0" * 64,
        "split": split,
        "seed": str(seed),
        "classes": json.dumps(CLASSES),
        "left_out": json.dumps(left_out),
    }
    write_parquet(path, table, metadata)
    made.embeddings.append(path)


def _lists(matrix):
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.astype(np.float32).ravel()), matrix.shape[1])


DERIVED = [
    System("majority", "baseline", "", "", ()),
    System("scenario", "baseline", "", "", ()),
    System("chosen", "chosen", "", "", ()),
]


def pooled(made, system, seed=1, protocol="session", where=None):
    """Truth and prediction of a system on the test turns of all folds, or of those where `where` (a function of a split)
    is true."""
    pairs = []
    for fold in made.folds[protocol]:
        truth, guess = made.predictions[system, fold, seed, "test"]
        mask = slice(None) if where is None else where(made.tested[fold])
        pairs.append((truth[mask], guess[mask]))
    return tuple(np.concatenate(column) for column in zip(*pairs, strict=True))


def wa(truth, guess):
    """Percent of turns that are right."""
    return 100 * np.mean(truth == guess)


def recall(truth, guess, name):
    return 100 * np.mean(guess[truth == name] == name)


def ua(truth, guess):
    """Mean of the recalls of the classes that have turns, in percent."""
    return np.mean([recall(truth, guess, name) for name in CLASSES if (truth == name).any()])


def _evaluation(made, everything, protocol):
    """Scores by plain counting, nothing of scikit-learn or of the package."""
    scores, per_class, confusion = [], [], []
    for system in [*everything, *DERIVED]:
        for seed in made.seeds:
            for part in ("val", "test"):
                by_fold = {f: made.predictions.get((system.name, f, seed, part)) for f in made.folds[protocol]}
                by_fold = {fold: pair for fold, pair in by_fold.items() if pair}
                if not by_fold:
                    continue
                everyone = tuple(np.concatenate(column) for column in zip(*by_fold.values(), strict=True))
                for split, (truth, guess) in {**by_fold, "pooled": everyone}.items():
                    key = {"system": system.name, "split": split, "seed": seed, "part": part}
                    rows = []
                    for c in CLASSES:
                        hit = int(((truth == c) & (guess == c)).sum())
                        true, said = int((truth == c).sum()), int((guess == c).sum())
                        rows.append(
                            {
                                **key,
                                "class": c,
                                "precision": hit / said if said else None,
                                "recall": hit / true if true else None,
                                "f1": 2 * hit / (said + true) if said + true else None,
                                "support": true,
                            }
                        )
                        for p in CLASSES:
                            count = int(((truth == c) & (guess == p)).sum())
                            confusion.append({**key, "truth": c, "prediction": p, "count": count})
                    per_class += rows
                    weights = np.array([row["support"] for row in rows]) / len(truth)
                    f1 = np.array([row["f1"] or 0 for row in rows])
                    scores.append(
                        {
                            **key,
                            "kind": system.kind,
                            "combination": system.combination,
                            "classifier": system.classifier,
                            "modalities": ", ".join(system.modalities),
                            "missing": system.missing,
                            "encoders": ", ".join(ENCODERS[m] for m in system.modalities),
                            "n": len(truth),
                            "wa": float((truth == guess).mean()),
                            "ua": float(np.mean([row["recall"] for row in rows if row["support"]])),
                            "macro_f1": float(f1.mean()),
                            "weighted_f1": float(f1 @ weights),
                        }
                    )
    for name, rows in (("scores", scores), ("per_class", per_class), ("confusion", confusion)):
        write_parquet(made.evaluation(f"{name}.parquet", protocol), pa.Table.from_pylist(rows))


def _assessment(made, rng, everything, protocol, validated):
    """Intervals, comparisons, groups and calibration: scores as they are, ends of intervals and p values drawn."""
    declared = [s for s in [*everything, *DERIVED] if s.kind != "substituted"]
    value = {
        (s.name, measure): np.mean([function(*pooled(made, s.name, seed, protocol)) for seed in made.seeds]) / 100
        for s in declared
        for measure, function in (("wa", wa), ("ua", ua))
    }
    several = len(made.seeds) > 1
    intervals = [
        {"system": s.name, "kind": s.kind, "measure": measure, "value": value[s.name, measure[-2:]]}
        | {"low": value[s.name, measure[-2:]] - 0.031, "high": value[s.name, measure[-2:]] + 0.029}
        | {"fold_low": value[s.name, measure[-2:]] - 0.05, "fold_high": value[s.name, measure[-2:]] + 0.06}
        | {"seed_sd": 0.004 if several else None}
        for s in declared
        for measure in ("wa", "ua")
    ]
    singles, baselines = ([s.name for s in declared if s.kind == kind] for kind in ("single", "baseline"))
    ways = dict.fromkeys(f"{s.kind}-{s.combination}" for s in declared if fused(s, made.modalities))
    roles = dict.fromkeys(singles, "single modality") | dict.fromkeys(baselines, "baseline")
    roles |= ({"chosen-single": "single, chosen on validation"} if validated else {}) | dict.fromkeys(
        ways, "other fusion"
    )
    if validated:
        for measure, function in (("wa", wa), ("ua", ua)):
            found = [function(*pooled(made, "chosen-single", seed, protocol)) for seed in made.seeds]
            value["chosen-single", measure] = np.mean(found) / 100
    comparisons = []
    for measure in ("wa", "ua"):
        for second, role in roles.items():
            difference = value["chosen", measure] - value.get((second, measure), value["chosen", measure] - 0.001)
            p = 0.00001 if difference > 0.2 else float(rng.uniform(0.0001, 0.5))
            row = {"second": second, "role": role, "measure": measure, "difference": difference, "p": p}
            row |= {"low": difference - 0.02, "high": difference + 0.03}
            row |= {"p_holm": min(1.0, p * len(roles)), "holds": p * len(roles) < 0.05}
            found = {"only_first": 41, "only_second": 22, "p_mcnemar": 1e-9} if measure == "wa" else {}
            comparisons.append(row | {"only_first": None, "only_second": None, "p_mcnemar": None} | found)
    groups = []
    labels = {"speaker": [f"Ses0{k}_{letter}" for k in range(1, 6) for letter in "FM"]}
    labels |= {"style": ["improvised", "scripted"], "words": ["seen", "unseen"]}
    for grouping, names in labels.items():
        for group in names:
            for system in [*baselines, *singles, "chosen"]:
                pairs = [
                    pooled(made, system, seed, protocol, lambda turns: turns[grouping] == group)  # noqa: B023
                    for seed in made.seeds
                ]
                found = {"wa": np.mean([wa(*p) for p in pairs]) / 100, "ua": np.mean([ua(*p) for p in pairs]) / 100}
                key = {"grouping": grouping, "group": group, "system": system}
                groups.append(key | {"n": len(pairs[0][0])} | found)
    calibration, reliability = [], []
    for s in declared if validated else ():
        for when in ("before", "after"):
            if s.kind == "baseline" or (when == "before" and s.classifier == "svm"):
                continue
            row = {"system": s.name, "kind": s.kind, "when": when, "n": 100}
            calibration.append(row | {"ece": float(rng.uniform(0.02, 0.2)), "brier": float(rng.uniform(0.3, 0.7))})
            if s.kind in ("single", "chosen"):
                for number in range(15):
                    n = 0 if number < 3 else 10 * number
                    near = (number + 0.5) / 15
                    far = near - (0.12 if when == "before" else 0.02)
                    row = {"system": s.name, "when": when, "bin": number, "n": n}
                    reliability.append(row | {"confidence": near if n else None, "accuracy": far if n else None})
    texts = [(name, pa.string()) for name in ("system", "kind", "when")]
    numbers = [(name, pa.float64()) for name in ("ece", "brier", "confidence", "accuracy")]
    schemas = {
        "intervals": pa.schema(
            [(name, pa.string()) for name in ("system", "kind", "measure")]
            + [(name, pa.float64()) for name in ("value", "low", "high", "fold_low", "fold_high", "seed_sd")]
        ),
        "comparisons": None,
        "groups": None,
        "calibration": pa.schema([*texts, ("n", pa.int64()), *numbers[:2]]),
        "reliability": pa.schema([texts[0], texts[2], ("bin", pa.int64()), ("n", pa.int64()), *numbers[2:]]),
    }
    for (name, schema), rows in zip(
        schemas.items(), (intervals, comparisons, groups, calibration, reliability), strict=True
    ):
        write_parquet(made.evaluation(f"{name}.parquet", protocol), pa.Table.from_pylist(rows, schema))


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
