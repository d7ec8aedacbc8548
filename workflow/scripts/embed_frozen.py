import gc
import os

gc.disable()  # until the job begins: a sixth of the time of importing is looking for garbage where there is none
os.environ["HF_HUB_OFFLINE"] = "1"  # before Transformers is imported: encoders are local, compute nodes have no network

from emofuse.encoders.frozen import embed_frozen
from emofuse.encoders.settings import Data, Encoder, Machine, granted_workers
from emofuse.runtime.gpus import lease_gpu
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    given, params, resources = snakemake.input, snakemake.params, snakemake.resources
    wildcards = snakemake.wildcards
    if params.model:
        lease_gpu(resources.device, jobs=resources.jobs_per_gpu)
    embed_frozen(
        given.turns,
        Encoder(wildcards.modality, wildcards.encoder, params.settings, params.model, given.model),
        Data(None, given.manifests, params.clips, params.small),
        machine=Machine(
            resources.device,
            granted_workers(resources.loader_workers, snakemake.threads, params.threads),
            resources.jobs_per_gpu,
        ),
        threads=params.threads,
        drop=resources.on_missing == "drop",
        output=snakemake.output[0],
        sequences=(params.sequences, snakemake.output.sequences) if params.sequences else None,
    )
