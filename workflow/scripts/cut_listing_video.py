from dataclasses import replace

from emofuse.clips.spans import cut_video

from emofuse.corpora.listing import read_listing
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    read = read_listing(snakemake.params.corpus)
    rows = read.by_unit[snakemake.wildcards.dialog]
    if snakemake.params.crop == "full":
        rows = [replace(row, crop=None) for row in rows]
    cut_video(
        rows,
        read.base,
        snakemake.output.clips,
        snakemake.output.manifest,
        snakemake.resources.on_missing,
    )
