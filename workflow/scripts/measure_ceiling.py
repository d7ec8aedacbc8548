from emofuse.evaluation.ceiling import measure_ceiling
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    measure_ceiling(
        predictions=snakemake.input.predictions,
        splits=snakemake.input.splits,
        corpus={"turns": snakemake.input.turns, "votes": snakemake.input.votes},
        classes=snakemake.params.classes,
        final_system=snakemake.params.final_system,
        output=snakemake.output[0],
    )
