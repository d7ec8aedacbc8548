from emofuse.fusion.classification import Source
from emofuse.fusion.ensemble import Method
from emofuse.robustness.answering import Fold, answer
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    given, params = snakemake.input, snakemake.params
    size = len(params.modalities)
    # The rule lists the modalities of the fold's own encoders, then those of its refit.
    source, *refit = (
        Source(
            dict(zip(params.modalities, given.embeddings[number * size :][:size], strict=True)),
            dict(zip(params.modalities, given.trainings[number * size :][:size], strict=True)),
            split,
        )
        for number, split in enumerate(given.splits)
    )
    answer(
        Fold(source, refit[0] if refit else None, list(given.predictions), given.chosen[0], list(given.degraded)),
        Method("", {}, params.early, params.train_vectors, params.seed, params.threads),
        snakemake.output[0],
    )
