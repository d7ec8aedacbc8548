"""Ask a finished run about its test part under noise and other degradations. In: clips, encoders, predictions. Out: robustness.html.

Nothing is trained, chosen or calibrated again. `snakemake robustness` makes it; the default target does not.
"""

from emofuse.configuration import robustness as trying

DEGRADED = (
    f"results/{plan.corpus}/{plan.run}/robustness/vectors/{{modality}}/{{encoder}}/{{split}}/seed{{seed}}.parquet"
)

with mistakes_as_messages():
    TRIED_SPLITS = trying.splits(config, plan.splits_of[plan.primary])
    SEVERITIES, UNTRIED = trying.severities(config, plan.modalities)


def speaking(split):
    """The split whose encoders speak of the test turns of a fold."""
    return f"{split}-refit" if plan.refit else split


def listens(modality):
    """Whether words that are recognised are read for a modality, from the clips of sound."""
    return any(kinds.constants(trying.DEGRADATIONS)[name].get("LISTENS") for name in SEVERITIES.get(modality, ()))


def degraded(wildcards):
    """What the encoders of a fold make of degraded test turns."""
    return [
        DEGRADED.format(modality=m, encoder=encoder_of(m), split=speaking(wildcards.split), seed=plan.seeds[0])
        for m in SEVERITIES
    ]


def of_fold(pattern):
    """An input function: a path pattern of the encoders of a fold and of its refit, of the first seed."""
    return lambda w: [
        pattern.format(modality=m, encoder=encoder_of(m), split=split, seed=plan.seeds[0])
        for split in dict.fromkeys([w.split, speaking(w.split)])
        for m in plan.modalities
    ]


rule degrade:
    input:
        turns="results/<corpus>/turns.parquet",
        split="results/<corpus>/<run>/splits/{split}.parquet",
        manifests=lambda w: plan.manifests(w.modality, plan.read_root(w.modality)),
        sound=lambda w: plan.manifests("audio", plan.read_root("audio")) if listens(w.modality) else [],
        store=EMBEDDING,
        training=f"{ENCODER}/training.json",
        encoder=lambda w: (
            [f"{ENCODER}/head.safetensors", *encoder_files(w)]
            if plan.encoders.is_frozen(w.modality, w.encoder)
            else rules.fine_tune.output
        ),
    output:
        DEGRADED,
    log:
        "results/<corpus>/<run>/logs/degrade/{modality}/{encoder}/{split}/seed{seed}.log",
    benchmark:
        "results/<corpus>/<run>/benchmarks/degrade/{modality}_{encoder}_{split}_seed{seed}.tsv"
    conda:
        "../../envs/emofuse.yaml"
    threads: reading_threads()
    resources:
        mem_mb=16000,
        runtime=240,
        gpu=lambda w: int(config["training"]["device"] != "cpu" and plan.encoders.is_network(w.modality, w.encoder)),
        device=config["training"]["device"],
        loader_workers=config["training"]["loader_workers"],
        jobs_per_gpu=config["training"]["jobs_per_gpu"],
    params:
        code=lambda w: fingerprint(
            "degrade",
            *plan.encoders.code((w.modality, w.encoder)),
            *kinds.code(trying.DEGRADATIONS, SEVERITIES[w.modality]),
        ),
        severities=lambda w: SEVERITIES[w.modality],
        seed=config["robustness"]["seed"],
        asr=lambda w: config["predict"]["asr"] if listens(w.modality) else None,
        pretrained=lambda w: (
            plan.encoders.folder(w.modality, w.encoder) if plan.encoders.is_frozen(w.modality, w.encoder) else None
        ),
        clips=lambda w: {m: plan.read_root(m) for m in [w.modality, *(["audio"] if listens(w.modality) else [])]},
        small=lambda w: config["clips"]["small"] if w.modality == "video" else None,
        threads=config["training"]["threads"],
    script:
        "../scripts/degrade.py"


rule answer_degraded:
    input:
        splits=lambda w: split_files(dict.fromkeys([w.split, speaking(w.split)])),
        embeddings=of_fold(EMBEDDING),
        trainings=of_fold(f"{ENCODER}/training.json"),
        predictions=once_chosen(
            lambda w: expand(PREDICTIONS, classifier=plan.predicted, split=w.split, seed=plan.seeds[0])
        ),
        chosen=once_chosen([f"results/{plan.corpus}/{plan.run}/evaluation/{plan.primary}/chosen.tsv"]),
        degraded=degraded,
    output:
        "results/<corpus>/<run>/robustness/answers/{split}.parquet",
    log:
        "results/<corpus>/<run>/logs/answer_degraded/{split}.log",
    benchmark:
        "results/<corpus>/<run>/benchmarks/answer_degraded/{split}.tsv"
    conda:
        "../../envs/emofuse.yaml"
    threads: config["classifier_threads"]
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        code=fingerprint("answer_degraded", *KEPT_CODE),
        modalities=plan.modalities,
        early=sorted(config["early_fusion"]),
        train_vectors=plan.train_vectors,
        seed=plan.seeds[0],
        threads=config["classifier_threads"],
    script:
        "../scripts/answer_degraded.py"


rule score_degraded:
    input:
        answers=expand("results/<corpus>/<run>/robustness/answers/{split}.parquet", split=TRIED_SPLITS),
        splits=split_files(TRIED_SPLITS),
    output:
        "results/<corpus>/<run>/evaluation/robustness.parquet",
    log:
        "results/<corpus>/<run>/logs/score_degraded.log",
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        code=fingerprint("score_degraded"),
        untried=UNTRIED,
    script:
        "../scripts/score_degraded.py"


rule make_robustness:
    input:
        splits=split_files(TRIED_SPLITS),
        scores=rules.score_degraded.output[0],
    output:
        tables(f"results/{plan.corpus}/{plan.run}/tables", ["robustness"]),
        [f"results/<corpus>/<run>/figures/robustness.{kind}" for kind in outputs.FIGURE_FORMATS],
        page="results/<corpus>/<run>/robustness.html",
    log:
        "results/<corpus>/<run>/logs/make_robustness.log",
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=fingerprint(
            "make_robustness",
            *kinds.code(trying.DEGRADATIONS, kinds.constants(trying.DEGRADATIONS)),
            *folds.code_of([plan.primary]),
        ),
        corpus=plan.corpus,
        run=plan.run,
        notice=config["corpus"]["notice"],
        facts=FACTS,
    script:
        "../scripts/make_robustness.py"


rule robustness:
    """Target: the test part under noise, reverberation, poor pictures and lost words."""
    input:
        rules.make_robustness.output,
