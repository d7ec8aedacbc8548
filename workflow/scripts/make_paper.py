from emofuse.job import job
from emofuse.paper import make_paper

with job(snakemake.log[0]):
    make_paper(
        scores=snakemake.input.scores[0],
        per_class=snakemake.input.per_class,
        selection=list(snakemake.input.selection),
        numbers=snakemake.input.numbers,
        figures=snakemake.input.figures,
        page=snakemake.output.page,
        corpus=snakemake.params.corpus,
        run=snakemake.params.run,
        notice=snakemake.params.notice,
        modalities=snakemake.params.modalities,
        classes=snakemake.params.classes,
        final_system=snakemake.params.final_system,
        pca_split=snakemake.params.pca_split,
        leaks=snakemake.params.leaks,
        settings=snakemake.params.settings,
    )
