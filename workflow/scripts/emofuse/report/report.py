"""Renders a run as one HTML file that needs no network: what it found, how, on what, and how far to trust it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from emofuse.evaluation.errors import find_errors
from emofuse.report.building import build_tables
from emofuse.report.card import by_protocol, read_folds, run_card
from emofuse.report.confusion import confusion_cells
from emofuse.report.errors import ERRORS_PAGE, write_errors
from emofuse.report.outputs import (
    MODALITY_TITLES,
    PAPER_TABLES,
    class_title,
    compares_scenes,
    protocol_title,
    table_title,
)
from emofuse.report.pages import page_table, write_page
from emofuse.report.protocols import protocols_table
from emofuse.report.sections.cautions import cautions
from emofuse.report.sections.cost import steps, versions
from emofuse.report.sections.data import problem_kinds, turns_left_out
from emofuse.report.sections.drawings import figure_sections
from emofuse.report.sections.findings import chosen_rows, find, what_annotators_say, which_hold
from emofuse.report.sections.setup import parts_table, read_choices, read_models, setup
from emofuse.report.sections.short import short
from emofuse.report.sources import Sources, read_test
from emofuse.runtime.store import read_metadata, read_parquet, read_tsv


@dataclass(frozen=True)
class Corpus:
    """Paths of the corpus' turns.parquet and votes.parquet, of words.parquet (None where the run has no text), and of the lists
    of what is wrong with it, problems.tsv and others. clips: {modality: folder of its clips}."""

    turns: str | Path
    votes: str | Path
    words: str | Path | None
    problems: Sequence[str | Path]
    clips: dict


@dataclass(frozen=True)
class Results:
    """evaluations: {protocol: its folder evaluation/<protocol>}; the first is reported in full. predictions: paths of all
    prediction files of the first."""

    evaluations: dict
    predictions: Sequence[str | Path]


@dataclass(frozen=True)
class Encoders:
    """Paths of what the run's encoders left: the embedding files of the folds (their metadata alone is read); every
    training.json, those of the selection among them; selection/<modality>.parquet, none where encoders were not compared.
    """

    embeddings: Sequence[str | Path]
    trainings: Sequence[str | Path]
    selection: Sequence[str | Path]


@dataclass(frozen=True)
class Figures:
    """The folder of the drawn figures, and the fold that figures 8 to 11 draw."""

    folder: str | Path
    pca_split: str


def make_report(run, corpus, splits, encoders, results, figures, benchmarks, output):
    """Write the report to `output` (one .html file; figures, style and script inside, nothing loaded from anywhere), and beside
    it errors.html, which plays the corpus' clips and is not to be passed on with it.

    run: a `run.Run`. splits: paths of the split files of all protocols. benchmarks: folders of Snakemake's benchmark files,
    `<folder>/<rule>/**/*.tsv` or `<folder>/<rule>.tsv`.
    """
    evaluations, facts = results.evaluations, run.facts
    primary = next(iter(evaluations))
    stores = [read_metadata(path) for path in encoders.embeddings]
    modalities = [m for m in MODALITY_TITLES if m in {store["modality"] for store in stores}]
    sources = {
        protocol: Sources(
            folder, modalities, run.classes, facts["final_system"], encoders.selection, facts["systems"], run.references
        )
        for protocol, folder in evaluations.items()
    }
    folds = {protocol: read_folds(paths) for protocol, paths in by_protocol(splits).items()}
    turns = read_parquet(
        corpus.turns, ["turn_id", "session", "speaker", "scenario", "label", "start_s", "end_s"]
    ).to_pandas()
    left_out = turns_left_out(stores, turns, run.class_of)
    models = read_models(encoders.trainings)
    choices = read_choices(facts["choices"], stores, encoders.selection, folds[primary])
    findings = find(sources[primary])
    watched = "test" if any(rule == "test" for rule, _ in folds[primary].values()) else "validation"
    first, *further = (_results(protocol, of) for protocol, of in sources.items())
    scene, annotators = compares_scenes(evaluations), what_annotators_say(sources[primary].ceiling)
    errors = find_errors(results.predictions, Path(evaluations[primary]) / "chosen.tsv", run.classes)
    cells = confusion_cells(read_test(evaluations[primary], "confusion"), run.classes, errors)
    distrust = cautions(run, findings, sources, folds[primary], turns, choices)
    of = protocol_title(primary) if further else ""
    write_errors(Path(output).with_name(ERRORS_PAGE), run, errors, corpus, findings["seeds"], of)
    write_page(
        output,
        "report.html.j2",
        run,
        today=date.today().isoformat(),
        card=run_card(facts, splits),
        findings=findings,
        short=short(findings, distrust, annotators, left_out, cells, scene, facts["clusters"]),
        cautions=distrust,
        confusion=cells,
        errors=ERRORS_PAGE,
        annotators=annotators,
        first=first,
        side_by_side=page_table(protocols_table(evaluations)) if further else None,
        further=further,
        scene=scene,
        paper_tables=PAPER_TABLES,
        sections=figure_sections(figures.folder, modalities, facts["trained"], figures.pca_split, watched),
        setup=setup(models, turns, run, sources[primary], choices),
        parts={protocol_title(name): parts_table(of_protocol, run.classes) for name, of_protocol in folds.items()},
        classes=[class_title(name) for name in run.classes],
        left_out=left_out,
        problems=problem_kinds([row for path in corpus.problems for row in read_tsv(path)]),
        steps=steps(benchmarks, encoders.trainings),
        models=models,
        versions=versions(models),
    )


def _results(protocol, sources):
    """What the report shows of each protocol: its tables by name, the differences that hold, the choices of its folds."""
    return {
        "name": protocol,
        "title": protocol_title(protocol),
        "folder": f"tables/{protocol}",
        "tables": {
            name: {**page_table(table), "name": name, "title": f"{table_title(name)}."}
            for name, table in build_tables(sources).items()
        },
        "holds": which_hold(sources.comparisons),
        "chosen": chosen_rows(sources.chosen),
    }
