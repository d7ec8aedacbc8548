"""Prove the encoders before anything is cut for them. In: their files. Out: encoders_checked.json."""


def proof_settings(encoders):
    """What a proof depends on of the settings of some encoders: not how they are trained."""
    keys = (
        *("eval_windows", "features", "freeze_convolutions", "freeze_layers", "layer", "layer_decay", "markers"),
        *("mask_feature_length", "mask_feature_prob", "mask_time_length", "mask_time_prob"),
        *("context", "max_seconds", "max_tokens", "mirror", "pooling", "stride"),
    )
    return [
        {
            "modality": modality,
            "encoder": encoder,
            "model": plan.encoders.folder(modality, encoder),
            "small": config["clips"]["small"] if modality == "video" else None,
            "settings": {key: settings[key] for key in keys if key in settings}
            | ({"sequences": plan.encoders.sequences(modality, encoder)} if "features" in settings else {}),
        }
        for modality, encoder in encoders
        for settings in [plan.encoders.settings(modality, encoder)]
        if "vectors" not in settings
    ]


def proof_threads(encoders):
    """All cores of this machine where the encoders are there already, so that nothing is cut beside it in vain. Not where they
    are made or fetched first: it would wait until no other job runs. Nor on a cluster, where a job's process asks this again.
    """
    # Found out now, for Snakemake calls the function once they have been made.
    here = workflow.is_main_process
    there = here and all(os.path.exists(path) for encoder in encoders for path in plan.encoders.files(*encoder))
    return lambda wildcards: 64 if there and not workflow.non_local_exec else config["training"]["threads"]


# Nothing that cuts or trains takes its output as an input, for that would run again with it: it comes first by its priority.
rule check_encoders:
    input:
        [path for encoder in plan.checked for path in plan.encoders.files(*encoder)],
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
        poolings=fingerprint(*plan.encoders.code(*plan.checked)),
        encoders=proof_settings(plan.checked),
        fused={
            "encoders": {m: name for m, name in sorted(config["fusion"].items()) if m not in plan.choices},
            "combinations": sorted(config["early_fusion"]),
        },
    script:
        "../scripts/check_encoders.py"


use rule check_encoders as check_paper_encoders with:
    input:
        [path for encoder in plan.checked_for_paper for path in plan.encoders.files(*encoder)],
    output:
        "results/<corpus>/<run>/paper_encoders_checked.json",
    log:
        "results/<corpus>/<run>/logs/check_paper_encoders.log",
    threads: proof_threads(plan.checked_for_paper)
    params:
        poolings=fingerprint(*plan.encoders.code(*plan.checked_for_paper)),
        encoders=proof_settings(plan.checked_for_paper),
        fused={"encoders": {}, "combinations": []},
