from emofuse.clips.small import shrink_clips
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    shrink_clips(
        snakemake.params.clips,
        snakemake.input.manifest,
        snakemake.params.size,
        snakemake.output.clips,
        snakemake.output.manifest,
    )
