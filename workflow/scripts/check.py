from emofuse.clips.summary import summarise
from emofuse.runtime.job import job

with job(snakemake.log[0]) as terminal:
    summary = summarise(
        snakemake.input.turns,
        snakemake.input.words,
        snakemake.input.media,
        list(snakemake.input.problems),
        snakemake.params.clips,
        snakemake.params.classes,
    )
    print(summary)
    print(f"\n{summary}\n", file=terminal)
