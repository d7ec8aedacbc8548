from emofuse.demo.motion import write_motion
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    write_motion(
        snakemake.params.root,
        snakemake.wildcards.dialog,
        snakemake.params.seed,
    )
