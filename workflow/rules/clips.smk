"""Cut clips, one job a dialog and modality. In: a dialog's labels (for the times), transcript, wavs, avi. Out: a clip a turn.

The label file is ancient() and its turn times are a param instead, so that a corrected emotion label cuts nothing again.
Nothing that a job makes is ancient() here: Snakemake 9.27 overlooks a job's own reasons to run in an invocation that also
remakes one of its ancient inputs.
"""

from functools import cache

from snakemake.logging import logger

from emofuse.corpora.iemocap import labels, paths

# Snakemake does not look inside a directory() output; a deleted clip would go unnoticed until a training fails on it.
if workflow.is_main_process:
    with mistakes_as_messages():
        for manifest, gone in plan.missing_clips():
            told = f"{', '.join(gone[:3])}, {len(gone)} in all"
            logger.warning(f"Clips of {manifest} are gone ({told}): made again.")
            manifest.unlink()


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


if config["clips"]["small"]:

    # From the clips and not in the same pass over the avi: another size shall cut nothing again.
    rule shrink_video:
        input:
            manifest="<video_clips>/video/{dialog}.manifest.tsv",
        output:
            clips=directory("<small_clips>/video/{dialog}"),
            manifest="<small_clips>/video/{dialog}.manifest.tsv",
        log:
            "results/<corpus>/logs/shrink_video/{dialog}.log",
        benchmark:
            "results/<corpus>/benchmarks/shrink_video/{dialog}.tsv"
        group:
            "clips"
        conda:
            "../../envs/emofuse.yaml"
        resources:
            mem_mb=1000,
            runtime=30,
        params:
            code=fingerprint("shrink_video"),
            clips=plan.clips_root("video"),
            size=config["clips"]["small"],
        script:
            "../scripts/shrink_video.py"


rule clips:
    """Target: every clip of the modalities in the run."""
    input:
        plan.all_manifests,
