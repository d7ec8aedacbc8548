from emofuse.corpora.media_index import index_listing_media

from emofuse.corpora.listing import read_listing
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    index_listing_media(
        read_listing(snakemake.params.corpus),
        snakemake.params.on_missing,
        snakemake.output.media,
        snakemake.output.problems,
        threads=snakemake.threads,
    )
