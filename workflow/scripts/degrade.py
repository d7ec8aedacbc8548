import gc
import os
from pathlib import Path

gc.disable()  # until the job begins: a sixth of the time of importing is looking for garbage where there is none
os.environ["HF_HUB_OFFLINE"] = "1"  # before Transformers is imported: encoders are local, compute nodes have no network

from emofuse.encoders.settings import Machine, granted_workers
from emofuse.robustness.speaking import Conditions, Corpus, Trained, degrade
from emofuse.runtime.gpus import lease_gpu
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    given, params, resources = snakemake.input, snakemake.params, snakemake.resources
    lease_gpu(resources.device, jobs=resources.jobs_per_gpu)
    manifests = {snakemake.wildcards.modality: list(given.manifests)}
    if given.sound:
        manifests["audio"] = list(given.sound)
    degrade(
        Trained(given.split, given.store, Path(given.training).parent, params.pretrained),
        Corpus(given.turns, params.clips, manifests, params.small),
        Conditions(params.severities, params.seed, params.asr),
        Machine(
            resources.device,
            granted_workers(resources.loader_workers, snakemake.threads, params.threads),
            resources.jobs_per_gpu,
        ),
        params.threads,
        snakemake.output[0],
    )
