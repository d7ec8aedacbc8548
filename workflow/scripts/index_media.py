from emofuse.corpora.recordings import index_media
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    index_media(
        snakemake.params.root,
        snakemake.params.dialogs,
        snakemake.input.turns,
        snakemake.params.on_missing,
        snakemake.output.media,
        snakemake.output.problems,
        threads=snakemake.threads,
    )
