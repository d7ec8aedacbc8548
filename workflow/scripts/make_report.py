from emofuse.job import job
from emofuse.report import make_report

with job(snakemake.log[0]):
    make_report(
        corpus=snakemake.params.corpus,
        run=snakemake.params.run,
        notice=snakemake.params.notice,
        protocol=snakemake.params.protocol,
        final_system=snakemake.params.final_system,
        turns=snakemake.input.turns,
        splits=snakemake.input.splits,
        embeddings=snakemake.input.embeddings,
        trainings=snakemake.input.trainings,
        selection=list(snakemake.input.selection),
        scores=snakemake.input.scores,
        per_class=snakemake.input.per_class,
        chosen=snakemake.input.chosen,
        problems=snakemake.input.problems,
        figures=snakemake.params.figures,
        pca_split=snakemake.params.pca_split,
        benchmarks=snakemake.params.benchmarks,
        output=snakemake.output[0],
    )
