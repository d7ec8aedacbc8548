from emofuse.evaluation.record import keep_record
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    params = snakemake.params
    keep_record(
        made={
            "code": dict(params.results_code),
            "leaks": params.leaks,
            "notice": params.notice,
            "config": params.config,
        },
        scores=dict(zip(params.protocols, snakemake.input.scores, strict=True)),
        output=snakemake.output[0],
    )
