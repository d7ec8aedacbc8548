"""Split, fine-tune and embed: one job a fold, one a modality, encoder, fold and seed; a frozen encoder is embedded once, and a
probe fitted for each fold and seed. In: turns, clips. Out: embeddings.

What changes how a job runs but not what comes out (here and in corpus.smk and clips.smk) is a resource and not a param,
because jobs run again for a changed param and not for a changed resource.
"""

from functools import cache

from snakemake.logging import logger

ENCODER = f"results/{plan.corpus}/{plan.run}/encoders/{{modality}}/{{encoder}}/{{split}}/seed{{seed}}"
SEQUENCES = f"results/{plan.corpus}/{plan.run}/sequences/{{modality}}/{{encoder}}"
EMBEDDING = f"results/{plan.corpus}/{plan.run}/embeddings/{{modality}}/{{encoder}}/{{split}}/seed{{seed}}.parquet"


@cache
def check_rerun_triggers():
    """Warn, once. Called from an input function, for the triggers are not known yet when the Snakefile is parsed."""
    if workflow.is_main_process and (warning := fingerprints.wrong_triggers(map(str, workflow.rerun_triggers))):
        logger.warning(warning)


def encoder_files(wildcards):
    """The files of the encoder that the wildcards name."""
    check_rerun_triggers()
    return plan.encoders.files(wildcards.modality, wildcards.encoder)


def chosen_before(wildcards):
    """For a refit, the record of the training that chose its number of epochs, or of the probe that chose its C."""
    if not wildcards.split.endswith("-refit"):
        return []
    first = wildcards.split.removesuffix("-refit")
    return f"{ENCODER}/training.json".format(**dict(wildcards.items()) | {"split": first})


def only(encoders):
    """A constraint of {modality} where /{encoder}/ follows it: to some encoders alone, for frozen ones and those that are
    fine-tuned leave files of like names."""
    names = "|".join(f"{modality}/{encoder}" for modality, encoder in encoders)
    return f"(?=(?:{names})/)(?:text|audio|video)" if names else "(?!)"


def split_files(splits):
    """The files of some splits."""
    return expand("results/<corpus>/<run>/splits/{split}.parquet", split=splits)


rule make_split:
    input:
        turns="results/<corpus>/turns.parquet",
    output:
        split="results/<corpus>/<run>/splits/{split}.parquet",
    log:
        "results/<corpus>/<run>/logs/make_split/{split}.log",
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=lambda w: fingerprint("make_split", *folds.code_of([folds.parse_split(w.split).protocol])),
        classes=plan.classes,
        subset=config["subset"],
        scheme=lambda w: plan.scheme(w.split),
    script:
        "../scripts/make_split.py"


def reading_threads():
    """CPUs that a job asks for which reads clips beside its computation; with `auto` it makes do with fewer."""
    workers = config["training"]["loader_workers"]
    return config["training"]["threads"] + (4 if workers == "auto" else workers)


rule fine_tune:
    input:
        split="results/<corpus>/<run>/splits/{split}.parquet",
        manifests=lambda w: plan.manifests(w.modality, plan.read_root(w.modality)),
        model=encoder_files,
        like=chosen_before,
        # Of encoders that read a turn among its neighbours: no other is trained anew where a turn is put elsewhere.
        turns=lambda w: (
            f"results/{plan.corpus}/turns.parquet" if plan.encoders.has_context(w.modality, w.encoder) else []
        ),
    output:
        weights="results/<corpus>/<run>/encoders/{modality}/{encoder}/{split}/seed{seed}/model.safetensors",
        config="results/<corpus>/<run>/encoders/{modality}/{encoder}/{split}/seed{seed}/config.json",
        head="results/<corpus>/<run>/encoders/{modality}/{encoder}/{split}/seed{seed}/head.safetensors",
        processor=directory("results/<corpus>/<run>/encoders/{modality}/{encoder}/{split}/seed{seed}/processor"),
        training="results/<corpus>/<run>/encoders/{modality}/{encoder}/{split}/seed{seed}/training.json",
        history="results/<corpus>/<run>/encoders/{modality}/{encoder}/{split}/seed{seed}/history.parquet",
    log:
        "results/<corpus>/<run>/logs/fine_tune/{modality}/{encoder}/{split}/seed{seed}.log",
    benchmark:
        "results/<corpus>/<run>/benchmarks/fine_tune/{modality}_{encoder}_{split}_seed{seed}.tsv"
    wildcard_constraints:
        modality=only(plan.encoders.named(frozen=False)),
    conda:
        "../../envs/emofuse.yaml"
    threads: reading_threads()
    resources:
        mem_mb=16000,
        runtime=480,
        gpu=0 if config["training"]["device"] == "cpu" else 1,
        device=config["training"]["device"],
        loader_workers=config["training"]["loader_workers"],
        jobs_per_gpu=config["training"]["jobs_per_gpu"],
        gradient_checkpointing=int(config["training"]["gradient_checkpointing"]),
        checkpoint_minutes=config["training"]["checkpoint_minutes"],
    params:
        code=lambda w: fingerprint("fine_tune", *plan.encoders.code((w.modality, w.encoder))),
        settings=lambda w: plan.encoders.settings(w.modality, w.encoder),
        training={
            key: config["training"][key]
            for key in ("compile", "deterministic", "logging_steps", "precision", "threads")
        },
        model=lambda w: plan.encoders.folder(w.modality, w.encoder),
        clips=lambda w: plan.read_root(w.modality),
        small=lambda w: config["clips"]["small"] if w.modality == "video" else None,
        state=f"results/{plan.corpus}/{plan.run}/resume/{{modality}}/{{encoder}}/{{split}}/seed{{seed}}",
        tensorboard=f"results/{plan.corpus}/{plan.run}/tensorboard/{{modality}}/{{encoder}}/{{split}}/seed{{seed}}",
    script:
        "../scripts/fine_tune.py"


