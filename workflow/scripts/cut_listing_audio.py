from emofuse.clips.spans import cut_audio

from emofuse.corpora.listing import read_listing
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    read = read_listing(snakemake.params.corpus)
    cut_audio(
        read.by_unit[snakemake.wildcards.dialog],
        read.base,
        snakemake.output.clips,
        snakemake.output.manifest,
        snakemake.resources.on_missing,
    )
