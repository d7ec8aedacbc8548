"""Say what is wrong with the corpus. In: its index (iemocap.smk, listing.smk). Out: problems.tsv, and what `check` prints."""

# What is wrong with motion capture, which is only read where a run asks for it, and so listed by itself.
MOTION_PROBLEMS = expand(
    f"results/{plan.corpus}/{plan.run}/sequences/motion/{{encoder}}/problems.tsv",
    encoder=plan.encoders.motion("capture"),
)


rule list_problems:
    input:
        "results/<corpus>/index/turns.problems.tsv",
        "results/<corpus>/index/words.problems.tsv",
        "results/<corpus>/index/votes.problems.tsv",
        "results/<corpus>/index/media.problems.tsv",
    output:
        "results/<corpus>/problems.tsv",
    log:
        "results/<corpus>/logs/list_problems.log",
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=fingerprint("list_problems"),
    script:
        "../scripts/list_problems.py"


rule check:
    input:
        turns="results/<corpus>/turns.parquet",
        words="results/<corpus>/words.parquet",
        media="results/<corpus>/index/media.parquet",
        problems=["results/<corpus>/problems.tsv", *MOTION_PROBLEMS],
    log:
        "results/<corpus>/logs/check.log",
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=fingerprint("check"),
        clips=sorted({root for roots in plan.clip_roots.values() for root in roots}),
        classes=plan.classes,
    script:
        "../scripts/check.py"