rule embed:
    input:
        turns="results/<corpus>/turns.parquet",
        split="results/<corpus>/<run>/splits/{split}.parquet",
        manifests=lambda w: plan.manifests(w.modality, plan.read_root(w.modality)),
        encoder=rules.fine_tune.output,
    output:
        "results/<corpus>/<run>/embeddings/{modality}/{encoder}/{split}/seed{seed}.parquet",
    log:
        "results/<corpus>/<run>/logs/embed/{modality}/{encoder}/{split}/seed{seed}.log",
    benchmark:
        "results/<corpus>/<run>/benchmarks/embed/{modality}_{encoder}_{split}_seed{seed}.tsv"
    wildcard_constraints:
        modality=only(plan.encoders.named(frozen=False, sequences=False)),
    conda:
        "../../envs/emofuse.yaml"
    threads: reading_threads()
    resources:
        mem_mb=16000,
        runtime=120,
        gpu=0 if config["training"]["device"] == "cpu" else 1,
        device=config["training"]["device"],
        loader_workers=config["training"]["loader_workers"],
        jobs_per_gpu=config["training"]["jobs_per_gpu"],
    params:
        code=lambda w: fingerprint("embed", *plan.encoders.code((w.modality, w.encoder))),
        clips=lambda w: plan.read_root(w.modality),
        sequences=lambda w: plan.encoders.sequences(w.modality, w.encoder),
        threads=config["training"]["threads"],
    script:
        "../scripts/embed.py"


# A rule of its own, for a rule has the same outputs whatever its wildcards.
use rule embed as embed_sequences with:
    output:
        EMBEDDING,
        sequences=f"{SEQUENCES}/{{split}}/seed{{seed}}.parquet",
    wildcard_constraints:
        modality=only(plan.encoders.named(frozen=False, sequences=True)),


rule embed_frozen:
    input:
        turns="results/<corpus>/turns.parquet",
        manifests=lambda w: plan.manifests(w.modality, plan.read_root(w.modality)),
        model=encoder_files,
    output:
        "results/<corpus>/<run>/embeddings/{modality}/{encoder}/frozen.parquet",
    log:
        "results/<corpus>/<run>/logs/embed_frozen/{modality}/{encoder}.log",
    benchmark:
        "results/<corpus>/<run>/benchmarks/embed_frozen/{modality}_{encoder}.tsv"
    wildcard_constraints:
        modality=only(plan.encoders.named(frozen=True, sequences=False)),
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
        on_missing=config["corpus"]["on_missing"],
    params:
        code=lambda w: fingerprint("embed_frozen", *plan.encoders.code((w.modality, w.encoder))),
        settings=lambda w: plan.encoders.settings(w.modality, w.encoder),
        model=lambda w: plan.encoders.folder(w.modality, w.encoder),
        clips=lambda w: plan.read_root(w.modality),
        small=lambda w: config["clips"]["small"] if w.modality == "video" else None,
        sequences=lambda w: plan.encoders.sequences(w.modality, w.encoder),
        threads=config["training"]["threads"],
    script:
        "../scripts/embed_frozen.py"


use rule embed_frozen as embed_frozen_sequences with:
    output:
        f"results/{plan.corpus}/{plan.run}/embeddings/{{modality}}/{{encoder}}/frozen.parquet",
        sequences=f"{SEQUENCES}/frozen.parquet",
    wildcard_constraints:
        modality=only(plan.encoders.named(frozen=True, sequences=True)),


rule fit_probe:
    input:
        split="results/<corpus>/<run>/splits/{split}.parquet",
        vectors=rules.embed_frozen.output[0],
        like=chosen_before,
    output:
        head="results/<corpus>/<run>/encoders/{modality}/{encoder}/{split}/seed{seed}/head.safetensors",
        training="results/<corpus>/<run>/encoders/{modality}/{encoder}/{split}/seed{seed}/training.json",
        embeddings="results/<corpus>/<run>/embeddings/{modality}/{encoder}/{split}/seed{seed}.parquet",
    log:
        "results/<corpus>/<run>/logs/fit_probe/{modality}/{encoder}/{split}/seed{seed}.log",
    benchmark:
        "results/<corpus>/<run>/benchmarks/fit_probe/{modality}_{encoder}_{split}_seed{seed}.tsv"
    wildcard_constraints:
        modality=only(plan.encoders.named(frozen=True)),
    conda:
        "../../envs/emofuse.yaml"
    threads: config["classifier_threads"]
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        code=fingerprint("fit_probe"),
        settings=lambda w: plan.encoders.settings(w.modality, w.encoder),
        strengths=config["probe"]["C"],
        threads=config["classifier_threads"],
    script:
        "../scripts/fit_probe.py"
