from emofuse.clips.text import cut_text
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    cut_text(
        snakemake.wildcards.dialog,
        snakemake.input.labels,
        next(iter(snakemake.input.transcript), None),
        snakemake.output.clips,
        snakemake.output.manifest,
        snakemake.resources.on_missing,
    )
