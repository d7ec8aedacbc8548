"""Score every system and choose the final one. In: predictions and splits. Out: evaluation/, and folds/ for one alone."""

PREDICTIONS = [
    f"results/<corpus>/<run>/predictions/{name}/{{split}}/seed{{seed}}.parquet"
    for classifier in CLASSIFIERS
    for name in systems_of(classifier)
]


rule evaluate:
    input:
        splits=expand("results/<corpus>/<run>/splits/{split}.parquet", split=SPLITS),
        predictions=once_chosen(expand(PREDICTIONS, split=SPLITS, seed=SEEDS)),
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


use rule evaluate as evaluate_fold with:
    input:
        splits=["results/<corpus>/<run>/splits/{split}.parquet"],
        predictions=once_chosen(expand(PREDICTIONS, seed=SEEDS, allow_missing=True)),
    output:
        scores="results/<corpus>/<run>/folds/{split}/scores.parquet",
        per_class="results/<corpus>/<run>/folds/{split}/per_class.parquet",
        confusion="results/<corpus>/<run>/folds/{split}/confusion.parquet",
        chosen="results/<corpus>/<run>/folds/{split}/chosen.tsv",
        chosen_predictions="results/<corpus>/<run>/folds/{split}/chosen.parquet",
    log:
        "results/<corpus>/<run>/logs/evaluate_fold/{split}.log",
    benchmark:
        "results/<corpus>/<run>/folds/{split}/benchmark.tsv"
