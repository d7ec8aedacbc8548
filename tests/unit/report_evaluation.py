"""Writes the evaluation of a made-up run: its scores by plain counting, with nothing of scikit-learn or of the package."""

from functools import partial

import numpy as np
import pyarrow as pa
from report_run import CLASSES, DERIVED, ENCODERS, fused, pooled, ua, wa

from emofuse.runtime.store import write_parquet


def _schema(texts, wholes, numbers):
    types = ((texts, pa.string()), (wholes, pa.int64()), (numbers, pa.float64()))
    return pa.schema([(name, kind) for names, kind in types for name in names])


SCHEMAS = {
    "intervals": _schema(
        ("system", "kind", "measure"), (), ("value", "low", "high", "fold_low", "fold_high", "seed_sd")
    ),
    "comparisons": None,
    "contexts": _schema(("first", "second", "measure"), (), ("difference", "low", "high", "p", "p_holm")).append(
        pa.field("holds", pa.bool_())
    ),
    "groups": None,
    "calibration": _schema(("system", "kind", "when"), ("n",), ("ece", "brier")),
    "reliability": _schema(("system", "when"), ("bin", "n"), ("confidence", "accuracy")),
    "ceiling": _schema(("target", "grouping", "group", "who", "measure"), ("turns", "votes"), ("value", "low", "high")),
}


def write_scores(made, everything, protocol):
    """scores, per_class and confusion.parquet."""
    files = {"scores": [], "per_class": [], "confusion": []}
    for system in [*everything, *DERIVED]:
        for seed in made.seeds:
            for part in ("val", "test"):
                by_fold = {f: made.predictions.get((system.name, f, seed, part)) for f in made.folds[protocol]}
                by_fold = {fold: pair for fold, pair in by_fold.items() if pair}
                if not by_fold:
                    continue
                everyone = tuple(np.concatenate(column) for column in zip(*by_fold.values(), strict=True))
                for split, pair in {**by_fold, "pooled": everyone}.items():
                    key = {"system": system.name, "split": split, "seed": seed, "part": part}
                    rows = _by_class(key, *pair)
                    files["per_class"] += rows
                    files["confusion"] += _confusion(key, *pair)
                    made_by = made.named.get(system.name, {}).get("encoders")
                    files["scores"].append(_scores(key, system, rows, *pair, made_by))
    for name, rows in files.items():
        metadata = {"approximated": "[]"} if name == "scores" else None
        write_parquet(made.evaluation(f"{name}.parquet", protocol), pa.Table.from_pylist(rows), metadata)


def _by_class(key, truth, guess):
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
    return rows


def _confusion(key, truth, guess):
    return [
        {**key, "truth": c, "prediction": p, "count": int(((truth == c) & (guess == p)).sum())}
        for c in CLASSES
        for p in CLASSES
    ]


def _scores(key, system, rows, truth, guess, made_by):
    weights = np.array([row["support"] for row in rows]) / len(truth)
    f1 = np.array([row["f1"] or 0 for row in rows])
    return {
        **key,
        "kind": system.kind,
        "combination": system.combination,
        "classifier": system.classifier,
        "modalities": ", ".join(system.modalities),
        "missing": system.missing,
        "encoders": ", ".join((made_by or ENCODERS)[m] for m in system.modalities),
        "n": len(truth),
        "wa": float((truth == guess).mean()),
        "ua": float(np.mean([row["recall"] for row in rows if row["support"]])),
        "macro_f1": float(f1.mean()),
        "weighted_f1": float(f1 @ weights),
    }


def write_assessment(made, rng, everything, protocol):
    """Intervals, comparisons, groups and calibration: scores as they are, ends of intervals and p values drawn."""
    declared = [s for s in [*everything, *DERIVED] if s.kind != "substituted"]
    names = [s.name for s in declared] + ["chosen-single"] * made.validated
    value = {
        (name, measure): np.mean([function(*pooled(made, name, seed, protocol)) for seed in made.seeds]) / 100
        for name in names
        for measure, function in (("wa", wa), ("ua", ua))
    }
    files = {
        "intervals": _intervals(declared, value, len(made.seeds) > 1),
        "comparisons": _comparisons(made, rng, declared, value),
        "contexts": _contexts(made, value),
        "groups": _groups(made, declared, protocol),
    }
    files["ceiling"] = _ceiling(rng, [s.name for s in declared if s.kind in ("single", "baseline")])
    files["calibration"], files["reliability"] = _probabilities(rng, declared if made.validated else ())
    for name, rows in files.items():
        write_parquet(made.evaluation(f"{name}.parquet", protocol), pa.Table.from_pylist(rows, SCHEMAS[name]))


def _intervals(declared, value, several):
    return [
        {"system": s.name, "kind": s.kind, "measure": measure, "value": value[s.name, measure]}
        | {"low": value[s.name, measure] - 0.031, "high": value[s.name, measure] + 0.029}
        | {"fold_low": value[s.name, measure] - 0.05, "fold_high": value[s.name, measure] + 0.06}
        | {"seed_sd": 0.004 if several else None}
        for s in declared
        for measure in ("wa", "ua")
    ]


