from emofuse.corpora.listing import read_listing
from emofuse.corpora.listing_index import index_words
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    index_words(
        read_listing(snakemake.params.corpus),
        snakemake.resources.on_missing,
        snakemake.output.words,
        snakemake.output.problems,
    )
