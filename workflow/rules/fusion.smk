"""Classify: one job a classifier, fold and seed. In: the modalities' embeddings. Out: predictions of all its systems."""

from emofuse.fusion import systems

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
        mem_mb=4000,
        runtime=120,
    params:
        code=lambda w: fingerprint("classify", *systems.code_of(w.classifier)),
        labels=plan.labels,
        in_classes=sorted(label for labels in plan.classes.values() for label in labels),
        settings=lambda w: ordered(config["classifiers"].get(w.classifier, {})),
        early=sorted(config["early_fusion"]),
        train_vectors=plan.train_vectors,
        threads=config["classifier_threads"],
    script:
        "../scripts/classify.py"
