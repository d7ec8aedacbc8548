from emofuse.report.report import Corpus, Encoders, Figures, Results, make_report
from emofuse.report.run import Run
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    found, params = snakemake.input, snakemake.params
    make_report(
        run=Run(params.corpus, params.run, params.notice, params.facts, next(iter(found.references), None)),
        corpus=Corpus(found.turns, found.votes, next(iter(found.words), None), list(found.problems), params.clips),
        splits=list(found.splits),
        encoders=Encoders(found.embeddings, found.trainings, list(found.selection)),
        results=Results(params.evaluations, list(found.predictions)),
        figures=Figures(params.figures, params.pca_split),
        benchmarks=params.benchmarks,
        output=snakemake.output.page,
    )
