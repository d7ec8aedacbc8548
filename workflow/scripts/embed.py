import gc
import os
from pathlib import Path

gc.disable()  # until the job begins: a sixth of the time of importing is looking for garbage where there is none
os.environ["HF_HUB_OFFLINE"] = "1"  # before Transformers is imported: encoders are local, compute nodes have no network

from emofuse.encoders.embedding import embed
from emofuse.encoders.settings import Data, Machine, granted_workers
from emofuse.runtime.gpus import lease_gpu
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    given, params, resources = snakemake.input, snakemake.params, snakemake.resources
    lease_gpu(resources.device, jobs=resources.jobs_per_gpu)
    embed(
        turns=given.turns,
        data=Data(given.split, given.manifests, params.clips),
        folder=Path(given.encoder[0]).parent,
        machine=Machine(
            resources.device,
            granted_workers(resources.loader_workers, snakemake.threads, params.threads),
            resources.jobs_per_gpu,
        ),
        threads=params.threads,
        output=snakemake.output[0],
        sequences=(params.sequences, snakemake.output.sequences) if params.sequences else None,
    )
