from emofuse.report.building import make_tables
from emofuse.report.card import protocol_card
from emofuse.report.sources import Sources
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    facts = snakemake.params.facts
    make_tables(
        sources=Sources(
            evaluation=snakemake.params.evaluation,
            modalities=snakemake.params.modalities,
            classes=list(facts["classes"]),
            final_system=facts["final_system"],
            selection=list(snakemake.input.selection),
            systems=facts["systems"],
            references=next(iter(snakemake.input.references), None),
        ),
        folder=snakemake.params.folder,
        card=protocol_card(facts, list(snakemake.input.splits)),
    )
