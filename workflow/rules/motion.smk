"""Motion, in 200 equal parts of each turn. In: turns, the release's motion capture, video clips. Out: sequences/motion/.

Nothing of it is made unless the config has an encoder of motion. The wildcard {modality} never stands for it.
"""


def only_motion(source):
    """A constraint of {encoder}: to those that read one source."""
    return "|".join(plan.encoders.motion(source)) or "(?!)"


rule read_motion_capture:
    input:
        turns="results/<corpus>/turns.parquet",
        capture=plan.motion_capture(),
    output:
        sequences="results/<corpus>/<run>/sequences/motion/{encoder}/frozen.parquet",
        problems="results/<corpus>/<run>/sequences/motion/{encoder}/problems.tsv",
    log:
        "results/<corpus>/<run>/logs/read_motion_capture/{encoder}.log",
    benchmark:
        "results/<corpus>/<run>/benchmarks/read_motion_capture/{encoder}.tsv"
    wildcard_constraints:
        encoder=only_motion("capture"),
    priority: 10
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
        on_missing=config["corpus"]["on_missing"],
    params:
        code=fingerprint("read_motion_capture"),
        root=str(plan.root),
        dialogs=plan.dialogs,
        # Instead of 30,117 inputs. A function, so that only a run that needs it looks at them.
        files=lambda w: None if plan.generated else tree.motion_digest(plan.root, plan.dialogs),
    script:
        "../scripts/read_motion_capture.py"


rule read_motion_vectors:
    input:
        turns="results/<corpus>/turns.parquet",
        manifests=lambda w: plan.manifests("video"),
    output:
        "results/<corpus>/<run>/sequences/motion/{encoder}/frozen.parquet",
    log:
        "results/<corpus>/<run>/logs/read_motion_vectors/{encoder}.log",
    benchmark:
        "results/<corpus>/<run>/benchmarks/read_motion_vectors/{encoder}.tsv"
    wildcard_constraints:
        encoder=only_motion("clips"),
    conda:
        "../../envs/emofuse.yaml"
    threads: 4  # clips at a time; of no effect on what comes out
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        code=fingerprint("read_motion_vectors"),
        clips=plan.clips_root("video"),
        crop=config["clips"]["crop"],
        dialogs=plan.dialogs,
    script:
        "../scripts/read_motion_vectors.py"
