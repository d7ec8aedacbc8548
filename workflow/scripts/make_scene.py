from emofuse.report.run import Run
from emofuse.report.scene import make_scene
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    found, params = snakemake.input, snakemake.params
    make_scene(
        run=Run(params.corpus, params.run, params.notice, params.facts),
        splits=list(found.splits),
        evaluations=params.evaluations,
        scenes=found.scenes,
        page=snakemake.output.page,
    )
