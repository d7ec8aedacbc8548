"""Compare all encoders on one fold; choose from them, where the config says so. In: that fold's models. Out: selection/."""

import json


def encoder_of(modality):
    """The encoder of the folds: the one that the config names, or has chosen. For input functions alone."""
    if modality not in plan.choices:
        return config["fusion"][modality]
    with checkpoints.choose_encoder.get(modality=modality).output[0].open() as file:
        return json.load(file)["encoder"]


def once_chosen(paths):
    """`paths`, a list or an input function, as an input that waits until the encoders are chosen, where any is.

    For every job below a choice: Snakemake 9.27 looks again at those alone that wait for a checkpoint themselves, and would
    run the others for a choice that came out the same.
    """

    def when_chosen(wildcards):
        for modality in plan.choices:
            encoder_of(modality)
        return paths(wildcards) if callable(paths) else [path.format(**wildcards) for path in paths]

    return when_chosen if plan.choices else paths


def compared(pattern, modalities):
    """A path pattern of encoders, for every encoder of some modalities and every seed of the selection."""
    return [
        path
        for modality in modalities
        for path in expand(
            pattern, modality=modality, encoder=plan.candidates[modality], split=plan.selection, seed=plan.seeds
        )
    ]


rule compare_encoders:
    input:
        split=f"results/<corpus>/<run>/splits/{plan.selection}.parquet",
        embeddings=lambda w: compared(EMBEDDING, [w.modality]),
        trainings=lambda w: compared(f"{ENCODER}/training.json", [w.modality]),
    output:
        "results/<corpus>/<run>/selection/{modality}.parquet",
    log:
        "results/<corpus>/<run>/logs/compare_encoders/{modality}.log",
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=fingerprint("compare_encoders"),
    script:
        "../scripts/compare_encoders.py"


# Nothing takes this file as its input: the rules below ask `encoder_of` for the name in it. So a choice that is made again,
# and comes out the same, runs nothing again.
checkpoint choose_encoder:
    input:
        "results/<corpus>/<run>/selection/{modality}.parquet",
    output:
        "results/<corpus>/<run>/selection/{modality}.chosen.json",
    log:
        "results/<corpus>/<run>/logs/choose_encoder/{modality}.log",
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=fingerprint("choose_encoder"),
        on=lambda w: plan.choices[w.modality],
    script:
        "../scripts/choose_encoder.py"
