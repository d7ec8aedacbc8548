from emofuse.report.card import protocol_card
from emofuse.report.tables import make_tables
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    facts = snakemake.params.facts
    make_tables(
        evaluation=snakemake.params.evaluation,
        selection=list(snakemake.input.selection),
        folder=snakemake.params.folder,
        modalities=snakemake.params.modalities,
        classes=list(facts["classes"]),
        card=protocol_card(facts, list(snakemake.input.splits)),
        final_system=facts["final_system"],
    )
