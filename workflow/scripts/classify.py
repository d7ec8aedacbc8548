from emofuse.classification import classify
from emofuse.job import job


def by_modality(paths):
    """{modality: path} for the embeddings of one split."""
    return dict(zip(snakemake.params.labels, paths, strict=True))


with job(snakemake.log[0]):
    anew = snakemake.input.refit_split
    classify(
        embeddings=by_modality(snakemake.input.embeddings),
        labels=snakemake.params.labels,
        split_path=snakemake.input.split,
        classifier=snakemake.params.classifier,
        settings=snakemake.params.settings,
        seed=int(snakemake.wildcards.seed),
        threads=snakemake.params.threads,
        outputs=dict(zip(snakemake.params.systems, snakemake.output, strict=True)),
        refit=(by_modality(snakemake.input.refit_embeddings), anew) if anew else None,
    )
