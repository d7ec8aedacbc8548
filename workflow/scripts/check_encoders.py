import gc
import os

gc.disable()  # until the job begins: a sixth of the time of importing is looking for garbage where there is none
os.environ["HF_HUB_OFFLINE"] = "1"  # before Transformers is imported: encoders are local, compute nodes have no network

from emofuse.encoders.proof import check_encoders
from emofuse.fusion.alignment import check_widths
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    proven = check_encoders(snakemake.params.encoders, snakemake.threads, snakemake.output[0])
    check_widths({found["encoder"]: found["width"] for found in proven}, **snakemake.params.fused)
