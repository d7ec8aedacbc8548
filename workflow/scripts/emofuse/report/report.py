"""Renders a run as one HTML file that needs no network: protocol card, results, figures, data problems, cost, versions."""

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

from emofuse import __version__
from emofuse.fusion.systems import ON_VALIDATION
from emofuse.report.card import by_protocol, read_folds, run_card, settings_text
from emofuse.report.outputs import (
    ACCURACY_FIGURES,
    LOSS_FIGURES,
    MODALITY_TITLES,
    PCA_FIGURES,
    TABLE_FORMATS,
    class_title,
    figure_caption,
    figure_names,
    figure_title,
    protocol_title,
    split_title,
    table_title,
)
from emofuse.report.pages import environment, page_table
from emofuse.report.tables import (
    CLASSIFIERS,
    COMBINATIONS,
    build_tables,
    modality_title,
    protocols,
    ranked,
    read_frame,
    read_test,
)
from emofuse.runtime.store import read_json, read_metadata, read_parquet, read_tsv, whole
from emofuse.splits.parts import CHOICE_PARTS, PARTS

PACKAGES = (
    *("snakemake", "torch", "transformers", "torchaudio", "accelerate", "av", "scikit-learn", "xgboost", "statsmodels"),
    *("numpy", "scipy", "pandas", "pyarrow", "matplotlib", "jinja2"),
)
PART_TITLES = {"train": "training", "val": "validation", "test": "test", "held": "held out"}
SEVERITIES = ("error", "warning", "info")


def make_report(
    corpus,
    run,
    notice,
    facts,
    turns,
    splits,
    embeddings,
    trainings,
    selection,
    evaluations,
    problems,
    figures,
    pca_split,
    benchmarks,
    output,
):
    """Write the report to `output` (one .html file; figures and style inside, nothing loaded from anywhere).

    corpus, run: their names. notice: a warning shown above everything, or ''. facts: what the config says and the files do
    not, as for `card.protocol_card`. turns, problems: paths of the corpus' turns.parquet and problems.tsv. splits: paths of
    the split files of all protocols. evaluations: {protocol: its folder evaluation/<protocol>}; the first is reported in
    full. embeddings: paths of the embedding files of the folds (their metadata alone is read). trainings: paths of all
    training.json, those of the selection among them. selection: paths of selection/<modality>.parquet, none where encoders
    were not compared. figures: the folder of the figures. pca_split: the fold that figures 8 to 11 draw. benchmarks: folders
    of Snakemake's benchmark files, `<folder>/<rule>/**/*.tsv` or `<folder>/<rule>.tsv`.
    """
    primary, *further = evaluations
    classes = list(facts["classes"])
    stores = [read_metadata(path) for path in embeddings]
    modalities = [m for m in MODALITY_TITLES if m in {store["modality"] for store in stores}]
    tests = read_test(Path(evaluations[primary]) / "scores.parquet")
    folds = {protocol: read_folds(paths) for protocol, paths in by_protocol(splits).items()}
    corpus_turns = read_parquet(turns, ["turn_id", "session", "scenario", "label", "start_s", "end_s"]).to_pandas()
    class_of = {label: name for name, labels in facts["classes"].items() for label in labels}
    left_out = turns_left_out(stores, corpus_turns, class_of)
    models = read_models(trainings)
    tables = {
        protocol: {
            name: {**page_table(table), "name": name, "title": f"{table_title(name)}."}
            for name, table in build_tables(folder, modalities, classes, facts["final_system"], selection).items()
        }
        for protocol, folder in evaluations.items()
    }
    findings = find(tests, evaluations[primary])
    choices = read_choices(facts["choices"], stores, selection, folds[primary])
    watched = "test" if any(rule == "test" for rule, _ in folds[primary].values()) else "validation"
    page = environment().get_template("report.html.j2")
    html = page.render(
        corpus=corpus,
        run=run,
        notice=notice,
        leaks=facts["leaks"],
        today=date.today().isoformat(),
        primary=protocol_title(primary),
        card=run_card(facts, splits),
        findings=findings,
        gave=what_fusion_gave(findings),
        cautions=cautions(findings, evaluations, folds[primary], corpus_turns, class_of, left_out, facts, choices),
        tables=tables[primary],
        table_formats=TABLE_FORMATS,
        folder=f"tables/{primary}",
        chosen=chosen_rows(Path(evaluations[primary]) / "chosen.tsv"),
        holds=which_hold(evaluations[primary]),
        side_by_side=page_table(protocols(evaluations)) if further else None,
        further=[
            {
                "name": protocol,
                "title": protocol_title(protocol),
                "tables": tables[protocol],
                "holds": which_hold(evaluations[protocol]),
                "chosen": chosen_rows(Path(evaluations[protocol]) / "chosen.tsv"),
            }
            for protocol in further
        ],
        sections=figure_sections(figures, modalities, pca_split, watched),
        setup=setup(models, corpus_turns, class_of, tests, choices),
        parts={protocol_title(protocol): parts_table(of_protocol, classes) for protocol, of_protocol in folds.items()},
        classes=[class_title(name) for name in classes],
        left_out=left_out,
        problems=problem_kinds(read_tsv(problems)),
        steps=steps(benchmarks, trainings),
        models=models,
        versions=versions(models),
    )
    with whole(output) as partial:
        partial.write_text(html, encoding="utf-8")


