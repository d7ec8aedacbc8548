from pathlib import Path

from emofuse.job import job
from emofuse.training import fine_tune

with job(snakemake.log[0]):
    fine_tune(
        split=snakemake.input.split,
        manifests=snakemake.input.manifests,
        clips=snakemake.params.clips,
        modality=snakemake.wildcards.modality,
        encoder=snakemake.wildcards.encoder,
        settings=snakemake.params.settings,
        training=snakemake.params.training,
        machine={key: snakemake.resources[key] for key in ("device", "loader_workers", "cache_mb")},
        seed=int(snakemake.wildcards.seed),
        output=Path(snakemake.output.training).parent,
        state=snakemake.params.state,
        tensorboard=snakemake.params.tensorboard,
        code=snakemake.params.code,
        like=snakemake.input.like or None,
        model_files=snakemake.input.model,
    )
