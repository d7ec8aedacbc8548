"""Renders a run as one HTML file that needs no network: protocol, tables, figures, data problems, cost, versions."""

import base64
import csv
import json
import platform
import subprocess
import sys
from collections import Counter
from datetime import date
from importlib import metadata as installed
from pathlib import Path

import pandas as pd

from emofuse import __version__
from emofuse.outputs import (
    ACCURACY_FIGURES,
    LOSS_FIGURES,
    MODALITY_TITLES,
    PCA_FIGURES,
    TABLE_FORMATS,
    class_title,
    figure_caption,
    figure_names,
    figure_title,
    split_title,
)
from emofuse.pages import environment, page_table
from emofuse.splits import CHOICE_PARTS, PARTS
from emofuse.store import read_json, read_metadata, read_parquet, read_tsv, whole
from emofuse.tables import CLASSIFIERS, COMBINATIONS, build_tables, fold_names, modality_title, ranked, read_test

PACKAGES = (
    *("snakemake", "torch", "transformers", "torchaudio", "accelerate", "av", "scikit-learn", "xgboost"),
    *("numpy", "scipy", "pandas", "pyarrow", "matplotlib", "jinja2"),
)
PART_TITLES = {"train": "training", "val": "validation", "test": "test"}
VALIDATION_TITLES = {
    "previous_session": "the session before the test session, cyclic",
    "none": "none: every encoder trains for its fixed number of epochs",
    "test": "none of its own: epochs are chosen on the test part itself (a leak)",
}
REFIT_NOTE = (
    "epoch and final system are chosen there; then encoders and classifiers are trained anew on training and validation "
    "part together, and those are tested"
)
SEVERITIES = ("error", "warning", "info")


def make_report(
    corpus,
    run,
    notice,
    protocol,
    final_system,
    turns,
    splits,
    embeddings,
    trainings,
    selection,
    scores,
    per_class,
    chosen,
    problems,
    figures,
    pca_split,
    benchmarks,
    output,
):
    """Write the report to `output` (one .html file; figures and style inside, nothing loaded from anywhere).

    corpus, run: their names. notice: a warning shown above everything, or ''. final_system: 'validation', or the system
    that the config names, or 'test'. protocol: what the config says and the files do not: {'classes': {class: [raw
    labels]}} in the order of the tables, 'refit' (whether what is tested was trained anew with the validation part,
    default False), 'choices' ({modality: 'validation' or 'test'} where the encoder was chosen, default none), 'leaks'
    ({name: sentence} for each choice that is made on test turns, default none), and any further facts, shown in the order
    given: a text, a number, a list, or {name: setting} where a setting may be such a dict again.

    turns, problems: paths of the corpus' turns.parquet and problems.tsv. scores, per_class, chosen: paths of the run's
    evaluation/{scores.parquet, per_class.parquet, chosen.tsv}. splits: paths of all split files. embeddings: paths of
    all embedding files of the folds (their metadata alone is read). trainings: paths of all training.json, those of the
    selection among them. selection: paths of selection/<modality>.parquet, none where encoders were not compared. figures:
    the folder of the figures. pca_split: the fold that figures 8 to 11 draw. benchmarks: folders of Snakemake's benchmark
    files, `<folder>/<rule>/**/*.tsv` or `<folder>/<rule>.tsv`.
    """
    classes = list(protocol["classes"])
    stores = [read_metadata(path) for path in embeddings]
    modalities = [m for m in MODALITY_TITLES if m in {store["modality"] for store in stores}]
    tests = read_test(scores)
    folds = read_folds(splits)
    corpus_turns = read_parquet(turns, ["turn_id", "session", "scenario", "label", "start_s", "end_s"]).to_pandas()
    class_of = {label: name for name, labels in protocol["classes"].items() for label in labels}
    left_out = turns_left_out(stores, corpus_turns, class_of)
    models = read_models(trainings)
    findings = find(tests)
    choices = read_choices(protocol.get("choices", {}), stores, selection)
    watched = "test" if any(rule == "test" for rule, _ in folds.values()) else "validation"
    page = environment().get_template("report.html.j2")
    html = page.render(
        corpus=corpus,
        run=run,
        notice=notice,
        leaks=protocol.get("leaks", {}),
        today=date.today().isoformat(),
        findings=findings,
        cautions=cautions(
            findings, folds, corpus_turns, class_of, left_out, len(modalities) > 1, final_system, choices
        ),
        card=protocol_card(protocol, folds, models, corpus_turns, class_of, tests, final_system, choices),
        parts=parts_table(folds, classes),
        classes=[class_title(name) for name in classes],
        tables={
            name: page_table(table)
            for name, table in build_tables(scores, per_class, modalities, classes, final_system, selection).items()
        },
        table_formats=TABLE_FORMATS,
        chosen=chosen_rows(chosen),
        sections=figure_sections(figures, modalities, pca_split, watched),
        left_out=left_out,
        problems=problem_kinds(read_tsv(problems)),
        steps=steps(benchmarks, trainings),
        models=models,
        versions=versions(models),
    )
    with whole(output) as partial:
        partial.write_text(html, encoding="utf-8")


