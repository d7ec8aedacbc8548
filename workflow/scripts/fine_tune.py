import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # before Transformers is imported: encoders are local, compute nodes have no network

from emofuse.encoders.training import fine_tune
from emofuse.runtime.gpus import lease_gpu
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    lease_gpu(snakemake.resources.device)
    fine_tune(
        split=snakemake.input.split,
        manifests=snakemake.input.manifests,
        clips=snakemake.params.clips,
        modality=snakemake.wildcards.modality,
        encoder=snakemake.wildcards.encoder,
        model=snakemake.params.model,
        settings=snakemake.params.settings,
        training=snakemake.params.training,
        machine={
            key: snakemake.resources[key]
            for key in ("device", "loader_workers", "cache_mb", "gradient_checkpointing", "checkpoint_minutes")
        },
        seed=int(snakemake.wildcards.seed),
        output=Path(snakemake.output.training).parent,
        state=snakemake.params.state,
        tensorboard=snakemake.params.tensorboard,
        code=snakemake.params.code,
        like=snakemake.input.like or None,
        model_files=snakemake.input.model,
    )
