"""Show the results. In: evaluation, splits, embeddings, training records. Out: tables, figures, report.html and paper/."""


def runs(pattern, splits=SPLITS, modalities=MODALITIES):
    """A path pattern of encoders, for each modality's encoder of the folds, each of `splits`, and every seed of the run."""
    return [
        path
        for modality in modalities
        for path in expand(pattern, modality=modality, encoder=encoder_of(modality), split=splits, seed=SEEDS)
    ]


def models(modality):
    """An input function: every file of the encoders that are trained for one modality of the folds, and of its choice.

    A function each, so that the trainings of one modality do not wait until the encoder of another one is chosen.
    """
    patterns = [*rules.fine_tune.output, *rules.embed.output]
    choice = [modality] if modality in CHOICES else []

    def files(wildcards):
        found = [[*runs(pattern, ALL_SPLITS, [modality]), *compared(pattern, choice)] for pattern in patterns]
        return sorted({path for paths in found for path in paths})

    return files


def tables(folder, names):
    """The files of tables in a folder."""
    return [f"{folder}/{name}.{kind}" for name in names for kind in outputs.TABLE_FORMATS]


def comparisons(modalities):
    """The comparison of the encoders of each modality."""
    return [f"results/{CORPUS}/{RUN}/selection/{modality}.parquet" for modality in modalities]


# Only where an encoder is chosen do the results rest on the comparison; without a choice it is made for the paper's tables
# alone, for it costs a training for each encoder that is not in the folds.
COMPARED = [m for m in MODALITIES if m in CHOICES]
TABLE_NAMES = outputs.table_names(MODALITIES, COMPARED)
PAPER_TABLES = [n for n in outputs.table_names(MODALITIES, MODALITIES if SELECTION else []) if n.startswith("table")]
FIGURES = [f"{name}.{kind}" for name in outputs.figure_names(MODALITIES) for kind in outputs.FIGURE_FORMATS]
PROTOCOL = {
    "classes": CLASSES,
    "refit": REFIT,
    "choices": CHOICES,
    "leaks": {name: configuration.LEAKS[name] for name in configuration.leaks(config)},
    "classifiers": ordered(config["classifiers"]),
    "video_clips": {"speaker": "the speaker's half", "partner": "the partner's half", "full": "the whole picture"}[
        config["clips"]["crop"]
    ],
    "missing_files": config["corpus"]["on_missing"],
}
FIGURE_SPLIT = f"session{config['figure_fold']}"


rule make_tables:
    input:
        scores=once_chosen(["results/<corpus>/<run>/evaluation/scores.parquet"]),
        per_class="results/<corpus>/<run>/evaluation/per_class.parquet",
        selection=comparisons(COMPARED),
    output:
        tables(f"results/{CORPUS}/{RUN}/tables", TABLE_NAMES),
    log:
        "results/<corpus>/<run>/logs/make_tables.log",
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=fingerprint("make_tables"),
        folder=f"results/{CORPUS}/{RUN}/tables",
        modalities=MODALITIES,
        classes=list(CLASSES),
        final_system=config["final_system"],
    script:
        "../scripts/make_tables.py"


use rule make_tables as make_fold_tables with:
    input:
        scores=once_chosen(["results/<corpus>/<run>/folds/{split}/scores.parquet"]),
        per_class="results/<corpus>/<run>/folds/{split}/per_class.parquet",
        selection=[],
    output:
        tables(f"results/{CORPUS}/{RUN}/folds/{{split}}/tables", outputs.table_names(MODALITIES)),
    log:
        "results/<corpus>/<run>/logs/make_fold_tables/{split}.log",
    params:
        folder=f"results/{CORPUS}/{RUN}/folds/{{split}}/tables",


for split in SPLITS:
    # `snakemake session3` runs that fold alone, down to its tables.

    rule:
        name:
            split
        input:
            once_chosen([f"results/<corpus>/<run>/folds/{split}/tables/headline.csv"]),
            comparisons(COMPARED),


