from emofuse.runtime.job import job
from emofuse.splits.parts import make_split
from emofuse.splits.rules import Scheme

with job(snakemake.log[0]):
    make_split(
        turns=snakemake.input.turns,
        split=snakemake.wildcards.split,
        classes=snakemake.params.classes,
        subset=snakemake.params.subset,
        scheme=Scheme(**snakemake.params.scheme),
        output=snakemake.output.split,
    )
