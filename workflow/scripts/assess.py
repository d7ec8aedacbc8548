from emofuse.evaluation.assessment import AssessmentFiles, assess
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    assess(
        predictions=snakemake.input.predictions,
        splits=snakemake.input.splits,
        words=snakemake.input.words or None,
        final_system=snakemake.params.final_system,
        pairs=[tuple(pair) for pair in snakemake.params.pairs],
        motion=next(iter(snakemake.input.motion), None),
        files=AssessmentFiles(**dict(snakemake.output.items())),
    )
