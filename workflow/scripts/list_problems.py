from emofuse.corpora.problems import merge_problems
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    merge_problems(
        list(snakemake.input),
        snakemake.output[0],
    )
