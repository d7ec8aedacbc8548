import gc
import os

gc.disable()  # until the job begins: a sixth of the time of importing is looking for garbage where there is none
os.environ["HF_HUB_OFFLINE"] = "1"  # before Transformers is imported: encoders are local, compute nodes have no network

from emofuse.encoders.proof import check_encoders
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    check_encoders(snakemake.params.encoders, snakemake.threads, snakemake.output[0])
