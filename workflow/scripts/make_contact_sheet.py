from emofuse.report.contact import make_contact_sheet
from emofuse.report.run import Run
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    params, made = snakemake.params, snakemake.output
    make_contact_sheet(
        run=Run(params.corpus, "", params.notice, {"leaks": {}}),
        watched=list(snakemake.input),
        page=made.page,
        numbers=made.numbers,
        problems=made.problems,
    )
