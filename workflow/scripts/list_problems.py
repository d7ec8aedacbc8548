from emofuse.job import job
from emofuse.problems import merge_problems

with job(snakemake.log[0]):
    merge_problems(
        list(snakemake.input),
        snakemake.output[0],
    )
