"""Classify: one job a classifier, fold and seed, and one a named system. In: the encoders' embeddings or sequences. Out:
predictions of all its systems."""

from emofuse.fusion import systems

# The raw labels that fall into a class.
IN_CLASSES = sorted(label for labels in plan.classes.values() for label in labels)
PREDICTIONS = f"results/{plan.corpus}/{plan.run}/predictions/{{classifier}}/{{split}}/seed{{seed}}.parquet"


def behind(pattern, splits):
    """An input function: a path pattern of encoders, for each of the splits that `splits(wildcards)` names and each modality."""

    def paths(wildcards):
        return [
            pattern.format(modality=modality, encoder=encoder_of(modality), split=split, seed=wildcards.seed)
            for split in splits(wildcards)
            for modality in plan.modalities
        ]

    return paths


def refits(wildcards):
    """The split that the encoders are trained anew on, if they are."""
    return [f"{wildcards.split}-refit"] if plan.refit else []


def held_out(wildcards):
    """The splits of the cross-fitted encoders; the plain argmax learns nothing from vectors."""
    return [] if wildcards.classifier == "argmax" else plan.cross_fits(wildcards.split)


rule classify:
    input:
        split="results/<corpus>/<run>/splits/{split}.parquet",
        turns="results/<corpus>/turns.parquet",  # for those of no class
        embeddings=behind(EMBEDDING, lambda w: [w.split]),
        trainings=behind(f"{ENCODER}/training.json", lambda w: [w.split]),
        refit_split=lambda w: split_files(refits(w)),
        refit_embeddings=behind(EMBEDDING, refits),
        refit_trainings=behind(f"{ENCODER}/training.json", refits),
        held_out_splits=lambda w: split_files(held_out(w)),
        held_out_embeddings=behind(EMBEDDING, held_out),
        held_out_trainings=behind(f"{ENCODER}/training.json", held_out),
    output:
        "results/<corpus>/<run>/predictions/{classifier}/{split}/seed{seed}.parquet",
    log:
        "results/<corpus>/<run>/logs/classify/{classifier}/{split}/seed{seed}.log",
    benchmark:
        "results/<corpus>/<run>/benchmarks/classify/{classifier}_{split}_seed{seed}.tsv"
    conda:
        "../../envs/emofuse.yaml"
    threads: config["classifier_threads"]
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        code=lambda w: fingerprint("classify", *systems.code_of(w.classifier)),
        labels=plan.labels,
        in_classes=IN_CLASSES,
        settings=lambda w: ordered(config["classifiers"].get(w.classifier, {})),
        early=sorted(config["early_fusion"]),
        train_vectors=plan.train_vectors,
        threads=config["classifier_threads"],
    script:
        "../scripts/classify.py"


def encoders_read(system):
    """{modality: encoder} that a named system reads. For input functions alone: one of the fusion may be chosen."""
    named = plan.systems[system]["encoders"] or {modality: encoder_of(modality) for modality in plan.modalities}
    return {modality: named[modality] for modality in systems.SOURCES if modality in named}


def read_by(system, split, seed):
    """The files that a named system reads: of frozen encoders those of all folds, of others those of a split."""
    folder = {"vectors": "embeddings", "sequences": "sequences"}[plan.reads(system)]
    return [
        f"results/{plan.corpus}/{plan.run}/{folder}/{modality}/{encoder}/"
        + ("frozen.parquet" if plan.encoders.is_frozen(modality, encoder) else f"{split}/seed{seed}.parquet")
        for modality, encoder in encoders_read(system).items()
    ]


def tuned_for(system, split, seed, patterns=(f"{ENCODER}/training.json",)):
    """The training records of those encoders that are fine-tuned, or other files that they leave."""
    return [
        pattern.format(modality=modality, encoder=encoder, split=split, seed=seed)
        for modality, encoder in encoders_read(system).items()
        if not plan.encoders.is_frozen(modality, encoder)
        for pattern in patterns
    ]


def crossed(wildcards):
    """The splits of cross-fitted encoders that a named system learns from: none where all that it reads is frozen."""
    frozen = all(plan.encoders.is_frozen(*of) for of in encoders_read(wildcards.system).items())
    return [] if frozen else plan.cross_fits(wildcards.split)


def of_splits(paths, splits):
    """An input function: what `paths` says of each of the splits."""
    return lambda w: [path for split in splits(w) for path in paths(w.system, split, w.seed)]


# Its own turns are those that the run keeps, which manifests and stores of outside vectors know.
OUTSIDE = {m: n for m, n in config["fusion"].items() if isinstance(n, str) and "vectors" in config["encoders"][m][n]}


rule train_system:
    input:
        turns="results/<corpus>/turns.parquet",
        split="results/<corpus>/<run>/splits/{split}.parquet",
        read=of_splits(read_by, lambda w: [w.split]),
        trainings=of_splits(tuned_for, lambda w: [w.split]),
        refit_split=lambda w: split_files(refits(w)),
        refit_read=of_splits(read_by, refits),
        refit_trainings=of_splits(tuned_for, refits),
        held_out_splits=lambda w: split_files(crossed(w)),
        held_out_read=of_splits(read_by, crossed),
        held_out_trainings=of_splits(tuned_for, crossed),
        manifests=[path for m in plan.modalities for path in plan.manifests(m, plan.read_root(m))],
        outside=[f"results/{plan.corpus}/{plan.run}/embeddings/{m}/{n}/frozen.parquet" for m, n in OUTSIDE.items()],
    output:
        "results/<corpus>/<run>/predictions/{system}/{split}/seed{seed}.parquet",
    log:
        "results/<corpus>/<run>/logs/train_system/{system}/{split}/seed{seed}.log",
    benchmark:
        "results/<corpus>/<run>/benchmarks/train_system/{system}_{split}_seed{seed}.tsv"
    conda:
        "../../envs/emofuse.yaml"
    threads: config["classifier_threads"]
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        code=lambda w: fingerprint("train_system", *systems.code_of_model(plan.systems[w.system]["kind"])),
        settings=lambda w: ordered({k: v for k, v in plan.systems[w.system].items() if k != "encoders"}),
        encoders=lambda w: plan.systems[w.system]["encoders"],
        in_classes=IN_CLASSES,
        modalities=plan.modalities,
        outside=list(OUTSIDE),
        threads=config["classifier_threads"],
    script:
        "../scripts/train_system.py"
