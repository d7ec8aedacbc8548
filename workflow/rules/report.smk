"""Show the results. In: evaluation, splits, embeddings, training records. Out: tables, figures and report.html."""


def runs(pattern, splits=SPLITS):
    """A path pattern of encoders, for every modality's encoder, each of `splits`, and every seed of the run."""
    return [
        path
        for modality, encoder in ((m, config["fusion"][m]) for m in MODALITIES)
        for path in expand(pattern, modality=modality, encoder=encoder, split=splits, seed=SEEDS)
    ]


ENCODER = f"results/{CORPUS}/{RUN}/encoders/{{modality}}/{{encoder}}/{{split}}/seed{{seed}}"
EMBEDDING = f"results/{CORPUS}/{RUN}/embeddings/{{modality}}/{{encoder}}/{{split}}/seed{{seed}}.parquet"
TABLES = [f"{name}.{kind}" for name in outputs.table_names(MODALITIES) for kind in outputs.TABLE_FORMATS]
FIGURES = [f"{name}.{kind}" for name in outputs.figure_names(MODALITIES) for kind in outputs.FIGURE_FORMATS]
PROTOCOL = {
    "classes": CLASSES,
    "refit": REFIT,
    "classifiers": ordered(config["classifiers"]),
    "video_clips": {"speaker": "the speaker's half", "partner": "the partner's half", "full": "the whole picture"}[
        config["clips"]["crop"]
    ],
    "missing_files": config["corpus"]["on_missing"],
}
FIGURE_SPLIT = f"session{config['figure_fold']}"


rule make_tables:
    input:
        scores="results/<corpus>/<run>/evaluation/scores.parquet",
        per_class="results/<corpus>/<run>/evaluation/per_class.parquet",
    output:
        [f"results/{CORPUS}/{RUN}/tables/{name}" for name in TABLES],
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


rule make_figures:
    input:
        splits=expand("results/<corpus>/<run>/splits/{split}.parquet", split=SPLITS),
        histories=runs(f"{ENCODER}/history.parquet"),
        embeddings=[
            EMBEDDING.format(modality=m, encoder=config["fusion"][m], split=FIGURE_SPLIT, seed=SEEDS[0])
            for m in MODALITIES
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
        embeddings=runs(EMBEDDING),
        trainings=runs(f"{ENCODER}/training.json"),
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
