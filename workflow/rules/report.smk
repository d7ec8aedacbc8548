"""Show the results. In: evaluation, splits, embeddings, training records. Out: tables, figures, report.html and errors.html."""

from itertools import product

from emofuse.configuration import meaning, named
from emofuse.corpora.listing import RECIPES
from emofuse.report import outputs
from emofuse.runtime import kinds


def runs(pattern, splits=plan.splits, modalities=plan.modalities):
    """A path pattern of encoders, for each modality's encoder of the folds, each of `splits`, and every seed of the run."""
    return [
        path
        for modality in modalities
        for path in expand(pattern, modality=modality, encoder=encoder_of(modality), split=splits, seed=plan.seeds)
    ]


def left_by(modality, encoder):
    """Patterns of all that an encoder leaves behind, fine-tuned or with a probe."""
    stored = plan.encoders.sequences(modality, encoder)
    if plan.encoders.is_frozen(modality, encoder):
        embedding = rules.embed_frozen_sequences if stored else rules.embed_frozen
        return [*embedding.output, *rules.fit_probe.output]
    return [*rules.fine_tune.output, *(rules.embed_sequences if stored else rules.embed).output]


def models(modality, splits=plan.splits):
    """An input function: every file of the encoders that the results of some folds rest on, of one modality, and of its choice.

    A function each, so that the trainings of one modality do not wait until the encoder of another one is chosen.
    """

    def files(wildcards):
        behind = [other for split in splits for other in plan.splits_behind(split)]
        found = [runs(pattern, behind, [modality]) for pattern in left_by(modality, encoder_of(modality))]
        if modality in plan.choices:
            found += [
                expand(pattern, modality=modality, encoder=encoder, split=plan.selection, seed=plan.seeds)
                for encoder in plan.candidates[modality]
                for pattern in left_by(modality, encoder)
            ]
        return sorted({path for paths in found for path in paths})

    return files


def named_models(splits=plan.splits):
    """Every file of the encoders that systems name, and that the results of some folds rest on. They may be in no fusion."""
    found = set()
    for system, split, seed in product(plan.systems, splits, plan.seeds):
        if plan.systems[system]["encoders"]:
            for other in plan.splits_behind(split):
                found |= {*read_by(system, other, seed), *tuned_for(system, other, seed, rules.fine_tune.output)}
    return sorted(found)


def tables(folder, names):
    """The files of tables in a folder."""
    return [f"{folder}/{name}.{kind}" for name in names for kind in outputs.TABLE_FORMATS]


def comparisons(modalities):
    """The comparison of the encoders of each modality."""
    return [f"results/{plan.corpus}/{plan.run}/selection/{modality}.parquet" for modality in modalities]


def evaluation(protocol):
    """The files of a protocol's evaluation that figures and the paper's tables are made from."""
    return [path.format(protocol=protocol) for path in (*rules.evaluate.output, *rules.assess.output)]


def whole_evaluation(protocol):
    """All files of a protocol's evaluation: what is measured against the annotators' votes, too."""
    return [*evaluation(protocol), *(path.format(protocol=protocol) for path in rules.measure_ceiling.output)]


with mistakes_as_messages():
    TABLES_CODE = kinds.code(outputs.TABLES_FOLDER, outputs.table_files())


def shown_by(script, protocols):
    """Hashes of what shows some protocols: a script, the files of all tables, which it finds and does not import, and the
    protocols', which have the sentences on the card."""
    return fingerprint(script, *TABLES_CODE, *folds.code_of(protocols))


