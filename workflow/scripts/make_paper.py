from emofuse.report.card import protocol_card
from emofuse.report.paper import make_paper
from emofuse.report.run import Run
from emofuse.report.sources import Sources
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    facts = snakemake.params.facts
    make_paper(
        run=Run(snakemake.params.corpus, snakemake.params.run, snakemake.params.notice, facts),
        sources=Sources(
            evaluation=snakemake.params.evaluation,
            modalities=snakemake.params.modalities,
            classes=list(facts["classes"]),
            final_system=facts["final_system"],
            selection=list(snakemake.input.selection),
        ),
        card=protocol_card(facts, list(snakemake.input.splits)),
        numbers=snakemake.input.numbers,
        figures=snakemake.input.figures,
        pca_split=snakemake.params.pca_split,
        settings=snakemake.params.settings,
        page=snakemake.output.page,
    )
