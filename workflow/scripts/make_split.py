from emofuse.runtime.job import job
from emofuse.splits.parts import make_split

with job(snakemake.log[0]):
    make_split(
        turns=snakemake.input.turns,
        split=snakemake.wildcards.split,
        sessions=snakemake.params.sessions,
        classes=snakemake.params.classes,
        subset=snakemake.params.subset,
        rule=snakemake.params.rule,
        share=snakemake.params.share,
        seed=snakemake.params.seed,
        groups=snakemake.params.groups,
        output=snakemake.output.split,
    )
