from emofuse.report.robustness import make_robustness
from emofuse.report.run import Run
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    found, params = snakemake.input, snakemake.params
    make_robustness(
        run=Run(params.corpus, params.run, params.notice, params.facts),
        splits=list(found.splits),
        scores=found.scores,
        page=snakemake.output.page,
    )
