import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before Transformers is imported: encoders are local, compute nodes have no network

from emofuse.job import job
from emofuse.proof import check_encoders

with job(snakemake.log[0]):
    check_encoders(snakemake.params.encoders, snakemake.threads, snakemake.output[0])