# Only where an encoder is chosen do the results rest on the comparison; without a choice it is made for the paper's tables
# alone, for it costs a training for each encoder that is not in the folds.
COMPARED = [m for m in plan.modalities if m in plan.choices]
FIGURES = [
    f"{name}.{kind}" for name in outputs.figure_names(plan.modalities, plan.trained) for kind in outputs.FIGURE_FORMATS
]
FACTS = {
    "classes": plan.classes,
    "class_set": meaning.class_set(config),
    "subset": config["subset"],
    "refit": plan.refit,
    "train_vectors": plan.train_vectors if plan.trained else "frozen",
    "frozen": plan.frozen,
    "trained": plan.trained,
    "seeds": plan.seeds,
    "choices": plan.choices,
    "leaks": {name: meaning.LEAKS[name] for name in meaning.leaks(config)},
    "final_system": config["final_system"],
    "classifiers": ordered(config["classifiers"]),
    "sessions": plan.sessions,
    **({"corpus": kinds.constants(RECIPES)[config["corpus"]["kind"]]["SENTENCE"]} if plan.listing else {}),
    "listed": plan.listing is not None,
    "clusters": "dialogs" if plan.listing is None or plan.listing.has_dialogs else "speakers",
    "systems": ordered(plan.systems),
    "offline": named.offline(config),
    "video_clips": {"speaker": "the speaker's half", "partner": "the partner's half", "full": "the whole picture"}[
        config["clips"]["crop"]
    ],
}
EVALUATIONS = {protocol: f"results/{plan.corpus}/{plan.run}/evaluation/{protocol}" for protocol in plan.protocols}
# The fold that figures 8 to 11 draw: of the first protocol, the first that tests a turn of that session, or its only one.
FIGURE_SPLIT = next(
    (s for s in plan.splits_of[plan.primary] if folds.parse_split(s).session == config["figure_fold"]),
    plan.splits_of[plan.primary][0],
)
# Numbers that are published of IEMOCAP say nothing about another corpus, nor about one that is made up.
COMPARABLE = plan.systems and plan.listing is None and not plan.generated
REFERENCES = [str(RESOURCES / "reference_numbers.tsv")] if COMPARABLE else []


rule make_tables:
    input:
        splits=lambda w: split_files(plan.splits_of[w.protocol]),
        evaluation=once_chosen(lambda w: whole_evaluation(w.protocol)),
        selection=comparisons(COMPARED),
        references=REFERENCES,
    output:
        tables(
            f"results/{plan.corpus}/{plan.run}/tables/{{protocol}}",
            outputs.table_names(plan.modalities, COMPARED, systems=plan.systems),
        ),
    log:
        "results/<corpus>/<run>/logs/make_tables/{protocol}.log",
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=lambda w: shown_by("make_tables", [w.get("protocol") or folds.parse_split(w.split).protocol]),
        evaluation=f"results/{plan.corpus}/{plan.run}/evaluation/{{protocol}}",
        folder=f"results/{plan.corpus}/{plan.run}/tables/{{protocol}}",
        modalities=plan.modalities,
        facts=FACTS,
    script:
        "../scripts/make_tables.py"


use rule make_tables as make_fold_tables with:
    input:
        splits=["results/<corpus>/<run>/splits/{split}.parquet"],
        evaluation=once_chosen(lambda w: [path.format(split=w.split) for path in rules.evaluate_fold.output]),
        selection=[],
        references=[],
    output:
        tables(
            f"results/{plan.corpus}/{plan.run}/folds/{{split}}/tables", outputs.table_names(plan.modalities, fold=True)
        ),
    log:
        "results/<corpus>/<run>/logs/make_fold_tables/{split}.log",
    params:
        evaluation=f"results/{plan.corpus}/{plan.run}/folds/{{split}}",
        folder=f"results/{plan.corpus}/{plan.run}/folds/{{split}}/tables",


rule make_protocols_table:
    input:
        splits=split_files(plan.splits),
        evaluations=once_chosen(lambda w: [path for protocol in plan.protocols for path in evaluation(protocol)]),
    output:
        tables(f"results/{plan.corpus}/{plan.run}/tables", [outputs.PROTOCOLS_TABLE]),
    log:
        "results/<corpus>/<run>/logs/make_protocols_table.log",
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=shown_by("make_protocols_table", plan.protocols),
        evaluations=EVALUATIONS,
        folder=f"results/{plan.corpus}/{plan.run}/tables",
        facts=FACTS,
    script:
        "../scripts/make_protocols_table.py"