rule make_figures:
    input:
        splits=expand("results/<corpus>/<run>/splits/{split}.parquet", split=SPLITS),
        histories=lambda w: runs(f"{ENCODER}/history.parquet"),
        embeddings=lambda w: [
            EMBEDDING.format(modality=m, encoder=encoder_of(m), split=FIGURE_SPLIT, seed=SEEDS[0]) for m in MODALITIES
        ],
        scores="results/<corpus>/<run>/evaluation/scores.parquet",
        confusion="results/<corpus>/<run>/evaluation/confusion.parquet",
    output:
        [f"results/{CORPUS}/{RUN}/figures/{name}" for name in FIGURES],
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
        pca_split=FIGURE_SPLIT,
        folder=f"results/{CORPUS}/{RUN}/figures",
        modalities=MODALITIES,
        classes=list(CLASSES),
    script:
        "../scripts/make_figures.py"


rule make_report:
    input:
        turns="results/<corpus>/turns.parquet",
        problems="results/<corpus>/problems.tsv",
        splits=expand("results/<corpus>/<run>/splits/{split}.parquet", split=SPLITS),
        embeddings=lambda w: runs(EMBEDDING),
        trainings=lambda w: sorted({*runs(f"{ENCODER}/training.json"), *compared(f"{ENCODER}/training.json", COMPARED)}),
        selection=comparisons(COMPARED),
        scores="results/<corpus>/<run>/evaluation/scores.parquet",
        per_class="results/<corpus>/<run>/evaluation/per_class.parquet",
        chosen="results/<corpus>/<run>/evaluation/chosen.tsv",
        figures=[f"results/{CORPUS}/{RUN}/figures/{name}" for name in FIGURES],
    output:
        "results/<corpus>/<run>/report.html",
    log:
        "results/<corpus>/<run>/logs/make_report.log",
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=fingerprint("make_report"),
        corpus=CORPUS,
        run=RUN,
        notice=config["corpus"]["notice"],
        protocol=PROTOCOL,
        final_system=config["final_system"],
        pca_split=FIGURE_SPLIT,
        figures=f"results/{CORPUS}/{RUN}/figures",
        benchmarks=[f"results/{CORPUS}/benchmarks", f"results/{CORPUS}/{RUN}/benchmarks"],
    script:
        "../scripts/make_report.py"


rule make_paper:
    input:
        scores=once_chosen(["results/<corpus>/<run>/evaluation/scores.parquet"]),
        per_class="results/<corpus>/<run>/evaluation/per_class.parquet",
        selection=comparisons(MODALITIES if SELECTION else []),
        numbers=str(RESOURCES / "paper_numbers.tsv"),
        figures=[f"results/{CORPUS}/{RUN}/figures/{name}" for name in FIGURES if name.startswith("figure")],
    output:
        tables(f"results/{CORPUS}/{RUN}/paper", PAPER_TABLES),
        [f"results/{CORPUS}/{RUN}/paper/{name}" for name in FIGURES if name.startswith("figure")],
        page="results/<corpus>/<run>/paper/index.html",
    log:
        "results/<corpus>/<run>/logs/make_paper.log",
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=fingerprint("make_paper"),
        corpus=CORPUS,
        run=RUN,
        notice=config["corpus"]["notice"],
        modalities=MODALITIES,
        classes=list(CLASSES),
        final_system=config["final_system"],
        pca_split=FIGURE_SPLIT,
        leaks=PROTOCOL["leaks"],
        settings={
            "sessions": SESSIONS,
            "classes": CLASSES,
            "clips.crop": config["clips"]["crop"],
            "selection": config["selection"] and ordered(config["selection"]),
            "validation.rule": config["validation"]["rule"],
            "validation.refit": REFIT,
            "fusion": {m: config["fusion"][m] for m in MODALITIES},
            "final_system": config["final_system"],
            "seeds": SEEDS,
        },
    script:
        "../scripts/make_paper.py"


rule paper:
    """Target: the paper's tables and figures, by number, with its known numbers beside ours."""
    input:
        once_chosen(["results/<corpus>/<run>/paper/index.html"]),
        comparisons(MODALITIES if SELECTION else []),
        [models(modality) for modality in MODALITIES],
