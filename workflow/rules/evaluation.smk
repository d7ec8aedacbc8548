"""Score every system, choose the final one, say how sure that is, and hold it against the annotators.

In: predictions, splits and votes. Out: evaluation/, folds/, made_with.yaml.
"""

from emofuse.configuration import meaning
from emofuse.configuration.record import code_of_results, made_with


def predictions(splits):
    """All prediction files of some splits."""
    return expand(PREDICTIONS, classifier=plan.predicted, split=splits, seed=plan.seeds)


def motion_read():
    """The sequences of motion that named systems read."""
    names = [entry["encoders"]["motion"] for entry in plan.systems.values() if "motion" in entry["encoders"]]
    return [f"results/<corpus>/<run>/sequences/motion/{name}/frozen.parquet" for name in dict.fromkeys(names)]


rule evaluate:
    input:
        splits=lambda w: split_files(plan.splits_of[w.protocol]),
        predictions=once_chosen(lambda w: predictions(plan.splits_of[w.protocol])),
    output:
        scores="results/<corpus>/<run>/evaluation/{protocol}/scores.parquet",
        per_class="results/<corpus>/<run>/evaluation/{protocol}/per_class.parquet",
        confusion="results/<corpus>/<run>/evaluation/{protocol}/confusion.parquet",
        chosen="results/<corpus>/<run>/evaluation/{protocol}/chosen.tsv",
        chosen_predictions="results/<corpus>/<run>/evaluation/{protocol}/chosen.parquet",
    log:
        "results/<corpus>/<run>/logs/evaluate/{protocol}.log",
    benchmark:
        "results/<corpus>/<run>/benchmarks/evaluate/{protocol}.tsv"
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
        predictions=once_chosen(lambda w: predictions([w.split])),
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


rule assess:
    input:
        splits=lambda w: split_files(plan.splits_of[w.protocol]),
        predictions=once_chosen(lambda w: predictions(plan.splits_of[w.protocol])),
        words="results/<corpus>/words.parquet" if "text" in plan.modalities else [],
        motion=motion_read()[:1],
    output:
        intervals="results/<corpus>/<run>/evaluation/{protocol}/intervals.parquet",
        comparisons="results/<corpus>/<run>/evaluation/{protocol}/comparisons.parquet",
        contexts="results/<corpus>/<run>/evaluation/{protocol}/contexts.parquet",
        groups="results/<corpus>/<run>/evaluation/{protocol}/groups.parquet",
        calibration="results/<corpus>/<run>/evaluation/{protocol}/calibration.parquet",
        reliability="results/<corpus>/<run>/evaluation/{protocol}/reliability.parquet",
    log:
        "results/<corpus>/<run>/logs/assess/{protocol}.log",
    benchmark:
        "results/<corpus>/<run>/benchmarks/assess/{protocol}.tsv"
    conda:
        "../../envs/emofuse.yaml"
    threads: config["classifier_threads"]
    resources:
        mem_mb=8000,
        runtime=30,
    params:
        code=fingerprint("assess"),
        final_system=config["final_system"],
        pairs=systems.context_pairs(plan.systems),
    script:
        "../scripts/assess.py"


rule measure_ceiling:
    input:
        splits=lambda w: split_files(plan.splits_of[w.protocol]),
        predictions=once_chosen(lambda w: predictions(plan.splits_of[w.protocol])),
        turns="results/<corpus>/turns.parquet",
        votes="results/<corpus>/votes.parquet",
    output:
        "results/<corpus>/<run>/evaluation/{protocol}/ceiling.parquet",
    log:
        "results/<corpus>/<run>/logs/measure_ceiling/{protocol}.log",
    benchmark:
        "results/<corpus>/<run>/benchmarks/measure_ceiling/{protocol}.tsv"
    conda:
        "../../envs/emofuse.yaml"
    threads: config["classifier_threads"]
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        code=fingerprint("measure_ceiling"),
        final_system=config["final_system"],
        classes=plan.classes,
    script:
        "../scripts/measure_ceiling.py"


# After the evaluation, so that it is of the config that the results were made with, also where that is changed later.
rule keep_record:
    input:
        scores=once_chosen(
            lambda w: [
                f"results/{plan.corpus}/{plan.run}/evaluation/{protocol}/scores.parquet" for protocol in plan.protocols
            ]
        ),
    output:
        "results/<corpus>/<run>/made_with.yaml",
    log:
        "results/<corpus>/<run>/logs/keep_record.log",
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=fingerprint("keep_record"),
        results_code={path: fingerprint(path)[0] for path in code_of_results(plan)},
        leaks={name: meaning.LEAKS[name] for name in meaning.leaks(config)},
        notice=config["corpus"]["notice"],
        config=made_with(config),
        protocols=plan.protocols,
    script:
        "../scripts/keep_record.py"
