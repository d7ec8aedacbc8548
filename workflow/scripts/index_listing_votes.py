from emofuse.corpora.listing import read_listing
from emofuse.corpora.listing_index import index_votes
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    index_votes(
        read_listing(snakemake.params.corpus),
        snakemake.output.votes,
        snakemake.output.problems,
    )
