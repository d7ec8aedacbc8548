import gc
import os
from dataclasses import fields
from pathlib import Path

gc.disable()  # until the job begins: a sixth of the time of importing is looking for garbage where there is none
os.environ["HF_HUB_OFFLINE"] = "1"  # before Transformers is imported: encoders are local, compute nodes have no network

from emofuse.encoders.settings import Computing, Data, Encoder, Machine, Traces
from emofuse.encoders.training import fine_tune
from emofuse.runtime.gpus import lease_gpu
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    lease_gpu(snakemake.resources.device)
    given, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
    fine_tune(
        Encoder(wildcards.modality, wildcards.encoder, params.settings, params.model, given.model),
        Data(given.split, given.manifests, params.clips, params.small),
        Computing(**params.training),
        Machine(**{field.name: snakemake.resources[field.name] for field in fields(Machine)}),
        seed=int(wildcards.seed),
        output=Path(snakemake.output.training).parent,
        traces=Traces(params.state, params.tensorboard, params.code),
        like=given.like or None,
    )
