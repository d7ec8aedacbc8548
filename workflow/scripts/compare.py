from emofuse.report.compare import make_comparison
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    make_comparison(
        results=snakemake.params.results,
        corpus=snakemake.params.corpus,
        names=snakemake.params.runs,
        notice=snakemake.params.notice,
        page=snakemake.output.page,
    )
