"""Cut clips, one job a dialog and modality. In: a dialog's labels (for the times), transcript, wavs, avi. Out: a clip a turn.

The label file is ancient() and its turn times are a param instead, so that a corrected emotion label cuts nothing again.
problems.tsv is ancient() because clips wait for the whole release to be read, but not for it to be unchanged.
"""


def turn_times(wildcards, input):
    """Hash of the dialog's turn ids and times."""
    return mistakes_as_messages(release.times_digest, input.labels, wildcards.dialog)


rule cut_text:
    input:
        labels=lambda w: ancient(str(release.label_path(ROOT, w.dialog))),
        transcript=lambda w: existing(release.transcript_path(ROOT, w.dialog)),
        problems=ancient("results/<corpus>/problems.tsv"),
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
    params:
        code=fingerprint("cut_text"),
        times=turn_times,
        on_missing=config["corpus"]["on_missing"],
    script:
        "../scripts/cut_text.py"


rule cut_audio:
    input:
        labels=lambda w: ancient(str(release.label_path(ROOT, w.dialog))),
        sentences=lambda w: sentence_wavs(w.dialog),
        wav=lambda w: existing(release.dialog_wav_path(ROOT, w.dialog)),
        problems=ancient("results/<corpus>/problems.tsv"),
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
    params:
        code=fingerprint("cut_audio"),
        times=turn_times,
        on_missing=config["corpus"]["on_missing"],
    script:
        "../scripts/cut_audio.py"


rule cut_video:
    input:
        labels=lambda w: ancient(str(release.label_path(ROOT, w.dialog))),
        avi=lambda w: existing(release.avi_path(ROOT, w.dialog)),
        problems=ancient("results/<corpus>/problems.tsv"),
    output:
        clips=directory("results/<corpus>/clips/video/{dialog}"),
        manifest="results/<corpus>/clips/video/{dialog}.manifest.tsv",
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
    params:
        code=fingerprint("cut_video"),
        times=turn_times,
        crop=config["clips"]["crop"],
        on_missing=config["corpus"]["on_missing"],
    script:
        "../scripts/cut_video.py"


rule clips:
    """Target: every clip of the modalities in the run."""
    input:
        [path for modality in MODALITIES for path in manifests(modality)],
