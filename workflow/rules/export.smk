"""Keep the final system of one fold for use elsewhere, and predict clips of one's own with it. In: a finished run. Out: export/, predict/."""

from emofuse.prediction import sources as recordings


def exported_fold():
    """The fold whose models are exported: the config's, or the first one of the primary protocol."""
    fold = config["export"]["fold"] or plan.splits_of[plan.primary][0]
    if fold not in plan.splits:
        raise EmofuseError(f"export.fold: this run has no fold '{fold}'; it has {', '.join(plan.splits)}")
    return fold


with mistakes_as_messages():
    EXPORT_FOLD = exported_fold()
EXPORT_PROTOCOL = folds.parse_split(EXPORT_FOLD).protocol
EXPORT_SPLITS = [EXPORT_FOLD, *([f"{EXPORT_FOLD}-refit"] if plan.refit else [])]
EXPORT = f"results/{plan.corpus}/{plan.run}/export"
# Files that are found and not imported.
KEPT_CODE = [
    *kinds.code(systems.LEARNERS, config["classifiers"]),
    *kinds.code("prediction/classifiers", kinds.constants("prediction/classifiers")),
    *kinds.code(systems.COMBINED, kinds.constants(systems.COMBINED)),
]


def exported(pattern, splits=EXPORT_SPLITS):
    """An input function: a path pattern of encoders, for each of some splits and each modality, of the first seed."""
    return lambda wildcards: [
        pattern.format(modality=modality, encoder=encoder_of(modality), split=split, seed=plan.seeds[0])
        for split in splits
        for modality in plan.modalities
    ]


rule export:
    """Target: one folder that predicts without the corpus and the run."""
    input:
        splits=split_files(EXPORT_SPLITS),
        embeddings=exported(EMBEDDING),
        trainings=exported(f"{ENCODER}/training.json"),
        models=lambda w: [path for m in plan.modalities for path in models(m, [EXPORT_FOLD])(w)],
        pretrained=lambda w: [
            path
            for modality in plan.modalities
            if plan.encoders.is_frozen(modality, encoder_of(modality))
            for path in plan.encoders.files(modality, encoder_of(modality))
        ],
        predictions=once_chosen(expand(PREDICTIONS, classifier=plan.predicted, split=EXPORT_FOLD, seed=plan.seeds[0])),
        evaluation=once_chosen(
            [
                f"results/<corpus>/<run>/evaluation/{EXPORT_PROTOCOL}/chosen.tsv",
                f"results/<corpus>/<run>/evaluation/{EXPORT_PROTOCOL}/intervals.parquet",
            ]
        ),
        protocol=split_files(plan.splits_of[EXPORT_PROTOCOL]),
    output:
        "results/<corpus>/<run>/export/export.json",
        "results/<corpus>/<run>/export/model_card.md",
    log:
        "results/<corpus>/<run>/logs/export.log",
    benchmark:
        "results/<corpus>/<run>/benchmarks/export/all.tsv"
    conda:
        "../../envs/emofuse.yaml"
    threads: config["classifier_threads"]
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        code=fingerprint("export", *KEPT_CODE, *folds.code_of([EXPORT_PROTOCOL])),
        system=config["export"]["system"],
        licence=config["export"]["licence"],
        corpus=plan.corpus,
        run=plan.run,
        notice=config["corpus"]["notice"],
        seed=plan.seeds[0],
        modalities=plan.modalities,
        # Of all that may be chosen, for a param is asked for before a choice is made.
        pretrained={m: {n: plan.encoders.folder(m, n) for n in names} for m, names in sorted(plan.candidates.items())},
        early=sorted(config["early_fusion"]),
        train_vectors=plan.train_vectors,
        threads=config["classifier_threads"],
        crop=config["clips"]["crop"] if plan.listing is None else None,
        small=config["clips"]["small"],
        facts=FACTS,
        evaluation=f"results/{plan.corpus}/{plan.run}/evaluation/{EXPORT_PROTOCOL}",
        folder=EXPORT,
    script:
        "../scripts/export.py"


PREDICTED = config["predict"]["clips"]
PREDICT_NAME = config["predict"]["name"] or recordings.name_of(PREDICTED or "none")


def predicted_files(wildcards):
    """The files of the clips that are predicted."""
    with mistakes_as_messages():
        if not PREDICTED:
            raise EmofuseError(
                "predict.clips: it names no clips. Say which: snakemake predict --config 'predict={clips: PATH}' (a file, a"
                " folder, or a list as CSV or TSV)."
            )
        return recordings.files_behind([PREDICTED])


rule predict:
    """Target: what the exported system says of clips of one's own."""
    input:
        export=rules.export.output,
        clips=predicted_files,
    output:
        parquet=f"results/<corpus>/<run>/predict/{PREDICT_NAME}/predictions.parquet",
        csv=f"results/<corpus>/<run>/predict/{PREDICT_NAME}/predictions.csv",
        page=f"results/<corpus>/<run>/predict/{PREDICT_NAME}/predictions.html",
    log:
        f"results/<corpus>/<run>/logs/predict/{PREDICT_NAME}.log",
    conda:
        "../../envs/emofuse.yaml"
    threads: config["training"]["threads"]
    resources:
        mem_mb=16000,
        runtime=120,
        gpu=0 if config["training"]["device"] == "cpu" else 1,
        device=config["training"]["device"],
        jobs_per_gpu=config["training"]["jobs_per_gpu"],
    params:
        code=fingerprint(
            "predict_clips",
            *KEPT_CODE,
            *plan.encoders.code(*((m, n) for m in plan.modalities for n in plan.candidates[m])),
        ),
        clips=PREDICTED,
        window=config["predict"]["window"],
        asr=config["predict"]["asr"],
        threads=config["training"]["threads"],
        folder=EXPORT,
    script:
        "../scripts/predict_clips.py"
