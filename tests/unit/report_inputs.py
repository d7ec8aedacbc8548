"""Makes a small, complete set of a run's results, for the tests of tables, figures and report."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from emofuse.store import write_json, write_parquet, write_tsv
from emofuse.systems import CHOSEN, MAJORITY, systems

CLASSES = ("ang", "hap", "neu", "sad")
LABELS = {"ang": ["ang"], "hap": ["hap", "exc"], "neu": ["neu"], "sad": ["sad"]}
ENCODERS = {"text": "bert", "audio": "wav2vec2", "video": "videomae"}
CLASSIFIERS = ("svm", "xgboost", "mlp")
# How often a system of this kind and modality is right.
SKILL = {"text": 0.62, "audio": 0.58, "video": 0.42, "early": 0.72, "late": 0.69}
NASTY = "<script>alert('x')</script>"


@dataclass
class Inputs:
    """Paths of what the generator wrote, and the predictions behind the scores."""

    root: Path
    modalities: tuple
    seeds: tuple
    splits: list = field(default_factory=list)
    histories: list = field(default_factory=list)
    trainings: list = field(default_factory=list)
    embeddings: list = field(default_factory=list)
    predictions: dict = field(default_factory=dict)  # (system, split, seed, part) -> (truth, prediction) arrays

    @property
    def turns(self):
        return self.root / "turns.parquet"

    @property
    def problems(self):
        return self.root / "problems.tsv"

    def evaluation(self, name):
        return self.root / "run/evaluation" / name


def make_inputs(root, turns_per_session=60, modalities=tuple(ENCODERS), seeds=(1,), validated=True, width=12):
    """Write turns, splits, histories, embeddings, evaluation, problems and benchmarks below `root`."""
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
    folds = [f"session{k}" for k in range(1, 6)]
    label_class = {label: name for name, labels in LABELS.items() for label in labels}
    kept = np.array([label in label_class for label in turns["label"]])
    classes = np.array([label_class.get(label, "") for label in turns["label"]])[kept]
    session = np.array(turns["session"])[kept]
    ids = np.array(turns["turn_id"])[kept]
    left_out = {str(ids[0]): f"the text is empty {NASTY}"}

    everything = systems({modality: ENCODERS[modality] for modality in modalities}, CLASSIFIERS)
    chosen = []
    for k, split in enumerate(folds, start=1):
        part = np.where(session == k, "test", "train").astype(object)
        if validated:
            part[session == (k - 2) % 5 + 1] = "val"
        path = made.root / f"run/splits/{split}.parquet"
        columns = {name: np.array(turns[name])[kept] for name in ("session", "dialog", "speaker", "style")}
        write_parquet(
            path,
            pa.table({"turn_id": ids, "part": part.astype(str), "class": classes, **columns}),
            {"split": split, "validation": "previous_session" if validated else "none", "classes": json.dumps(CLASSES)},
        )
        made.splits.append(path)
        for seed in seeds:
            for modality in modalities:
                _encoder(made, rng, turns, kept, classes, part, modality, split, seed, left_out, width, validated)
            scores = {}
            for p in ("val", "test") if validated else ("test",):
                truth = classes[(part == p) & (ids != ids[0])]
                majority = max(CLASSES, key=lambda c: (classes[part == "train"] == c).sum())
                made.predictions[("majority", split, seed, p)] = (truth, np.full(len(truth), majority))
                for system in everything:
                    skill = SKILL[system.kind if system.fused else system.modalities[0]]
                    right = rng.random(len(truth)) < skill
                    guess = np.where(right, truth, rng.choice(CLASSES, len(truth)))
                    made.predictions[(system.name, split, seed, p)] = (truth, guess)
                    scores[system.name, p] = (truth == guess).mean()
            fused = [s.name for s in everything if s.fused] or [everything[0].name]
            best = max(fused, key=lambda name: scores.get((name, "val"), 0))
            row = {"split": split, "seed": seed, "system": best}
            for p in ("val", "test"):
                known = (best, split, seed, p) in made.predictions
                if known:
                    made.predictions[("chosen", split, seed, p)] = made.predictions[(best, split, seed, p)]
                truth, guess = made.predictions.get((best, split, seed, p), (np.array([]), np.array([])))
                recalls = [(guess[truth == c] == c).mean() for c in CLASSES if (truth == c).any()]
                row |= (
                    {f"{p}_wa": (truth == guess).mean(), f"{p}_ua": np.mean(recalls)}
                    if known
                    else {f"{p}_wa": "", f"{p}_ua": ""}
                )
            chosen.append(row)
    _evaluation(made, [MAJORITY, *everything, CHOSEN], folds)
    write_tsv(made.evaluation("chosen.tsv"), chosen, list(chosen[0]))
    _benchmarks(made.root / "benchmarks", folds, modalities, seeds)
    return made


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


def _evaluation(made, list_, folds):
    """Scores by plain counting, nothing of scikit-learn or of the package."""
    scores, per_class, confusion = [], [], []
    for system in list_:
        for seed in made.seeds:
            for part in ("val", "test"):
                by_fold = {f: made.predictions.get((system.name, f, seed, part)) for f in folds}
                by_fold = {fold: pair for fold, pair in by_fold.items() if pair}
                if not by_fold:
                    continue
                pooled = tuple(np.concatenate(column) for column in zip(*by_fold.values(), strict=True))
                for split, (truth, guess) in {**by_fold, "pooled": pooled}.items():
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
                                "recall": hit / true,
                                "f1": 2 * hit / (said + true),
                                "support": true,
                            }
                        )
                        for p in CLASSES:
                            count = int(((truth == c) & (guess == p)).sum())
                            confusion.append({**key, "truth": c, "prediction": p, "count": count})
                    per_class += rows
                    weights = np.array([row["support"] for row in rows]) / len(truth)
                    f1 = np.array([row["f1"] for row in rows])
                    scores.append(
                        {
                            **key,
                            "kind": system.kind,
                            "combination": system.combination,
                            "classifier": system.classifier,
                            "encoders": ", ".join(ENCODERS[m] for m in system.modalities),
                            "n": len(truth),
                            "wa": float((truth == guess).mean()),
                            "ua": float(np.mean([row["recall"] for row in rows])),
                            "macro_f1": float(f1.mean()),
                            "weighted_f1": float(f1 @ weights),
                        }
                    )
    for name, rows in (("scores", scores), ("per_class", per_class), ("confusion", confusion)):
        write_parquet(made.evaluation(f"{name}.parquet"), pa.Table.from_pylist(rows))


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
