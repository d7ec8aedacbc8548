from emofuse.demo_release import write_dialog
from emofuse.job import job

with job(snakemake.log[0]):
    write_dialog(
        snakemake.params.root,
        snakemake.wildcards.dialog,
        snakemake.params.seed,
    )
