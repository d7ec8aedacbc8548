import gc
import os
from dataclasses import fields
from pathlib import Path

gc.disable()  # until the job begins: a sixth of the time of importing is looking for garbage where there is none
os.environ["HF_HUB_OFFLINE"] = "1"  # before Transformers is imported: encoders are local, compute nodes have no network

from emofuse.encoders.settings import Computing, Data, Encoder, Machine, Traces, granted_workers
from emofuse.encoders.training import fine_tune
from emofuse.runtime.gpus import lease_gpu
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    given, params, wildcards, resources = snakemake.input, snakemake.params, snakemake.wildcards, snakemake.resources
    lease_gpu(resources.device, jobs=resources.jobs_per_gpu)
    machine = {field.name: resources[field.name] for field in fields(Machine)}
    machine["loader_workers"] = granted_workers(resources.loader_workers, snakemake.threads, params.training["threads"])
    fine_tune(
        Encoder(wildcards.modality, wildcards.encoder, params.settings, params.model, given.model),
        Data(given.split, given.manifests, params.clips, params.small, given.turns or None),
        Computing(**params.training),
        Machine(**machine),
        seed=int(wildcards.seed),
        output=Path(snakemake.output.training).parent,
        traces=Traces(params.state, params.tensorboard, params.code),
        like=given.like or None,
    )
