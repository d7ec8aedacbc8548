from emofuse.fusion.classification import Source
from emofuse.fusion.named import Training, left_out, train_system
from emofuse.fusion.systems import named
from emofuse.fusion.unlabelled import unlabelled_turns
from emofuse.runtime.job import job
from emofuse.runtime.store import read_metadata


def sources(splits, read, trainings):
    """The Source of each split; the rule lists what is read for the first, then for the second."""
    found = []
    for number, split in enumerate(splits):
        files, records = (
            of[number * len(of) // len(splits) : (number + 1) * len(of) // len(splits)] for of in (read, trainings)
        )
        metadata = [read_metadata(path) for path in files]
        tuned = [of["modality"] for of in metadata if of["frozen"] != "true"]
        stores = {of["modality"]: path for of, path in zip(metadata, files, strict=True)}
        found.append(Source(stores, dict(zip(tuned, records, strict=True)), split))
    return found


with job(snakemake.log[0]):
    given, params = snakemake.input, snakemake.params
    [source] = sources([given.split], given.read, given.trainings)
    refit = sources(given.refit_split, given.refit_read, given.refit_trainings)
    folds = sources(given.held_out_splits, given.held_out_read, given.held_out_trainings)
    settings = dict(params.settings)
    system = named(snakemake.wildcards.system, settings.pop("kind"), source.embeddings)
    each = len(given.manifests) // len(params.modalities)
    manifests = {m: given.manifests[n * each : (n + 1) * each] for n, m in enumerate(params.modalities)}
    train_system(
        Training(system, settings, bool(folds), int(snakemake.wildcards.seed), params.threads),
        given.turns,
        source,
        left_out(manifests, dict(zip(params.outside, given.outside, strict=True))),
        snakemake.output[0],
        refit=refit[0] if refit else None,
        folds=folds,
        unlabelled=unlabelled_turns(given.turns, params.in_classes, given.split),
    )
