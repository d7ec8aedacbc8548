from emofuse.job import job
from emofuse.selection import choose_encoder

with job(snakemake.log[0]):
    choose_encoder(snakemake.input[0], snakemake.params.on, snakemake.output[0])
