from emofuse.fusion.classification import classify
from emofuse.runtime.job import job


def sources(splits, embeddings, trainings):
    """(embeddings, trainings, split file) of each split; the rule lists the modalities of the first, then the second's."""
    labels = list(snakemake.params.labels)

    def of(paths, number):
        return dict(zip(labels, paths[number * len(labels) :][: len(labels)], strict=True))

    return [(of(embeddings, number), of(trainings, number), split) for number, split in enumerate(splits)]


with job(snakemake.log[0]):
    given = snakemake.input
    [(embeddings, trainings, split)] = sources([given.split], given.embeddings, given.trainings)
    refit = sources(given.refit_split, given.refit_embeddings, given.refit_trainings)
    classify(
        embeddings=embeddings,
        trainings=trainings,
        labels=snakemake.params.labels,
        split_path=split,
        classifier=snakemake.wildcards.classifier,
        settings=snakemake.params.settings,
        early=snakemake.params.early,
        train_vectors=snakemake.params.train_vectors,
        seed=int(snakemake.wildcards.seed),
        threads=snakemake.params.threads,
        output=snakemake.output[0],
        refit=refit[0] if refit else None,
        folds=sources(given.held_out_splits, given.held_out_embeddings, given.held_out_trainings),
    )
