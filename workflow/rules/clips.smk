"""What is made of clips when they are cut (iemocap.smk, listing.smk). In: video clips. Out: their small copies; target clips."""

from snakemake.logging import logger

# Snakemake does not look inside a directory() output; a deleted clip would go unnoticed until a training fails on it.
if workflow.is_main_process:
    with mistakes_as_messages():
        for manifest, gone in plan.missing_clips():
            told = f"{', '.join(gone[:3])}, {len(gone)} in all"
            logger.warning(f"Clips of {manifest} are gone ({told}): made again.")
            manifest.unlink()


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