# What the run shows


def find(scores, evaluation):
    """What beats what, by how much: pooled test scores in percent and differences in points of WA.

    scores: the test rows of scores.parquet; evaluation: the folder of the protocol.
    """
    order = ranked(scores)
    by_system = order.set_index("system")
    final = by_system.loc["chosen"]
    best = order[~order["kind"].isin(["baseline", "chosen"])].iloc[0]
    sure = (
        read_frame(evaluation, "intervals").set_index(["system", "measure"]).loc["chosen"].drop(columns="kind").mul(100)
    )
    return {
        "n": int(scores.loc[(scores["split"] == "pooled") & (scores["system"] == "chosen"), "n"].max()),
        "folds": scores.loc[scores["split"] != "pooled", "split"].nunique(),
        "seeds": scores["seed"].nunique(),
        "final": _percent(final) | {"interval": sure.loc["wa"].to_dict()},
        "majority": _percent(by_system.loc["majority"]),
        "scenario": _percent(by_system.loc["scenario"]),
        "single": find_single(order, final, evaluation),
        "best": {"system": best["system"], **_percent(best)},
        "fused": bool(order["kind"].isin(["early", "late"]).any()),
        "over_majority": 100 * (final["wa"] - by_system.loc["majority", "wa"]),
        "optimism": 100 * (best["wa"] - final["wa"]),
    }


def find_single(order, final, evaluation):
    """The single modality that the final system is compared with: title, wa, ua, over (points that the final system has
    more), low, high (its 95 % interval), folds_ahead (of the final system), same (whether it is the final one everywhere).

    It is the one that each fold would choose on validation; without a validation part the best one on test.
    """
    chosen = read_tsv(Path(evaluation) / "chosen.tsv")
    differences = read_frame(evaluation, "comparisons").set_index(["second", "measure"])
    names = Counter(row["single"] for row in chosen if row["single"])
    if names:
        second = "chosen-single"
        titles = [f"{modality_title(name)}" + (f" in {n} of {len(chosen)}" if len(names) > 1 else "")
                  for name, n in names.most_common()]  # fmt: skip
        single = {
            score: 100 * (final[score] - differences.loc[(second, score), "difference"]) for score in ("wa", "ua")
        }
        ahead = sum(float(row["test_wa"]) > float(row["single_wa"]) for row in chosen)
    else:
        best = order[order["kind"] == "single"].iloc[0]
        second, titles, single, ahead = best["system"], [modality_title(best["system"])], _percent(best), None
    row = differences.loc[(second, "wa")]
    return {
        "title": _and(titles),
        **single,
        "on_validation": bool(names),
        "over": 100 * row["difference"],
        "low": 100 * row["low"],
        "high": 100 * row["high"],
        "folds_ahead": ahead,
        "same": all(row["system"] == row["single"] for row in chosen),
    }


