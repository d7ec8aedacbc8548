from emofuse.classification import classify
from emofuse.job import job

with job(snakemake.log[0]):
    classify(
        embeddings=dict(zip(snakemake.params.modalities, snakemake.input.embeddings, strict=True)),
        split_path=snakemake.input.split,
        classifier=snakemake.params.classifier,
        settings=snakemake.params.settings,
        seed=int(snakemake.wildcards.seed),
        threads=snakemake.params.threads,
        outputs=dict(zip(snakemake.params.systems, snakemake.output, strict=True)),
    )
