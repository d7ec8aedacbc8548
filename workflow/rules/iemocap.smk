"""Index and cut IEMOCAP. In: the tree under corpus.root. Out: turns, words, votes and media.parquet; a clip a turn, modality.

Labels, votes, transcripts and media are read by separate rules, because Snakemake reruns everything below a file that was
made again: so a corrected transcript never reaches sound or video. Votes stand in the label files: these are ancient() to
index_turns, and what they say beside the votes is a param instead, so that a corrected vote trains nothing again. To the jobs that cut, one a
dialog and modality, they are ancient() too, and turn times are a param, so that a corrected emotion label cuts nothing again.
Nothing that a job makes is ancient() here: Snakemake 9.27 overlooks a job's own reasons to run in an invocation that also
remakes one of its ancient inputs.
"""

from functools import cache

from emofuse.corpora.iemocap import labels, paths, tree

LABEL_FILES = [p for d in plan.dialogs for p in plan.existing(paths.label_path(plan.root, d))]


@cache
def labels_digest():
    """Hash of what the label files say beside votes; the demo's are not there yet, and not ancient() instead."""
    return None if plan.generated else labels.labels_digest(plan.root, plan.dialogs)


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


def label_file(wildcards):
    """The dialog's label file."""
    path = str(paths.label_path(plan.root, wildcards.dialog))
    return path if plan.generated else ancient(path)


@cache
def times_digest(dialog):
    """Hash of the dialog's turn ids and times, read once for its three jobs."""
    with mistakes_as_messages():
        return labels.times_digest(paths.label_path(plan.root, dialog), dialog)


def turn_times(wildcards):
    """The hash of the turns' times; the demo's label files are not there yet, and not ancient() instead."""
    return None if plan.generated else times_digest(wildcards.dialog)


rule cut_text:
    input:
        labels=label_file,
        transcript=lambda w: plan.existing(paths.transcript_path(plan.root, w.dialog)),
    output:
        clips=directory("results/<corpus>/clips/text/{dialog}"),
        manifest="results/<corpus>/clips/text/{dialog}.manifest.tsv",
    log:
        "results/<corpus>/logs/cut_text/{dialog}.log",
    group:
        "clips"
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=500,
        runtime=5,
        on_missing=config["corpus"]["on_missing"],
    params:
        code=fingerprint("cut_text"),
        times=turn_times,
    script:
        "../scripts/cut_text.py"


rule cut_audio:
    input:
        labels=label_file,
        sentences=lambda w: plan.sentence_wavs(w.dialog),
        wav=lambda w: plan.existing(paths.dialog_wav_path(plan.root, w.dialog)),
    output:
        clips=directory("results/<corpus>/clips/audio/{dialog}"),
        manifest="results/<corpus>/clips/audio/{dialog}.manifest.tsv",
    log:
        "results/<corpus>/logs/cut_audio/{dialog}.log",
    benchmark:
        "results/<corpus>/benchmarks/cut_audio/{dialog}.tsv"
    group:
        "clips"
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
        on_missing=config["corpus"]["on_missing"],
    params:
        code=fingerprint("cut_audio"),
        times=turn_times,
    script:
        "../scripts/cut_audio.py"


rule cut_video:
    input:
        labels=label_file,
        avi=lambda w: plan.existing(paths.avi_path(plan.root, w.dialog)),
    output:
        clips=directory("<video_clips>/video/{dialog}"),
        manifest="<video_clips>/video/{dialog}.manifest.tsv",
    log:
        "results/<corpus>/logs/cut_video/{dialog}.log",
    benchmark:
        "results/<corpus>/benchmarks/cut_video/{dialog}.tsv"
    group:
        "clips"
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
        on_missing=config["corpus"]["on_missing"],
    params:
        code=fingerprint("cut_video"),
        times=turn_times,
        crop=config["clips"]["crop"],
    script:
        "../scripts/cut_video.py"
