from emofuse.report.drawing import make_figures
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    make_figures(
        splits=snakemake.input.splits,
        histories=snakemake.input.histories,
        embeddings=snakemake.input.embeddings,
        pca_split=snakemake.params.pca_split,
        evaluation=snakemake.params.evaluation,
        folder=snakemake.params.folder,
        modalities=snakemake.params.modalities,
        classes=snakemake.params.classes,
    )