for split in plan.splits:
    # `snakemake session3` runs that fold alone, down to its tables.

    rule:
        name:
            split
        input:
            once_chosen([f"results/<corpus>/<run>/folds/{split}/tables/headline.csv"]),
            comparisons(COMPARED),
            # Or Snakemake would not miss a deleted model as long as there are predictions.
            [models(modality, [split]) for modality in plan.modalities],
            named_models([split]),


rule make_figures:
    input:
        splits=split_files(plan.splits_of[plan.primary]),
        histories=lambda w: runs(
            f"{ENCODER}/history.parquet",
            plan.splits_of[plan.primary],
            [m for m in plan.modalities if not plan.encoders.is_frozen(m, encoder_of(m))],
        ),
        embeddings=lambda w: [
            EMBEDDING.format(modality=m, encoder=encoder_of(m), split=FIGURE_SPLIT, seed=plan.seeds[0])
            for m in plan.modalities
        ],
        evaluation=evaluation(plan.primary),
    output:
        [f"results/{plan.corpus}/{plan.run}/figures/{name}" for name in FIGURES],
    log:
        "results/<corpus>/<run>/logs/make_figures.log",
    benchmark:
        "results/<corpus>/<run>/benchmarks/make_figures/all.tsv"
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=4000,
        runtime=15,
    params:
        code=fingerprint("make_figures"),
        evaluation=EVALUATIONS[plan.primary],
        pca_split=FIGURE_SPLIT,
        folder=f"results/{plan.corpus}/{plan.run}/figures",
        modalities={modality: modality in plan.trained for modality in plan.modalities},
        classes=list(plan.classes),
    script:
        "../scripts/make_figures.py"


rule make_report:
    input:
        turns="results/<corpus>/turns.parquet",
        votes="results/<corpus>/votes.parquet",
        words=["results/<corpus>/words.parquet"] if "text" in plan.modalities else [],
        problems=["results/<corpus>/problems.tsv", *MOTION_PROBLEMS],
        encoders=rules.check_encoders.output,
        splits=split_files(plan.splits),
        embeddings=lambda w: runs(EMBEDDING, plan.splits_of[plan.primary]),
        trainings=lambda w: sorted(
            {
                *(
                    path
                    for modality in plan.modalities
                    for path in models(modality)(w)
                    if os.path.basename(path) == "training.json"
                ),
                *compared(f"{ENCODER}/training.json", COMPARED),
                *(path for path in named_models() if path.endswith("/training.json")),
            }
        ),
        selection=comparisons(COMPARED),
        evaluations=[path for protocol in plan.protocols for path in whole_evaluation(protocol)],
        predictions=predictions(plan.splits_of[plan.primary]),
        figures=[f"results/{plan.corpus}/{plan.run}/figures/{name}" for name in FIGURES],
        references=REFERENCES,
    output:
        # Shown by `snakemake --report` too; the other has words of the corpus, which are under its licence, so it is not.
        page=report("results/<corpus>/<run>/report.html", category="Report"),
        errors="results/<corpus>/<run>/errors.html",
    log:
        "results/<corpus>/<run>/logs/make_report.log",
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=shown_by("make_report", plan.protocols),
        corpus=plan.corpus,
        run=plan.run,
        notice=config["corpus"]["notice"],
        facts=FACTS | {"missing_files": config["corpus"]["on_missing"]},
        evaluations=EVALUATIONS,
        pca_split=FIGURE_SPLIT,
        figures=f"results/{plan.corpus}/{plan.run}/figures",
        clips={modality: plan.clips_root(modality) for modality in plan.modalities},
        benchmarks=[f"results/{plan.corpus}/benchmarks", f"results/{plan.corpus}/{plan.run}/benchmarks"],
    script:
        "../scripts/make_report.py"
