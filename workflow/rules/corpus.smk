"""Index the release. In: the tree under corpus.root. Out: turns, words, votes and media.parquet, and problems.tsv.

Labels, votes, transcripts and media are read by separate rules, because Snakemake reruns everything below a file that was
made again: so a corrected transcript never reaches sound or video. Votes stand in the label files: these are ancient() to
index_turns, and what they say beside the votes is a param instead, so that a corrected vote trains nothing again.
"""

from functools import cache

from emofuse.corpora.iemocap import labels, paths, tree

LABEL_FILES = [p for d in plan.dialogs for p in plan.existing(paths.label_path(plan.root, d))]


@cache
def labels_digest():
    """Hash of what the label files say beside votes; the demo's are not there yet, and not ancient() instead."""
    return None if plan.generated else labels.labels_digest(plan.root, plan.dialogs)


# What is wrong with motion capture, which is only read where a run asks for it, and so listed by itself.
MOTION_PROBLEMS = expand(
    f"results/{plan.corpus}/{plan.run}/sequences/motion/{{encoder}}/problems.tsv",
    encoder=plan.encoders.motion("capture"),
)


rule index_turns:
    input:
        labels=LABEL_FILES if plan.generated else [ancient(path) for path in LABEL_FILES],
        counts=str(RESOURCES / "iemocap_counts.tsv"),
        release=str(RESOURCES / "iemocap_dialogs.txt"),
    output:
        turns="results/<corpus>/turns.parquet",
        problems="results/<corpus>/index/turns.problems.tsv",
    log:
        "results/<corpus>/logs/index_turns.log",
    priority: 10
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
        on_missing=config["corpus"]["on_missing"],
        assert_counts=int(config["corpus"]["assert_counts"]),
    params:
        code=fingerprint("index_turns"),
        root=str(plan.root),
        dialogs=plan.dialogs,
        # A function, so that only a run that needs it reads them.
        said=lambda w: labels_digest(),
    script:
        "../scripts/index_turns.py"


rule index_words:
    input:
        turns="results/<corpus>/turns.parquet",
        transcripts=[p for d in plan.dialogs for p in plan.existing(paths.transcript_path(plan.root, d))],
    output:
        words="results/<corpus>/words.parquet",
        problems="results/<corpus>/index/words.problems.tsv",
    log:
        "results/<corpus>/logs/index_words.log",
    priority: 10
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
        on_missing=config["corpus"]["on_missing"],
    params:
        code=fingerprint("index_words"),
        root=str(plan.root),
        dialogs=plan.dialogs,
    script:
        "../scripts/index_words.py"


rule index_votes:
    input:
        turns="results/<corpus>/turns.parquet",
        labels=LABEL_FILES,
    output:
        votes="results/<corpus>/votes.parquet",
        problems="results/<corpus>/index/votes.problems.tsv",
    log:
        "results/<corpus>/logs/index_votes.log",
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=fingerprint("index_votes"),
        root=str(plan.root),
        dialogs=plan.dialogs,
    script:
        "../scripts/index_votes.py"


rule index_media:
    input:
        turns="results/<corpus>/turns.parquet",
        wavs=[p for d in plan.dialogs for p in plan.existing(paths.dialog_wav_path(plan.root, d))],
        avis=[p for d in plan.dialogs for p in plan.existing(paths.avi_path(plan.root, d))],
    output:
        media="results/<corpus>/index/media.parquet",
        problems="results/<corpus>/index/media.problems.tsv",
    log:
        "results/<corpus>/logs/index_media.log",
    benchmark:
        "results/<corpus>/benchmarks/index_media/all.tsv"
    priority: 10
    conda:
        "../../envs/emofuse.yaml"
    threads: 1 if plan.generated else 4  # dialogs at a time; of no effect on what comes out; the demo's are beside other jobs
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=fingerprint("index_media"),
        root=str(plan.root),
        dialogs=plan.dialogs,
        on_missing=config["corpus"]["on_missing"],
        # Instead of 10,039 inputs, which Snakemake would print one by one. The demo's come with its avis.
        # A function, so that only a run that needs it looks at them.
        sentences=lambda w: None if plan.generated else tree.sentences_digest(plan.root, plan.dialogs),
    script:
        "../scripts/index_media.py"


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
