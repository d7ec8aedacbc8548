from emofuse.demo_encoders import write_encoder
from emofuse.job import job

with job(snakemake.log[0]):
    write_encoder(
        snakemake.params.encoder,
        snakemake.params.folder,
        snakemake.params.seed,
    )