def _comparisons(made, rng, declared, value):
    singles, baselines = ([s.name for s in declared if s.kind == kind] for kind in ("single", "baseline"))
    ways = dict.fromkeys(f"{s.kind}-{s.combination}" for s in declared if fused(s, made.modalities))
    roles = dict.fromkeys(singles, "single modality") | dict.fromkeys(baselines, "baseline")
    roles |= {"chosen-single": "single, chosen on validation"} if made.validated else {}
    roles |= dict.fromkeys(ways, "other fusion")
    rows = []
    for measure in ("wa", "ua"):
        for second, role in roles.items():
            difference = value["chosen", measure] - value.get((second, measure), value["chosen", measure] - 0.001)
            p = 0.00001 if difference > 0.2 else float(rng.uniform(0.0001, 0.5))
            row = {"second": second, "role": role, "measure": measure, "difference": difference, "p": p}
            row |= {"low": difference - 0.02, "high": difference + 0.03}
            row |= {"p_holm": min(1.0, p * len(roles)), "holds": p * len(roles) < 0.05}
            found = {"only_first": 41, "only_second": 22, "p_mcnemar": 1e-9} if measure == "wa" else {}
            rows.append(row | {"only_first": None, "only_second": None, "p_mcnemar": None} | found)
    return rows


def _contexts(made, value):
    """Of each system that reads the whole dialog and the one that reads the turn alone."""
    pairs = [(name, name.replace("both", "alone")) for name in made.named if name.endswith("both")]
    rows = []
    for measure in ("wa", "ua"):
        for first, second in pairs:
            difference = value[first, measure] - value[second, measure]
            row = {"first": first, "second": second, "measure": measure, "difference": difference, "p": 0.02}
            rows.append(row | {"low": difference - 0.02, "high": difference + 0.03, "p_holm": 0.04, "holds": True})
    return rows


def write_scenes(made, everything):
    """scenes.parquet: the protocol scenario_control less scenario, of each system and of each pair of `_contexts`."""
    protocols, rows = ("scenario", "scenario_control"), []
    systems = [s.name for s in [*everything, *DERIVED] if s.kind != "substituted"]
    for measure, function in (("wa", wa), ("ua", ua)):
        new, known = (
            {name: np.mean([function(*pooled(made, name, seed, p)) for seed in made.seeds]) / 100 for name in systems}
            for p in protocols
        )
        gain = {name: known[name] - new[name] for name in systems}
        pairs = [(name, name.replace("both", "alone")) for name in made.named if name.endswith("both")]
        for system, less in [*((name, "") for name in systems), *pairs]:
            difference = gain[system] - gain.get(less, 0)
            row = {"system": system, "less": less, "measure": measure, "difference": difference}
            rows.append(row | {"low": difference - 0.02, "high": difference + 0.03})
    write_parquet(made.scenes, pa.Table.from_pylist(rows))


def _groups(made, declared, protocol):
    systems = [s.name for kind in ("baseline", "single") for s in declared if s.kind == kind]
    labels = {"speaker": [f"Ses0{k}_{letter}" for k in range(1, 6) for letter in "FM"]}
    labels |= {"style": ["improvised", "scripted"], "words": ["seen", "unseen"]}
    rows = []
    for grouping, group in ((grouping, group) for grouping, names in labels.items() for group in names):
        of_group = partial(_in_group, grouping, group)
        for system in [*systems, "chosen"]:
            pairs = [pooled(made, system, seed, protocol, of_group) for seed in made.seeds]
            found = {"wa": np.mean([wa(*p) for p in pairs]) / 100, "ua": np.mean([ua(*p) for p in pairs]) / 100}
            rows.append({"grouping": grouping, "group": group, "system": system, "n": len(pairs[0][0])} | found)
    return rows


def _ceiling(rng, systems):
    """Annotators and systems against annotators' votes; all drawn."""
    groups = [
        ("others", "all", "all"),
        *(("others", "class", name) for name in CLASSES),
        ("others", "style", "scripted"),
    ]
    groups += [("label", "all", "all"), ("label", "agreement", "full"), ("label", "agreement", "partial")]
    keys = [
        (*group, who, measure)
        for group in groups
        for who in [*(["annotators"] if group[0] == "others" else []), *systems, "chosen"]
        for measure in (("wa",) if group[1] == "class" else ("wa", "ua"))
    ]
    for group in ("none", "outside", "partial", "full"):
        whos = ("chosen", "training", "uniform", "floor")
        keys += [("spread", "agreement", group, who, "cross_entropy") for who in whos]
        keys.append(("spread", "agreement", group, "chosen", "gain"))
    rows = []
    for key in keys:
        value = float(rng.uniform(0.3, 0.9))
        row = dict(zip(("target", "grouping", "group", "who", "measure"), key, strict=True))
        rows.append(row | {"value": value, "low": value - 0.05, "high": value + 0.04, "turns": 120, "votes": None})
        rows[-1] |= {"votes": 300} if key[0] == "others" else {}
    reasons = {"others": ("tie", "outside", "alone"), "label": ("alone", "unvoted"), "spread": ("unvoted", "unspoken")}
    for target, reason in ((target, reason) for target, names in reasons.items() for reason in names):
        row = {"target": target, "grouping": "skipped", "group": reason, "who": "", "measure": "count", "value": 1234.0}
        rows.append(row | {"low": None, "high": None, "turns": None, "votes": None})
    return rows


def _in_group(grouping, group, turns):
    return turns[grouping] == group


def _probabilities(rng, declared):
    """Rows of calibration and of reliability."""
    calibration, reliability = [], []
    for s in declared:
        for when in ("before", "after"):
            if s.kind == "baseline" or (when == "before" and s.classifier == "svm"):
                continue
            row = {"system": s.name, "kind": s.kind, "when": when, "n": 100}
            calibration.append(row | {"ece": float(rng.uniform(0.02, 0.2)), "brier": float(rng.uniform(0.3, 0.7))})
            for number in range(15) if s.kind in ("single", "chosen") else ():
                n = 0 if number < 3 else 10 * number
                near = (number + 0.5) / 15
                far = near - (0.12 if when == "before" else 0.02)
                row = {"system": s.name, "when": when, "bin": number, "n": n}
                reliability.append(row | {"confidence": near if n else None, "accuracy": far if n else None})
    return calibration, reliability
