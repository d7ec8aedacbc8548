"""Classify: one job a classifier, fold and seed. In: the modalities' embeddings. Out: predictions of each of its systems."""


def embeddings(wildcards, refit=""):
    """The embedding store of each modality for one split and seed."""
    return [
        EMBEDDING.format(
            modality=modality,
            encoder=encoder_of(modality),
            split=f"{wildcards.split}{refit}",
            seed=wildcards.seed,
        )
        for modality in MODALITIES
    ]


for classifier in CLASSIFIERS:
    # One rule a classifier, because each makes other systems and Snakemake wants outputs by name.

    rule:
        name:
            f"classify_{classifier}"
        input:
            split="results/<corpus>/<run>/splits/{split}.parquet",
            embeddings=embeddings,
            refit_split="results/<corpus>/<run>/splits/{split}-refit.parquet" if REFIT else [],
            refit_embeddings=lambda w: embeddings(w, "-refit") if REFIT else [],
        output:
            [
                f"results/<corpus>/<run>/predictions/{name}/{{split}}/seed{{seed}}.parquet"
                for name in systems_of(classifier)
            ],
        log:
            f"results/<corpus>/<run>/logs/classify/{classifier}/{{split}}/seed{{seed}}.log",
        benchmark:
            f"results/<corpus>/<run>/benchmarks/classify/{classifier}_{{split}}_seed{{seed}}.tsv"
        conda:
            "../../envs/emofuse.yaml"
        threads: config["classifier_threads"]
        resources:
            mem_mb=4000,
            runtime=60,
        params:
            code=fingerprint("classify"),
            classifier=classifier,
            systems=systems_of(classifier),
            labels=LABELS,
            settings=ordered(config["classifiers"].get(classifier, {})),
            threads=config["classifier_threads"],
        script:
            "../scripts/classify.py"
