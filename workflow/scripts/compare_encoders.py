from emofuse.evaluation.selection import compare_encoders
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    compare_encoders(
        split=snakemake.input.split,
        embeddings=snakemake.input.embeddings,
        trainings=snakemake.input.trainings,
        output=snakemake.output[0],
    )
