from emofuse.clips.audio import cut_audio
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    cut_audio(
        snakemake.wildcards.dialog,
        snakemake.input.labels,
        list(snakemake.input.sentences),
        next(iter(snakemake.input.wav), None),
        snakemake.output.clips,
        snakemake.output.manifest,
        snakemake.resources.on_missing,
    )