def what_fusion_gave(findings):
    """A sentence on the final system beside the best single modality, which says plainly where fusion gave nothing."""
    single = findings["single"]
    than = (
        f"the best single modality as chosen on validation ({single['title']})"
        if single["on_validation"]
        else f"the single modality that does best on the test turns ({single['title']})"
    )
    if not findings["fused"]:
        return "This run has one modality: nothing is fused."
    if single["same"]:
        return f"Fusion gave nothing: in every fold the final system is {than}."
    points = f"{single['over']:+.1f} points of WA (95 % interval {single['low']:+.1f} to {single['high']:+.1f})"
    ahead = (
        f"; by fold and seed it is ahead in {single['folds_ahead']} of {findings['folds'] * findings['seeds']}"
        if single["on_validation"]
        else ""
    )
    if single["low"] > 0:
        return f"The final system gains {points.removeprefix('+')} over {than}{ahead}."
    if single["high"] < 0:
        return f"Fusion did harm: the final system has {points} beside {than}{ahead}."
    return f"Fusion gave nothing that these turns can show: the final system has {points} beside {than}{ahead}."


def _percent(row):
    return {measure: 100 * row[measure] for measure in ("wa", "ua")}


def which_hold(evaluation):
    """Which differences of the final system hold, a sentence for each of WA and UA."""
    sentences = []
    for measure, rows in read_frame(evaluation, "comparisons").groupby("measure", sort=False):
        above, below = (
            rows.loc[rows["holds"] & sign, "second"] for sign in (rows["difference"] > 0, rows["difference"] <= 0)
        )
        rest = rows.loc[~rows["holds"], "second"]
        said = [
            f"the final system is {where} {_and(names)}"
            for where, names in (("above", above), ("below", below))
            if len(names)
        ]
        none = f"none holds against {_and(rest)}: these turns do not tell the two apart" if len(rest) else ""
        held = f"{len(above) + len(below)} of {len(rows)} differences hold"
        sentences.append(f"In {measure.upper()}, {held}: {'; '.join(filter(None, [*said, none]))}.")
    return sentences


