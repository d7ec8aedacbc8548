"""Ask a finished run about its test part under noise and other degradations. In: clips, encoders, predictions. Out: robustness.html.

Nothing is trained, chosen or calibrated again. `snakemake robustness` makes it; the default target does not.
"""

from emofuse.configuration import robustness as trying

DEGRADED = (
    f"results/{plan.corpus}/{plan.run}/robustness/vectors/{{modality}}/{{encoder}}/{{split}}/seed{{seed}}.parquet"
)
ANSWERS = f"results/{plan.corpus}/{plan.run}/robustness/answers/{{split}}.parquet"


# Asked by input functions and params alone, so that what cannot be tried is in the way of no other target.
def tried_splits():
    """The folds whose test parts are degraded."""
    with mistakes_as_messages():
        return trying.splits(config, plan.splits_of[plan.primary])


def severities(encoders):
    """What is tried of some modalities, and why nothing is of others; encoders: {modality: name}."""
    with mistakes_as_messages():
        return trying.severities(config, encoders)


def tried():
    """`severities` of the modalities of the run, once their encoders are chosen."""
    return severities({modality: encoder_of(modality) for modality in plan.modalities})


def of_encoder(wildcards):
    """{degradation: its severities} of the encoder that the wildcards name."""
    return severities({wildcards.modality: wildcards.encoder})[0][wildcards.modality]


def speaking(split):
    """The split whose encoders speak of the test turns of a fold."""
    return f"{split}-refit" if plan.refit else split


def listens(wildcards):
    """Whether words that are recognised are read for an encoder, from the clips of sound."""
    return any(kinds.constants(trying.DEGRADATIONS)[name].get("LISTENS") for name in of_encoder(wildcards))


def degraded(wildcards):
    """What the encoders of a fold make of degraded test turns."""
    return [
        DEGRADED.format(modality=m, encoder=encoder_of(m), split=speaking(wildcards.split), seed=plan.seeds[0])
        for m in tried()[0]
    ]


def of_fold(pattern):
    """An input function: a path pattern of the encoders of a fold and of its refit, of the first seed."""
    return lambda w: exported(pattern, dict.fromkeys([w.split, speaking(w.split)]))(w)


rule degrade:
    input:
        turns="results/<corpus>/turns.parquet",
        split="results/<corpus>/<run>/splits/{split}.parquet",
        manifests=lambda w: plan.manifests(w.modality, plan.read_root(w.modality)),
        sound=lambda w: plan.manifests("audio", plan.read_root("audio")) if listens(w) else [],
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
            *kinds.code(trying.DEGRADATIONS, of_encoder(w)),
        ),
        severities=of_encoder,
        seed=config["robustness"]["seed"],
        asr=lambda w: config["predict"]["asr"] if listens(w) else None,
        pretrained=lambda w: (
            plan.encoders.folder(w.modality, w.encoder) if plan.encoders.is_frozen(w.modality, w.encoder) else None
        ),
        clips=lambda w: {m: plan.read_root(m) for m in [w.modality, *(["audio"] if listens(w) else [])]},
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
        ANSWERS,
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
        answers=once_chosen(lambda w: expand(ANSWERS, split=tried_splits())),
        splits=lambda w: split_files(tried_splits()),
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
        untried=lambda w: tried()[1],
    script:
        "../scripts/score_degraded.py"


rule make_robustness:
    input:
        splits=lambda w: split_files(tried_splits()),
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
