from emofuse.corpora.votes import index_votes
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    index_votes(
        snakemake.params.root,
        snakemake.params.dialogs,
        snakemake.input.turns,
        snakemake.output.votes,
        snakemake.output.problems,
    )
