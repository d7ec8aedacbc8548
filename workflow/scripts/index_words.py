from emofuse.job import job
from emofuse.words import index_words

with job(snakemake.log[0]):
    index_words(
        snakemake.params.root,
        snakemake.params.dialogs,
        snakemake.input.turns,
        snakemake.resources.on_missing,
        snakemake.output.words,
        snakemake.output.problems,
    )
