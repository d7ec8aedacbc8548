from emofuse.job import job
from emofuse.selection import compare_encoders

with job(snakemake.log[0]):
    compare_encoders(
        split=snakemake.input.split,
        embeddings=snakemake.input.embeddings,
        trainings=snakemake.input.trainings,
        output=snakemake.output[0],
    )
