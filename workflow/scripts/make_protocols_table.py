from emofuse.report.card import run_card
from emofuse.report.protocols import make_protocols_table
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    make_protocols_table(
        evaluations=snakemake.params.evaluations,
        folder=snakemake.params.folder,
        card=run_card(snakemake.params.facts, list(snakemake.input.splits)),
    )
