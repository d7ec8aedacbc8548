from emofuse.corpora.labels import index_turns
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    index_turns(
        snakemake.params.root,
        snakemake.params.dialogs,
        snakemake.resources.on_missing,
        snakemake.output.turns,
        snakemake.output.problems,
        counts_path=snakemake.input.counts if snakemake.resources.assert_counts else None,
        dialog_list_path=snakemake.input.release,
    )
