from emofuse.clips.stills import watch_rows
from emofuse.corpora.listing import read_listing
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    watch_rows(
        read_listing(snakemake.params.corpus),
        snakemake.wildcards.dialog,
        snakemake.output[0],
        snakemake.resources.on_missing,
    )
