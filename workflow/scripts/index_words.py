from emofuse.corpora.words import index_words
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    index_words(
        snakemake.params.root,
        snakemake.params.dialogs,
        snakemake.input.turns,
        snakemake.resources.on_missing,
        snakemake.output.words,
        snakemake.output.problems,
    )
