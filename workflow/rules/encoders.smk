"""Split, fine-tune and embed: one job a fold, one a modality, encoder, fold and seed. In: turns, clips. Out: embeddings.

What changes how a job runs but not what comes out (here and in corpus.smk and clips.smk) is a resource and not a param,
because jobs run again for a changed param and not for a changed resource.
"""

from functools import cache

from snakemake.logging import logger

ENCODER = f"results/{plan.corpus}/{plan.run}/encoders/{{modality}}/{{encoder}}/{{split}}/seed{{seed}}"
EMBEDDING = f"results/{plan.corpus}/{plan.run}/embeddings/{{modality}}/{{encoder}}/{{split}}/seed{{seed}}.parquet"


@cache
def check_rerun_triggers():
    """Warn, once. Called from an input function, for the triggers are not known yet when the Snakefile is parsed."""
    if workflow.is_main_process and (warning := fingerprints.wrong_triggers(map(str, workflow.rerun_triggers))):
        logger.warning(warning)


def encoder_files(wildcards):
    """The files of the encoder that the wildcards name."""
    check_rerun_triggers()
    return plan.encoder_files(wildcards.modality, wildcards.encoder)


def chosen_epoch(wildcards):
    """For a refit, the record of the training that chose its number of epochs."""
    if not wildcards.split.endswith("-refit"):
        return []
    first = wildcards.split.removesuffix("-refit")
    return rules.fine_tune.output.training.format(**dict(wildcards.items()) | {"split": first})


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


def proof_settings(encoders):
    """What a proof depends on of the settings of some encoders: not how they are trained."""
    keys = ("eval_windows", "markers", "max_seconds", "max_tokens", "mirror", "pooling", "stride")
    return [
        {
            "modality": modality,
            "encoder": encoder,
            "model": plan.model_folder(modality, encoder),
            "small": config["clips"]["small"] if modality == "video" else None,
            "settings": {key: settings[key] for key in keys if key in settings},
        }
        for modality, encoder in encoders
        for settings in [config["encoders"][modality][encoder]]
    ]


def proof_threads(encoders):
    """All cores of this machine where the encoders are there already, so that nothing is cut beside it in vain. Not where they
    are made or fetched first: it would wait until no other job runs. Nor on a cluster, where a job's process asks this again.
    """
    # Found out now, for Snakemake calls the function once they have been made.
    here = workflow.is_main_process
    there = here and all(os.path.exists(path) for encoder in encoders for path in plan.encoder_files(*encoder))
    return lambda wildcards: 64 if there and not workflow.non_local_exec else config["training"]["threads"]


# Nothing that cuts or trains takes its output as an input, for that would run again with it: it comes first by its priority.
rule check_encoders:
    input:
        [path for encoder in plan.checked for path in plan.encoder_files(*encoder)],
    output:
        "results/<corpus>/<run>/encoders_checked.json",
    log:
        "results/<corpus>/<run>/logs/check_encoders.log",
    priority: 100
    conda:
        "../../envs/emofuse.yaml"
    threads: proof_threads(plan.checked)
    resources:
        mem_mb=8000,
        runtime=30,
    params:
        # A module that only refuses is in no fingerprint but its own.
        code=fingerprint("check_encoders", "emofuse/encoders/proof", "emofuse/encoders/fitness"),
        poolings=fingerprint(*plan.pooling_code(plan.checked)),
        encoders=proof_settings(plan.checked),
    script:
        "../scripts/check_encoders.py"


use rule check_encoders as check_paper_encoders with:
    input:
        [path for encoder in plan.checked_for_paper for path in plan.encoder_files(*encoder)],
    output:
        "results/<corpus>/<run>/paper_encoders_checked.json",
    log:
        "results/<corpus>/<run>/logs/check_paper_encoders.log",
    threads: proof_threads(plan.checked_for_paper)
    params:
        poolings=fingerprint(*plan.pooling_code(plan.checked_for_paper)),
        encoders=proof_settings(plan.checked_for_paper),


rule fine_tune:
    input:
        split="results/<corpus>/<run>/splits/{split}.parquet",
        manifests=lambda w: plan.manifests(w.modality, plan.read_root(w.modality)),
        model=encoder_files,
        like=chosen_epoch,
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
    conda:
        "../../envs/emofuse.yaml"
    threads: config["training"]["threads"] + config["training"]["loader_workers"]
    resources:
        mem_mb=16000,
        runtime=480,
        gpu=0 if config["training"]["device"] == "cpu" else 1,
        device=config["training"]["device"],
        loader_workers=config["training"]["loader_workers"],
        gradient_checkpointing=int(config["training"]["gradient_checkpointing"]),
        checkpoint_minutes=config["training"]["checkpoint_minutes"],
    params:
        code=lambda w: fingerprint("fine_tune", *plan.pooling_code([(w.modality, w.encoder)])),
        settings=lambda w: plan.encoder_settings(w.modality, w.encoder),
        training={
            key: config["training"][key]
            for key in ("compile", "deterministic", "logging_steps", "precision", "threads")
        },
        model=lambda w: plan.model_folder(w.modality, w.encoder),
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
    conda:
        "../../envs/emofuse.yaml"
    threads: config["training"]["threads"] + config["training"]["loader_workers"]
    resources:
        mem_mb=16000,
        runtime=120,
        gpu=0 if config["training"]["device"] == "cpu" else 1,
        device=config["training"]["device"],
        loader_workers=config["training"]["loader_workers"],
    params:
        code=lambda w: fingerprint("embed", *plan.pooling_code([(w.modality, w.encoder)])),
        clips=lambda w: plan.read_root(w.modality),
        threads=config["training"]["threads"],
    script:
        "../scripts/embed.py"
