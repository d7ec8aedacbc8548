from emofuse.robustness.scoring import score
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    given = snakemake.input
    score(list(given.answers), list(given.splits), snakemake.output[0], snakemake.params.untried)
