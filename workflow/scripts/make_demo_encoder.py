import gc

gc.disable()  # until the job begins: a sixth of the time of importing is looking for garbage where there is none

from emofuse.demo.encoders import write_encoder
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    write_encoder(
        snakemake.params.encoder,
        snakemake.params.folder,
        snakemake.params.seed,
    )