# What the run shows


def find(scores):
    """What beats what, by how much: pooled test scores in percent and differences in points of WA."""
    order = ranked(scores)
    by_system = order.set_index("system")
    final, single = by_system.loc["chosen"], order[order["kind"] == "single"].iloc[0]
    best = order[~order["kind"].isin(["baseline", "chosen"])].iloc[0]
    by_fold = scores[scores["split"] != "pooled"].groupby(["split", "system"])["wa"].mean().unstack().mul(100)
    gains = by_fold["chosen"] - by_fold[single["system"]]
    return {
        "n": int(scores.loc[(scores["split"] == "pooled") & (scores["system"] == "chosen"), "n"].max()),
        "folds": len(gains),
        "seeds": scores["seed"].nunique(),
        "final": _percent(final),
        "majority": _percent(by_system.loc["majority"]),
        "single": {"system": single["system"], "title": modality_title(single["system"]), **_percent(single)},
        "best": {"system": best["system"], **_percent(best)},
        "over_single": 100 * (final["wa"] - single["wa"]),
        "over_majority": 100 * (final["wa"] - by_system.loc["majority", "wa"]),
        "optimism": 100 * (best["wa"] - final["wa"]),
        "folds_ahead": int((gains > 0).sum()),
        "least_gain": gains.min(),
        "most_gain": gains.max(),
    }


def _percent(row):
    return {measure: 100 * row[measure] for measure in ("wa", "ua")}


def cautions(findings, folds, turns, class_of, left_out, fused, final_system, choices):
    """Sentences on how far the numbers can be trusted, each from the run's own files: [(short, long)]."""
    n, wa = findings["n"], findings["final"]["wa"] / 100
    margin = 196 * (wa * (1 - wa) / n) ** 0.5
    said = [
        (
            "Chance",
            f"One point of WA is {n / 100:.1f} turns. Were the turns independent, chance alone would move this WA by "
            f"±{margin:.1f} points (95 %); turns of one dialog and one speaker are alike, so the margin is wider. This "
            "report holds no significance test: take small differences as ties.",
        )
    ]
    shared = shared_speakers(folds)
    said.append(
        (
            "Speakers",
            f"In {shared} of {len(folds)} folds a test speaker is also in training or validation."
            if shared
            else "No speaker of a test part is in the training or validation part of the same fold.",
        )
    )
    labelled = turns[turns["label"].isin(class_of)]
    sessions = labelled.groupby("scenario")["session"].transform("nunique")
    said.append(
        (
            "Scripts",
            f"{100 * (sessions > 1).mean():.0f} % of the labelled turns belong to a scenario that another session "
            "plays too: a system that knows the scripts gains from that without hearing an emotion.",
        )
    )
    if final_system == "validation":
        choice = "Each fold chose its final system on its validation part; the test part had no say in it."
    elif final_system == "test":
        choice = "The final system is the one that did best on the test turns: its score is the best of many, and optimistic."
    else:
        choice = f"The final system, {final_system}, was named in the config before the run, not chosen from results."
    said.append(("Choice", choice))
    for made in choices:
        again = ", ".join(split_title(fold) for fold in made["tested_in"])
        said.append(
            (
                f"{made['title'].capitalize()} encoder",
                f"{made['encoder']} was chosen from {len(made['scores'])} by WA on the {made['on']} part of"
                f" {made['split']} (session {made['session']}). "
                + (f"Fold {again} tests those turns too, so its score is not free of this choice." if again else ""),
            )
        )
    if fused:
        said.append(
            (
                "In-sample vectors",
                "The fusion classifiers learn from vectors of turns on which the encoder itself was fine-tuned. Such "
                "vectors separate the classes better than those of unseen turns, so the classifiers train on too easy "
                "a task.",
            )
        )
    missing = {row["turn_id"] for row in left_out if row["class"]}
    if missing:
        turns_lack = "1 labelled turn lacks" if len(missing) == 1 else f"{len(missing)} labelled turns lack"
        said.append(
            ("Completeness", f"{turns_lack} a clip in some modality, so no system is scored there (listed below).")
        )
    return said


