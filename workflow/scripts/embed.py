import gc
import os
from pathlib import Path

gc.disable()  # until the job begins: a sixth of the time of importing is looking for garbage where there is none
os.environ["HF_HUB_OFFLINE"] = "1"  # before Transformers is imported: encoders are local, compute nodes have no network

from emofuse.encoders.embedding import embed
from emofuse.encoders.settings import Data, granted_workers
from emofuse.runtime.gpus import lease_gpu
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    given, params, resources = snakemake.input, snakemake.params, snakemake.resources
    lease_gpu(resources.device, jobs=resources.jobs_per_gpu)
    embed(
        turns=given.turns,
        data=Data(given.split, given.manifests, params.clips),
        folder=Path(given.encoder[0]).parent,
        threads=params.threads,
        device=resources.device,
        workers=granted_workers(resources.loader_workers, snakemake.threads, params.threads),
        sharing=resources.jobs_per_gpu,
        output=snakemake.output[0],
    )
