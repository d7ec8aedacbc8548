from emofuse.job import job
from emofuse.tables import make_tables

with job(snakemake.log[0]):
    make_tables(
        scores=snakemake.input.scores[0],
        per_class=snakemake.input.per_class,
        selection=list(snakemake.input.selection),
        folder=snakemake.params.folder,
        modalities=snakemake.params.modalities,
        classes=snakemake.params.classes,
        final_system=snakemake.params.final_system,
    )
