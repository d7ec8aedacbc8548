"""Score every system and choose the final one. In: predictions and splits. Out: evaluation/."""


rule evaluate:
    input:
        splits=expand("results/<corpus>/<run>/splits/{split}.parquet", split=SPLITS),
        predictions=expand(
            "results/<corpus>/<run>/predictions/{system}/{split}/seed{seed}.parquet",
            system=[name for classifier in CLASSIFIERS for name in systems_of(classifier)],
            split=SPLITS,
            seed=SEEDS,
        ),
    output:
        scores="results/<corpus>/<run>/evaluation/scores.parquet",
        per_class="results/<corpus>/<run>/evaluation/per_class.parquet",
        confusion="results/<corpus>/<run>/evaluation/confusion.parquet",
        chosen="results/<corpus>/<run>/evaluation/chosen.tsv",
        chosen_predictions="results/<corpus>/<run>/evaluation/chosen.parquet",
    log:
        "results/<corpus>/<run>/logs/evaluate.log",
    benchmark:
        "results/<corpus>/<run>/benchmarks/evaluate/all.tsv"
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        code=fingerprint("evaluate"),
        final_system=config["final_system"],
    script:
        "../scripts/evaluate.py"
