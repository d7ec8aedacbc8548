from emofuse.fusion.classification import Source, classify
from emofuse.fusion.ensemble import Method
from emofuse.fusion.unlabelled import unlabelled_turns
from emofuse.runtime.job import job


def sources(splits, embeddings, trainings):
    """The Source of each split; the rule lists the modalities of the first, then the second's."""
    labels = list(snakemake.params.labels)

    def of(paths, number):
        return dict(zip(labels, paths[number * len(labels) :][: len(labels)], strict=True))

    return [Source(of(embeddings, number), of(trainings, number), split) for number, split in enumerate(splits)]


with job(snakemake.log[0]):
    given, params = snakemake.input, snakemake.params
    [source] = sources([given.split], given.embeddings, given.trainings)
    refit = sources(given.refit_split, given.refit_embeddings, given.refit_trainings)
    method = Method(
        snakemake.wildcards.classifier,
        params.settings,
        params.early,
        params.train_vectors,
        seed=int(snakemake.wildcards.seed),
        threads=params.threads,
    )
    classify(
        source,
        params.labels,
        method,
        snakemake.output[0],
        refit=refit[0] if refit else None,
        folds=sources(given.held_out_splits, given.held_out_embeddings, given.held_out_trainings),
        unlabelled=unlabelled_turns(given.turns, params.in_classes, given.split),
    )