def read_choices(choices, stores, selection):
    """Which encoder was chosen for which modality, on what: dicts of title, encoder, on, split, session (text), scores
    ({encoder: mean WA in percent}) and tested_in (the folds that test the same session)."""
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
                "tested_in": [f"session{session}" for session in sessions],
            }
        )
    return made


def shared_speakers(folds):
    """Number of folds in which a speaker of the test part is also in another part."""
    return sum(
        bool(set(turns.loc[turns["part"] == "test", "speaker"]) & set(turns.loc[turns["part"] != "test", "speaker"]))
        for _, turns in folds.values()
    )


# Protocol


def read_folds(splits):
    """Fold -> (its validation rule, its turns as a DataFrame), in natural order."""
    found = {}
    for path in splits:
        facts = read_metadata(path)
        found[facts["split"]] = (facts["validation"], read_parquet(path).to_pandas())
    return {name: found[name] for name in fold_names(pd.DataFrame({"split": list(found)}))}


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


def protocol_card(protocol, folds, models, turns, class_of, scores, final_system, choices):
    """The run's settings as [(name, [lines])]."""
    refit = protocol.get("refit", False)
    fitted = ["train", "val"] if refit else ["train"]
    trained_on = sorted({t.loc[t["part"].isin(fitted), "session"].nunique() for _, t in folds.values()})
    labelled = turns[turns["label"].isin(class_of)]
    hours = (labelled["end_s"] - labelled["start_s"]).sum() / 3600
    rest = turns.loc[~turns["label"].isin(class_of), "label"].value_counts()
    rules = sorted({rule for rule, _ in folds.values()})
    how = [VALIDATION_TITLES.get(rule, f"whole dialogs of the training sessions ({rule})") for rule in rules]
    leaks = protocol.get("leaks", {})
    card = [
        ("Classes", [f"{class_title(name)}: {', '.join(labels)}" for name, labels in protocol["classes"].items()]),
        (
            "Turns",
            [
                f"{len(labelled):,} of {len(turns):,} turns are in these classes ({hours:.1f} h)",
                "not in a class: " + (", ".join(f"{label} {n:,}" for label, n in rest.items()) or "none"),
            ],
        ),
        ("Folds", [f"{len(folds)}: {', '.join(split_title(fold) for fold in folds)} (named by their test part)"]),
        ("Validation", [*how, *([REFIT_NOTE] if refit else [])]),
        (
            "Trained on",
            [
                f"{' or '.join(map(str, trained_on))} sessions a fold. Most published figures train on four"
                + (": compare with that in mind." if trained_on != [4] else ", as this run does.")
            ],
        ),
        ("Seeds", [", ".join(map(str, sorted(scores["seed"].unique())))]),
        ("Leaks", [f"{name}: {sentence}" for name, sentence in leaks.items()] or ["no choice is made on test turns"]),
    ]
    for (modality, encoder), group in models["encoders"].items():
        first = group[0]
        card.append(
            (
                f"{MODALITY_TITLES[modality].capitalize()} encoder",
                [f"{encoder}, {first['parameters']:,} parameters, {len(group)} trained", _settings(first["settings"])],
            )
        )
    trained = [c for c in CLASSIFIERS if c in set(scores["classifier"]) and c != "argmax"]
    combined = [c for c in COMBINATIONS if c in set(scores["combination"])]
    if combined:
        card.append(
            (
                "Fusion",
                [
                    "early (scaled vectors) and late (softmax outputs), "
                    f"by {', '.join(COMBINATIONS[c] for c in combined)}; "
                    f"decided by {', '.join(CLASSIFIERS[c] for c in trained)}",
                    "late sum and product also by the plain argmax",
                    "the classifiers learn from vectors of the encoders' own training turns (in-sample)",
                ],
            )
        )
    card += [
        (str(name).replace("_", " ").capitalize(), _lines(value))
        for name, value in protocol.items()
        if name not in ("classes", "refit", "choices", "leaks")
    ]
    on = {"none": "nothing: the last epoch is kept", "test": "the test part (WA)"}
    encoders = [
        f"{made['title']} encoder: the {made['on']} part of {made['split']} (WA): "
        + ", ".join(f"{name} {wa:.1f}" for name, wa in made["scores"].items())
        for made in choices
    ]
    final = {
        "validation": "the validation part of each fold (WA, ties by UA)",
        "test": "the test turns of all folds (WA)",
    }
    card.append(
        (
            "Chosen on",
            [
                f"epoch: {', '.join(on.get(rule, 'the validation part (WA)') for rule in rules)}",
                *(encoders or ["encoders: by config"]),
                f"final system: {final.get(final_system, 'by config')}",
                "scaling and classifiers: fitted on the training part alone",
            ],
        )
    )
    return card


