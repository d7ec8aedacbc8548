import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # before Transformers is imported: encoders are local, compute nodes have no network

from emofuse.encoders.embedding import embed
from emofuse.runtime.gpus import lease_gpu
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    lease_gpu(snakemake.resources.device)
    embed(
        turns=snakemake.input.turns,
        split=snakemake.input.split,
        manifests=snakemake.input.manifests,
        clips=snakemake.params.clips,
        encoder_folder=Path(snakemake.input.encoder[0]).parent,
        modality=snakemake.wildcards.modality,
        encoder=snakemake.wildcards.encoder,
        split_name=snakemake.wildcards.split,
        seed=int(snakemake.wildcards.seed),
        threads=snakemake.params.threads,
        machine={key: snakemake.resources[key] for key in ("device", "loader_workers")},
        output=snakemake.output[0],
    )
