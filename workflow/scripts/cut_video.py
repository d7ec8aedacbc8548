from emofuse.clips.video import cut_video
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    cut_video(
        snakemake.wildcards.dialog,
        snakemake.input.labels,
        next(iter(snakemake.input.avi), None),
        snakemake.output.clips,
        snakemake.output.manifest,
        snakemake.params.crop,
        snakemake.resources.on_missing,
    )
