"""Says which system of which fold is exported, and refuses those that cannot speak of new clips yet."""

from emofuse.evaluation.choice import choose
from emofuse.evaluation.predictions import read_predictions, read_splits
from emofuse.fusion.classification import learned_from
from emofuse.fusion.systems import System, candidates
from emofuse.prediction.learning import systems_in
from emofuse.prediction.system import KEPT
from emofuse.runtime import kinds
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_metadata, read_tsv

FINAL = "final"  # what the config says for the final system of the fold


def find(wanted, predictions, chosen, split, seed):
    """The `learning.Stored` of the system that is exported.

    wanted: a name, or 'final'. predictions: paths of all prediction files of the fold and seed. chosen: evaluation's
    chosen.tsv. split: path of the fold's split file. EmofuseError where there is no such system.
    """
    known = {}
    for path in predictions:
        known |= systems_in(path, read_metadata(path)["systems"])
    fold = read_metadata(split)["split"]
    if wanted == FINAL:
        [wanted] = [r["system"] for r in read_tsv(chosen) if (r["split"], r["seed"]) == (fold, str(seed))]
    if wanted not in known:
        raise EmofuseError(f"export.system: {fold} has no system '{wanted}'; it has {', '.join(known)}.")
    return known[wanted]


def require_exportable(stored, stores, records, train_vectors, remedy):
    """Raise EmofuseError where a system cannot be exported.

    stores: {modality: an embedding file's metadata}. records: {modality: training.json, read}. remedy: a function that names
    another system.
    """
    if why := obstacle(system_of(stored), stores, records, train_vectors):
        raise EmofuseError(f"{stored.name} cannot be exported: {why}. {remedy()}")


def system_of(stored):
    """The System of a Stored."""
    names = ("name", "kind", "combination", "classifier", "missing")
    return System(**{n: stored.facts[n] for n in names}, modalities=tuple(stored.facts["modalities"]))


def obstacle(system, stores, records, train_vectors):
    """Why predict could not run a system, as the end of a sentence; None where it can."""
    if system.kind == "named":
        return "predict cannot run the systems of the config's section `systems` yet, which read dialogs or sequences"
    if system.kind == "substituted":
        return "it is what another system says without a modality; name that one, which comes with its stand-ins"
    if foreign := [m for m in system.modalities if "vectors" in records[m]["settings"]]:
        return f"its vectors of {' and '.join(foreign)} were made elsewhere, so there are none of a new clip"
    if learned_from(system, stores, train_vectors) == "cross_fitted":
        return "predict cannot run classifiers of cross-fitted encoders yet, of which several speak of each turn"
    if system.learns and system.classifier not in kinds.constants(KEPT):
        return f"there is no file workflow/scripts/emofuse/{KEPT}/{system.classifier}.py that says how its classifier is kept"
    return None


def best_other(predictions, split, stores, records, train_vectors):
    """A sentence that names the system to export instead: of those that can be, the best on the validation part."""
    frames, classes = read_splits([split])
    [fold] = read_predictions(predictions, frames, classes, probabilities=True)[0].values()
    fit = [s for s in candidates(fold.predictions) if obstacle(s, stores, records, train_vectors) is None]
    if not fit:
        return "No other system of this run can be."
    validation = fold.part("val")
    if not len(validation.turns):
        return f"Name one of {', '.join(system.name for system in fit)} as export.system."
    best = choose(validation, fit, next(iter(frames.values())))
    return f"The best of the others on the validation part is {best.name}: export it with export.system: {best.name}."
