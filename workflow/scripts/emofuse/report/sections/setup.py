"""What the numbers were made from and with: turns, folds, encoders and their choice, ways of fusing."""

import json
from pathlib import Path

from emofuse.fusion.classifiers.svm import APPROXIMATED
from emofuse.report.card import settings_text
from emofuse.report.outputs import MODALITY_TITLES, classifier_titles, combination_titles, in_order, split_title
from emofuse.runtime.store import read_json, read_metadata, read_parquet
from emofuse.splits.parts import CHOICE_PARTS, PARTS

PART_TITLES = {"train": "training", "val": "validation", "test": "test", "held": "held out"}


def setup(models, turns, run, sources, choices):
    """What the numbers were made from and with, [(name, [lines])]: turns, encoders, ways of fusing, named systems,
    approximated kernels."""
    labelled = turns[turns["label"].isin(run.class_of)]
    hours = (labelled["end_s"] - labelled["start_s"]).sum() / 3600
    rest = turns.loc[~turns["label"].isin(run.class_of), "label"].value_counts()
    lines = [
        (
            "Turns",
            [
                f"{len(labelled):,} of {len(turns):,} turns are in the run's classes ({hours:.1f} h)",
                "not in a class: " + (", ".join(f"{label} {n:,}" for label, n in rest.items()) or "none"),
            ],
        )
    ]
    for (modality, encoder), group in models["encoders"].items():
        first = group[0]
        precision = " and ".join(sorted({training["precision"] for training in group}))
        ways = f"frozen, {len(group)} probes" if first["frozen"] else f"{len(group)} trained in {precision}"
        text = [
            f"{encoder}, {first['parameters']:,} parameters, {ways}; embedded in fp32",
            settings_text({key: value for key, value in first["settings"].items() if value is not None}),
        ]
        lines.append((f"{MODALITY_TITLES[modality].capitalize()} encoder", text))
    for made in choices:
        compared = ", ".join(f"{name} {wa:.1f}" for name, wa in made["scores"].items())
        lines.append(
            (
                f"{made['title'].capitalize()} encoders compared",
                [f"WA on the {made['on']} part of {made['split']}: {compared}"],
            )
        )
    scores = sources.scores
    fused = scores[scores["kind"].isin(["early", "late"])]
    trained = in_order(classifier_titles(), fused["classifier"].unique())
    trained.pop("argmax", None)
    combined = in_order(combination_titles(), fused["combination"].unique())
    if combined:
        fusion = [
            f"early (scaled vectors) and late (softmax outputs), by {', '.join(combined.values())}; "
            f"decided by {', '.join(trained.values())}",
            "late sum and product also by the plain argmax",
        ]
        lines.append(("Fusion", fusion))
    if run.facts["systems"]:
        lines.append(("Named systems", [f"{name}: {settings_text(of)}" for name, of in run.facts["systems"].items()]))
    if sources.approximated:
        lines.append(("Approximated", [f"in {len(sources.approximated)} systems {APPROXIMATED}"]))
    return lines


def parts_table(folds, classes):
    """A row for each fold and part: its sessions and its number of turns by class."""
    rows = []
    for fold, (_, turns) in folds.items():
        present = [part for part in PARTS if (turns["part"] == part).any()]
        for part in present:
            of_part = turns[turns["part"] == part]
            counts = of_part["class"].value_counts()
            rows.append(
                {
                    "fold": split_title(fold),
                    "span": len(present) if part == present[0] else 0,
                    "part": PART_TITLES[part],
                    "sessions": ", ".join(map(str, sorted(of_part["session"].unique()))),
                    "speakers": of_part["speaker"].nunique(),
                    "counts": [int(counts.get(name, 0)) for name in classes],
                    "turns": len(of_part),
                }
            )
    return rows


def read_choices(choices, stores, selection, folds):
    """Which encoder was chosen for which modality, on what: dicts of title, encoder, on, split, session (text), scores
    ({encoder: mean WA in percent}) and tested_in (those of `folds` that test turns of the same session)."""
    made = []
    for modality, on in choices.items():
        comparison = next(path for path in selection if Path(path).stem == modality)
        facts, rows = read_metadata(comparison), read_parquet(comparison).to_pandas()
        part = CHOICE_PARTS[on]
        sessions = json.loads(facts["sessions"])[part]
        means = rows[rows["part"] == part].groupby("encoder")["wa"].mean().mul(100)
        made.append(
            {
                "title": MODALITY_TITLES[modality],
                "encoder": next(store["encoder"] for store in stores if store["modality"] == modality),
                "on": on,
                "split": split_title(facts["split"]),
                "session": ", ".join(map(str, sessions)),
                "scores": means.sort_values(ascending=False).to_dict(),
                "tested_in": [
                    name
                    for name, (_, turns) in folds.items()
                    if set(turns.loc[turns["part"] == "test", "session"]) & set(sessions)
                ],
            }
        )
    return made


def read_models(trainings):
    """Every fine-tuned model and probe: {'encoders': {(modality, encoder): [its training.json, ...]}, 'rows': all of them}."""
    rows = []
    for path in map(Path, trainings):
        rows.append({**read_json(path), "split": path.parts[-3]})
    order = list(MODALITY_TITLES)
    rows.sort(key=lambda row: (order.index(row["modality"]), row["encoder"], row["split"], row["seed"]))
    encoders = {}
    for row in rows:
        encoders.setdefault((row["modality"], row["encoder"]), []).append(row)
        row["title"] = MODALITY_TITLES[row["modality"]]
        row["split"] = split_title(row["split"])
        row["best_epoch"] = "–" if row["best_epoch"] is None else row["best_epoch"]
        row["chosen_on"] = PART_TITLES.get(row["chosen_on"], "–")
    return {"encoders": encoders, "rows": rows}
