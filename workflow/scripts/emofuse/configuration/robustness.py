"""What the config's section `robustness` asks for: folds, and degradations with their severities."""

from emofuse.runtime import kinds
from emofuse.runtime.errors import EmofuseError, listing

DEGRADATIONS = "robustness/degradations"


def splits(config, known):
    """The folds whose test parts are degraded, of the `known` ones of the primary protocol."""
    wanted = config["robustness"]["folds"] or known
    if unknown := [name for name in wanted if name not in known]:
        raise EmofuseError(
            f"robustness.folds: the first protocol of this run has no fold {', '.join(unknown)}; it has {', '.join(known)}"
        )
    return [name for name in known if name in wanted]


def severities(config, encoders):
    """({modality: {degradation: its severities}}, {modality: why none of it is tried}) of the run's modalities.

    encoders: {modality: name of the one that speaks of test turns}. EmofuseError with all that cannot be tried, and where
    nothing is left to try. Where the config names none every degradation is tried, but for recognised words where there is no
    ASR model or no sound.
    """
    known, wanted = kinds.constants(DEGRADATIONS), config["robustness"]["degradations"]
    found, untried, problems = {}, {}, []
    can_listen = bool(config["predict"]["asr"]) and "audio" in config["fusion"]
    if wanted is None:
        wanted = {name: None for name, of in known.items() if can_listen or not of.get("LISTENS")}
    for name, of_config in wanted.items():
        of, where = known[name], f"robustness.degradations.{name}"
        values, (low, high) = of_config or of["SEVERITIES"], of["RANGE"]
        if outside := [f"{value:g}" for value in values if not low <= value <= high]:
            problems.append(f"{where}: {', '.join(outside)} is not from {low:g} to {high:g}; {of['UNIT']}")
        if of.get("LISTENS") and not can_listen:
            problems.append(f"{where}: it needs a Whisper model, predict.asr, and sound in the run; leave it out")
    if problems:
        raise EmofuseError("Degradations that cannot be tried:\n" + listing(problems))
    for modality, encoder in encoders.items():
        of_modality = {
            n: list(v or known[n]["SEVERITIES"]) for n, v in wanted.items() if known[n]["MODALITY"] == modality
        }
        if not of_modality:
            untried[modality] = "no degradation of it is asked for"
        elif "vectors" in config["encoders"][modality][encoder]:
            untried[modality] = "its vectors were made elsewhere, so there are none of degraded turns"
        else:
            found[modality] = of_modality
    if not found:
        why = listing(f"{modality}: {reason}" for modality, reason in untried.items())
        raise EmofuseError(f"robustness.degradations: nothing of this run's modalities is degraded by them.\n{why}")
    return found, untried
