import gc
import os
from pathlib import Path

gc.disable()  # until the job begins: a sixth of the time of importing is looking for garbage where there is none
os.environ["HF_HUB_OFFLINE"] = "1"  # before Transformers is imported: encoders are local, compute nodes have no network

from emofuse.encoders.embedding import embed
from emofuse.encoders.settings import Data
from emofuse.runtime.gpus import lease_gpu
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    lease_gpu(snakemake.resources.device)
    given = snakemake.input
    embed(
        turns=given.turns,
        data=Data(given.split, given.manifests, snakemake.params.clips),
        folder=Path(given.encoder[0]).parent,
        threads=snakemake.params.threads,
        device=snakemake.resources.device,
        workers=snakemake.resources.loader_workers,
        output=snakemake.output[0],
    )
