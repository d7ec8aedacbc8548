from emofuse.demo.release import write_dialog
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    write_dialog(
        snakemake.params.root,
        snakemake.wildcards.dialog,
        snakemake.params.seed,
    )