def _and(names):
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def cautions(findings, evaluations, folds, turns, class_of, left_out, facts, choices):
    """Sentences on how far the numbers of the first protocol can be trusted, each from the run's own files: [(short, long)]."""
    evaluation = next(iter(evaluations.values()))
    sure, final_system = findings["final"]["interval"], facts["final_system"]
    said = [
        (
            "Chance",
            f"The 95 % interval of the final system's WA is {sure['low']:.1f} to {sure['high']:.1f}: how it would "
            "vary with other dialogs of these speakers, scored by these trained models"
            + (
                f". Taken from the folds instead, as if they were independent, it is {sure['fold_low']:.1f} to "
                f"{sure['fold_high']:.1f}"
                if findings["folds"] > 1
                else ""
            )
            + (
                f". Over the seeds its standard deviation is {sure['seed_sd']:.1f} points."
                if findings["seeds"] > 1
                else "."
            ),
        )
    ]
    groups = read_frame(evaluation, "groups")
    final = groups[groups["system"] == "chosen"].assign(wa=lambda frame: 100 * frame["wa"])
    speakers = final[final["grouping"] == "speaker"]
    shared = shared_speakers(folds)
    said.append(
        (
            "Speakers",
            (
                f"In {shared} of {len(folds)} folds a test speaker is also in training or validation. "
                if shared
                else "No speaker of a test part is in the training or validation part of the same fold. "
            )
            + f"WA of the final system by speaker: {speakers['wa'].min():.1f} to {speakers['wa'].max():.1f}; of "
            f"{len(speakers)} speakers, no interval here says how it would do on another one.",
        )
    )
    labelled = turns[turns["label"].isin(class_of)]
    sessions = labelled.groupby("scenario")["session"].transform("nunique")
    known = (
        f"{100 * (sessions > 1).mean():.0f} % of the labelled turns belong to a scenario that another session plays "
        f"too. The scenario alone, without any clip, gives {findings['scenario']['wa']:.1f} % WA"
    )
    if {"scenario", "scenario_control"} <= set(evaluations):
        unknown, control = (
            100 * ranked(read_test(Path(evaluations[name]) / "scores.parquet")).set_index("system").loc["chosen", "wa"]
            for name in ("scenario", "scenario_control")
        )
        known += f"; the final system has {unknown:.1f} % where the play is new, and {control:.1f} % where it is not"
    said.append(("Scripts", f"{known}."))
    words = final[final["grouping"] == "words"].set_index("group")["wa"]
    if {"seen", "unseen"} <= set(words.index):
        said.append(
            (
                "Words",
                f"WA of the final system is {words['seen']:.1f} % on turns whose words are also those of a training "
                f"turn, {words['unseen']:.1f} % on the others.",
            )
        )
    if final_system in ON_VALIDATION:
        choice = "Each fold chose its final system on its validation part; the test part had no say in it."
        if final_system == "validation_wa":
            choice += (
                " It took the fusion with the best WA there, the best of many: its score on validation is optimistic, and it"
                " may be worse on other turns than a single modality (final_system: validation is careful about that)."
            )
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
                + (
                    f"Those turns are also tested in {again}, so its score is not free of this choice." if again else ""
                ),
            )
        )
    if facts["train_vectors"] == "in_sample" and findings["fused"]:
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


def shared_speakers(folds):
    """Number of folds in which a speaker of the test part is also in another part."""
    return sum(
        bool(set(turns.loc[turns["part"] == "test", "speaker"]) & set(turns.loc[turns["part"] != "test", "speaker"]))
        for _, turns in folds.values()
    )


# Folds and encoders


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


def setup(models, turns, class_of, scores, choices):
    """What the numbers were made from and with, [(name, [lines])]: turns, encoders, ways of fusing."""
    labelled = turns[turns["label"].isin(class_of)]
    hours = (labelled["end_s"] - labelled["start_s"]).sum() / 3600
    rest = turns.loc[~turns["label"].isin(class_of), "label"].value_counts()
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
        text = [
            f"{encoder}, {first['parameters']:,} parameters, {len(group)} trained in {precision}; embedded in fp32",
            settings_text(first["settings"]),
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
    trained = [c for c in CLASSIFIERS if c in set(scores["classifier"]) and c != "argmax"]
    combined = [c for c in COMBINATIONS if c in set(scores["combination"])]
    if combined:
        fusion = [
            f"early (scaled vectors) and late (softmax outputs), by {', '.join(COMBINATIONS[c] for c in combined)}; "
            f"decided by {', '.join(CLASSIFIERS[c] for c in trained)}",
            "late sum and product also by the plain argmax",
        ]
        lines.append(("Fusion", fusion))
    return lines


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
    sections = {name: [] for name in ("systems", "intervals", "data", "training", "vectors", "final", "reliability")}
    # Loss beside accuracy, a modality a row; all other figures in the order of their numbers.
    names = [figures[m] for m in modalities for figures in (LOSS_FIGURES, ACCURACY_FIGURES)]
    names += [name for name in figure_names(modalities) if name not in names]
    place = {"figure01": "data", "figure11": "vectors", "figure12": "final"}
    place |= {name: name for name in ("systems", "intervals", "reliability")}
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
    trained = {f"{settings_text(row['versions'])}, on {row['device']}" for row in models["rows"]}
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