def _lines(value):
    """A config value as lines of text: one a setting of a dict, else one."""
    if isinstance(value, dict):
        return [
            f"{name}: {_settings(setting) if isinstance(setting, dict) else _plain(setting)}"
            for name, setting in value.items()
        ]
    return [_plain(value)]


def _settings(settings):
    return ", ".join(
        f"{name} ({_settings(value)})" if isinstance(value, dict) else f"{name} {_plain(value)}"
        for name, value in settings.items()
    )


def _plain(value):
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def chosen_rows(path):
    """Which system each fold chose, with its validation and test scores in percent (None without validation)."""
    rows = []
    for row in read_tsv(path):
        numbers = {key: _number(row[key]) for key in ("val_wa", "val_ua", "test_wa", "test_ua")}
        rows.append(
            {"split": split_title(row["split"]), "seed": row["seed"], "system": row["system"]}
            | {key: None if value is None else 100 * value for key, value in numbers.items()}
        )
    return rows


def _number(text):
    try:
        value = float(text)
    except ValueError:
        return None
    return None if value != value else value


# Tables and figures


def figure_sections(folder, modalities, pca_split, watched):
    """The figures by section of the report, each with its title, caption and the SVG as a data URI."""
    sections = {"systems": [], "data": [], "training": [], "vectors": [], "final": []}
    # Loss beside accuracy, a modality a row; all other figures in the order of their numbers.
    names = [figures[m] for m in modalities for figures in (LOSS_FIGURES, ACCURACY_FIGURES)]
    names += [name for name in figure_names(modalities) if name not in names]
    place = {"systems": "systems", "figure01": "data", "figure11": "vectors", "figure12": "final"}
    place |= dict.fromkeys([*LOSS_FIGURES.values(), *ACCURACY_FIGURES.values()], "training")
    place |= dict.fromkeys(PCA_FIGURES.values(), "vectors")
    for name in names:
        image = base64.b64encode((Path(folder) / f"{name}.svg").read_bytes()).decode()
        sections[place[name]].append(
            {
                "name": name,
                "title": figure_title(name),
                "caption": figure_caption(name, pca_split, watched),
                "source": f"data:image/svg+xml;base64,{image}",
            }
        )
    return sections


