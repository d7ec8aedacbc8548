from pathlib import Path

from emofuse.encoders.hub import download_encoder
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    download_encoder(
        model=snakemake.params.model,
        revision=snakemake.wildcards.revision,
        modality=snakemake.params.modality,
        encoder=snakemake.resources.encoder,
        folder=Path(snakemake.output[0]).parent,
    )
