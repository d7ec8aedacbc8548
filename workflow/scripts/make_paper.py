from emofuse.report.card import protocol_card
from emofuse.report.paper import make_paper
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    facts = snakemake.params.facts
    make_paper(
        evaluation=snakemake.params.evaluation,
        card=protocol_card(facts, list(snakemake.input.splits)),
        selection=list(snakemake.input.selection),
        numbers=snakemake.input.numbers,
        figures=snakemake.input.figures,
        page=snakemake.output.page,
        corpus=snakemake.params.corpus,
        run=snakemake.params.run,
        notice=snakemake.params.notice,
        modalities=snakemake.params.modalities,
        classes=list(facts["classes"]),
        final_system=facts["final_system"],
        pca_split=snakemake.params.pca_split,
        leaks=facts["leaks"],
        settings=snakemake.params.settings,
    )
