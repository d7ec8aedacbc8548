import gc
import os
from pathlib import Path

gc.disable()  # until the job begins: a sixth of the time of importing is looking for garbage where there is none
os.environ["HF_HUB_OFFLINE"] = "1"  # before Transformers is imported: encoders are local, compute nodes have no network

from emofuse.fusion.classification import Source
from emofuse.fusion.ensemble import Method
from emofuse.prediction.export import Fold, Run, export
from emofuse.report.card import protocol_card
from emofuse.runtime.job import job


def sources(given, modalities):
    """The Source of each split; the rule lists the modalities of the first, then the second's."""
    size = len(modalities)

    def of(paths, number):
        return dict(zip(modalities, paths[number * size :][:size], strict=True))

    return [Source(of(given.embeddings, n), of(given.trainings, n), split) for n, split in enumerate(given.splits)]


with job(snakemake.log[0]):
    given, params = snakemake.input, snakemake.params
    source, *refit = sources(given, params.modalities)
    # encoders/<modality>/<encoder>/<split>/seed<seed>/training.json
    encoders = {modality: Path(path).parts[-4] for modality, path in source.trainings.items()}
    export(
        params.system,
        Run(
            params.corpus,
            params.run,
            params.notice,
            params.licence,
            protocol_card(params.facts, list(given.protocol)),
            params.crop,
            params.small,
        ),
        Fold(
            source,
            refit[0] if refit else None,
            list(given.predictions),
            params.evaluation,
            {modality: params.pretrained[modality][name] for modality, name in encoders.items()},
        ),
        Method("", {}, params.early, params.train_vectors, params.seed, params.threads),
        params.folder,
    )
