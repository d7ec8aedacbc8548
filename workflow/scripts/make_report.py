from emofuse.report.report import make_report
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    make_report(
        corpus=snakemake.params.corpus,
        run=snakemake.params.run,
        notice=snakemake.params.notice,
        facts=snakemake.params.facts,
        turns=snakemake.input.turns,
        splits=list(snakemake.input.splits),
        embeddings=snakemake.input.embeddings,
        trainings=snakemake.input.trainings,
        selection=list(snakemake.input.selection),
        evaluations=snakemake.params.evaluations,
        problems=snakemake.input.problems,
        figures=snakemake.params.figures,
        pca_split=snakemake.params.pca_split,
        benchmarks=snakemake.params.benchmarks,
        output=snakemake.output[0],
    )
