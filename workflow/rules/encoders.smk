"""Split, fine-tune and embed: one job a fold, one a modality, encoder, fold and seed. In: turns, clips. Out: embeddings.

What changes how a job runs but not what comes out (here and in corpus.smk and clips.smk) is a resource and not a param,
because jobs run again for a changed param and not for a changed resource.
"""

ENCODER = f"results/{CORPUS}/{RUN}/encoders/{{modality}}/{{encoder}}/{{split}}/seed{{seed}}"
EMBEDDING = f"results/{CORPUS}/{RUN}/embeddings/{{modality}}/{{encoder}}/{{split}}/seed{{seed}}.parquet"


def encoder_settings(wildcards):
    """The encoder's config entries, in a fixed order (params are compared as text)."""
    settings = config["encoders"][wildcards.modality][wildcards.encoder]
    return ordered({k: v for k, v in settings.items() if k != "revision" or not is_local(settings["model"])})


def encoder_files(wildcards):
    """The files of the encoder that the wildcards name."""
    check_rerun_triggers()
    return files_of_encoder(wildcards.modality, wildcards.encoder)


def files_of_encoder(modality, encoder):
    """The files of an encoder in a local folder, so that a changed one is noticed; of a downloaded one its record, for
    copies of its weights are too large to be compared."""
    model = config["encoders"][modality][encoder]["model"]
    if model in DEMO_ENCODERS:
        return [f"{model}/{name}" for name in demo_plan.encoder_files(DEMO_ENCODERS[model])]
    if is_local(model):
        return sorted(str(path) for path in Path(model).glob("[!.]*") if path.is_file())
    return [f"{model_folder(modality, encoder)}/download.json"]


def chosen_epoch(wildcards):
    """For a refit, the record of the training that chose its number of epochs."""
    if not wildcards.split.endswith("-refit"):
        return []
    first = wildcards.split.removesuffix("-refit")
    return rules.fine_tune.output.training.format(**dict(wildcards.items()) | {"split": first})


def validation_rule(wildcards):
    """Where the validation part of a split comes from: a refit has none, the selection the session before its test."""
    if wildcards.split.endswith("-refit"):
        return "none"
    return "previous_session" if wildcards.split == SELECTION else config["validation"]["rule"]


def split_files(splits):
    """The files of some splits."""
    return expand("results/<corpus>/<run>/splits/{split}.parquet", split=splits)


def drawn_by(wildcards):
    """The seed of a split in which turns or dialogs are drawn; None for the others, which depend on no seed."""
    drawn = (
        protocols.parse_split(wildcards.split).protocol == "scenario_control" or validation_rule(wildcards) == "share"
    )
    return SEEDS[0] if drawn else None


def scenario_groups(wildcards):
    """The group of each play, for the splits that go by it."""
    by_scenario = protocols.parse_split(wildcards.split).protocol in protocols.BY_SCENARIO
    return protocols.scenario_groups(map(release.scenario_of, DIALOGS)) if by_scenario else {}


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
        code=fingerprint("make_split"),
        sessions=SESSIONS,
        classes=CLASSES,
        subset=config["subset"],
        rule=validation_rule,
        share=lambda w: config["validation"]["share"] if validation_rule(w) == "share" else None,
        seed=drawn_by,
        groups=scenario_groups,
    script:
        "../scripts/make_split.py"


# The encoders of the folds, with all that one is chosen from; those that are trained for the paper's tables alone.
CHECKED = [(m, name) for m in MODALITIES for name in (CANDIDATES[m] if m in CHOICES else [config["fusion"][m]])]
CHECKED_FOR_PAPER = [(m, name) for m in MODALITIES for name in CANDIDATES[m] if SELECTION and (m, name) not in CHECKED]


def proof_settings(encoders):
    """What a proof depends on of the settings of some encoders: not how they are trained."""
    keys = ("eval_windows", "markers", "max_seconds", "max_tokens", "mirror", "pooling", "stride")
    return [
        {
            "modality": modality,
            "encoder": encoder,
            "model": model_folder(modality, encoder),
            "settings": {key: settings[key] for key in keys if key in settings},
        }
        for modality, encoder in encoders
        for settings in [config["encoders"][modality][encoder]]
    ]


def proof_threads(encoders):
    """All cores of this machine where the encoders are there already, so that nothing is cut beside it in vain. Not where they
    are made or fetched first: it would wait until no other job runs. Nor on a cluster, where a job's process asks this again.
    """
    here = workflow.is_main_process and not workflow.non_local_exec
    there = here and all(os.path.exists(path) for encoder in encoders for path in files_of_encoder(*encoder))
    return 64 if there else config["training"]["threads"]


# Nothing that cuts or trains takes its output as an input, for that would run again with it: it comes first by its priority.
rule check_encoders:
    input:
        [path for encoder in CHECKED for path in files_of_encoder(*encoder)],
    output:
        "results/<corpus>/<run>/encoders_checked.json",
    log:
        "results/<corpus>/<run>/logs/check_encoders.log",
    priority: 100
    conda:
        "../../envs/emofuse.yaml"
    threads: lambda w: proof_threads(CHECKED)
    resources:
        mem_mb=8000,
        runtime=30,
    params:
        # A module that only refuses is in no fingerprint but its own.
        code=[fingerprint(name) for name in ("check_encoders", "emofuse/encoders/proof", "emofuse/encoders/fitness")],
        encoders=proof_settings(CHECKED),
    script:
        "../scripts/check_encoders.py"


use rule check_encoders as check_paper_encoders with:
    input:
        [path for encoder in CHECKED_FOR_PAPER for path in files_of_encoder(*encoder)],
    output:
        "results/<corpus>/<run>/paper_encoders_checked.json",
    log:
        "results/<corpus>/<run>/logs/check_paper_encoders.log",
    threads: lambda w: proof_threads(CHECKED_FOR_PAPER)
    params:
        encoders=proof_settings(CHECKED_FOR_PAPER),


rule fine_tune:
    input:
        split="results/<corpus>/<run>/splits/{split}.parquet",
        manifests=lambda w: manifests(w.modality),
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
        cache_mb=config["training"]["cache_mb"],
        gradient_checkpointing=int(config["training"]["gradient_checkpointing"]),
        checkpoint_minutes=config["training"]["checkpoint_minutes"],
    params:
        code=fingerprint("fine_tune"),
        settings=encoder_settings,
        training={
            key: config["training"][key]
            for key in ("compile", "deterministic", "logging_steps", "precision", "threads")
        },
        model=lambda w: model_folder(w.modality, w.encoder),
        clips=lambda w: clips_root(w.modality),
        state=f"results/{CORPUS}/{RUN}/resume/{{modality}}/{{encoder}}/{{split}}/seed{{seed}}",
        tensorboard=f"results/{CORPUS}/{RUN}/tensorboard/{{modality}}/{{encoder}}/{{split}}/seed{{seed}}",
    script:
        "../scripts/fine_tune.py"


rule embed:
    input:
        turns="results/<corpus>/turns.parquet",
        split="results/<corpus>/<run>/splits/{split}.parquet",
        manifests=lambda w: manifests(w.modality),
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
        code=fingerprint("embed"),
        clips=lambda w: clips_root(w.modality),
        threads=config["training"]["threads"],
    script:
        "../scripts/embed.py"
