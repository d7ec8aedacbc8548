from emofuse.card import run_card
from emofuse.job import job
from emofuse.tables import make_protocols_table

with job(snakemake.log[0]):
    make_protocols_table(
        evaluations=snakemake.params.evaluations,
        folder=snakemake.params.folder,
        card=run_card(snakemake.params.facts, list(snakemake.input.splits)),
    )
