from emofuse.evaluation.scores import ScoreFiles, evaluate
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    evaluate(
        predictions=snakemake.input.predictions,
        splits=snakemake.input.splits,
        final_system=snakemake.params.final_system,
        files=ScoreFiles(**dict(snakemake.output.items())),
    )