# Data


def turns_left_out(stores, turns, class_of):
    """Turns of the corpus that have no clip in a modality: turn_id, class ('' without one), label, modality, reason."""
    labels = turns.set_index("turn_id")["label"]
    reasons = {}
    for store in stores:
        for turn, reason in json.loads(store["left_out"]).items():
            reasons[turn, store["modality"]] = reason
    return [
        {
            "turn_id": turn,
            "label": labels.get(turn, ""),
            "class": class_title(class_of.get(labels.get(turn), "")),
            "modality": MODALITY_TITLES[modality],
            "reason": reason,
        }
        for (turn, modality), reason in sorted(reasons.items())
    ]


def problem_kinds(problems):
    """The problems, gravest first, and the number of each kind: what stands before the colon of its sentence."""
    problems = sorted(problems, key=lambda row: (SEVERITIES.index(row["severity"]), row["subject"]))
    counts = Counter((row["severity"], row["problem"].split(":")[0], row["action"]) for row in problems)
    kinds = [{"severity": s, "problem": p, "action": a, "count": n} for (s, p, a), n in counts.most_common()]
    return {"rows": problems, "kinds": sorted(kinds, key=lambda row: SEVERITIES.index(row["severity"]))}


# Cost and versions


def steps(benchmarks, trainings):
    """By rule, from Snakemake's benchmark files: jobs, seconds in all, the longest job, peak memory in MB (or None).

    Models that are no longer in the run have left files behind; only those of `trainings` count.
    """
    trained = {"_".join(Path(path).parts[-5:-1]) for path in trainings}  # modality_encoder_split_seed0
    rules = {}
    for folder in map(Path, benchmarks):
        for path in sorted(folder.rglob("*.tsv")):
            place = path.relative_to(folder)
            if place.parts[0] in ("fine_tune", "embed") and path.stem not in trained:
                continue
            rule = rules.setdefault(place.parts[0] if len(place.parts) > 1 else place.stem, [])
            with open(path, encoding="utf-8", newline="") as file:
                rule += [
                    (_number(row["s"]) or 0.0, _number(row["max_rss"])) for row in csv.DictReader(file, delimiter="\t")
                ]
    rows = [
        {
            "rule": rule,
            "jobs": len(jobs),
            "total": sum(seconds for seconds, _ in jobs),
            "longest": max(seconds for seconds, _ in jobs),
            "memory": max((memory for _, memory in jobs if memory is not None), default=None),
        }
        for rule, jobs in rules.items()
        if jobs
    ]
    return sorted(rows, key=lambda row: -row["total"])


def read_models(trainings):
    """Every fine-tuned model: {'encoders': {(modality, encoder): [its training.json, ...]}, 'rows': all of them}."""
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
        row["chosen_on"] = PART_TITLES.get(row["chosen_on"], "–")
    return {"encoders": encoders, "rows": rows}


def versions(models):
    """[(what, version)]: what made the report (commit, Python, platform, packages) and what trained the models."""
    found = [("emofuse", __version__), ("commit", commit()), ("Python", sys.version.split()[0])]
    found.append(("platform", platform.platform()))
    for package in PACKAGES:
        try:
            found.append((package, installed.version(package)))
        except installed.PackageNotFoundError:
            continue  # a per-rule environment need not hold what other rules use
    trained = {f"{_settings(row['versions'])}, on {row['device']}" for row in models["rows"]}
    return [*found, *(("models trained with", text) for text in sorted(trained))]


def commit():
    """The git commit of the code, with a mark if files were changed since; 'unknown' outside a repository."""
    try:
        here = Path(__file__).resolve().parent
        command = [
            "git",
            "-C",
            str(here),
            "describe",
            "--always",
            "--dirty=, with local changes",
            "--exclude=*",
            "--abbrev=12",
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
