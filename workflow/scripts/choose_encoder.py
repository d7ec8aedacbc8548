from emofuse.evaluation.selection import choose_encoder
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    choose_encoder(snakemake.input[0], snakemake.params.on, snakemake.output[0])
