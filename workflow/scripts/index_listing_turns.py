from emofuse.corpora.listing import read_listing
from emofuse.corpora.listing_index import index_turns
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    index_turns(
        read_listing(snakemake.params.corpus),
        snakemake.params.folds,
        snakemake.resources.on_missing,
        snakemake.output.turns,
        snakemake.output.problems,
    )
