import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before Transformers is imported: encoders are local, compute nodes have no network

from emofuse.encoders.frozen import embed_frozen
from emofuse.encoders.settings import Data, Encoder
from emofuse.runtime.gpus import lease_gpu
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    given, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
    if params.model:
        lease_gpu(snakemake.resources.device)
    embed_frozen(
        given.turns,
        Encoder(wildcards.modality, wildcards.encoder, params.settings, params.model, given.model),
        Data(None, given.manifests, params.clips, params.small),
        machine={"device": snakemake.resources.device, "workers": snakemake.resources.loader_workers},
        threads=params.threads,
        drop=snakemake.resources.on_missing == "drop",
        output=snakemake.output[0],
    )
