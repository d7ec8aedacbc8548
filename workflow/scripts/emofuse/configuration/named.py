"""Checks the config's section `systems`: names, and whether the encoders give what the systems read."""

from emofuse.configuration.meaning import encoders_of, is_frozen, labels
from emofuse.configuration.schema import nearest
from emofuse.fusion import systems
from emofuse.runtime import kinds
from emofuse.splits.folds import UNVALIDATED


def named_problems(config):
    """What is wrong with the section `systems`: names that there are already, encoders that do not give what is read."""
    made = systems.systems(labels(config), config["classifiers"], config["early_fusion"])
    taken = {system.name for system in made} | set(kinds.constants(systems.LEARNERS)) | set(systems.DERIVED)
    taken |= {*systems.ON_VALIDATION, "argmax", "test"}
    problems = []
    for name, entry in config["systems"].items():
        key = f"systems.{name}"
        if name in taken:
            problems.append(f"{key}: the name stands for another system or classifier; rename it")
        if name.partition("-")[0] in systems.MODALITIES:
            problems.append(f"{key}: names that begin with a modality are those of encoders alone; rename it")
        for modality in encoders_of(config, name):
            problems += _encoder_problems(config, name, modality)
        problems += _kind_problems(key, entry, encoders_of(config, name))
    if config["systems"] and config["validation"]["rule"] in UNVALIDATED:
        problems.append(
            "systems: they choose their epochs and settings on a validation part; set another validation.rule"
        )
    return problems


def offline(config):
    """What reads turns after the one that it speaks of, and so works on recordings alone: {"systems": [names], "encoders":
    {modality: [names]}}; a system that reads such an encoder is not named for that."""
    later = {
        modality: [name for name, settings in section.items() if (settings.get("context") or {}).get("after")]
        for modality, section in config["encoders"].items()
    }
    return {
        "systems": [name for name, entry in config["systems"].items() if systems.reads_later(entry)],
        "encoders": {modality: names for modality, names in later.items() if names},
    }


def _encoder_problems(config, name, modality):
    """What is wrong with the encoder of one modality that a system reads."""
    entry, encoder = config["systems"][name], encoders_of(config, name)[modality]
    reads, key = kinds.constants(systems.MODELS)[entry["kind"]]["READS"], f"systems.{name}.encoders"
    known, where = config["encoders"].get(modality, {}), f"systems.{name}.encoders.{modality}"
    if isinstance(encoder, dict):
        told = f"{key}: name those whose sequences it reads; fusion.{modality} is chosen later"
        return [told] if reads == "sequences" else []
    if encoder not in known:
        remedy = nearest(encoder, known) or f"known ones: {', '.join(sorted(known)) or 'none'}"
        # One of the fusion is told of there.
        return [f"{where}: there is no encoder '{encoder}' under encoders.{modality} ({remedy})"] * bool(
            entry["encoders"]
        )
    if modality != "motion" and modality not in config["fusion"]:
        return [f"{where}: there is no {modality} in fusion, so the run has no clips of it"]
    if reads == "sequences" and not (known[encoder].get("sequences") or modality == "motion"):
        remedy = f"set encoders.{modality}.{encoder}.sequences: {'{rate: 10}' if modality == 'audio' else 'true'}"
        return [f"{where}: '{entry['kind']}' reads sequences; {remedy}"]
    if reads == "vectors" and modality == "motion":
        return [f"{where}: '{entry['kind']}' reads vectors, and motion has none, only steps"]
    if not is_frozen(known[encoder]) and config["train_vectors"] == "validation":
        return [
            f"{where}: encoders.{modality}.{encoder} is fine-tuned, so its vectors of training turns know their labels;"
            " name a frozen one (frozen: true), or set train_vectors: cross_fitted (or in_sample, as most papers do)"
        ]
    return []


def _kind_problems(key, entry, modalities):
    """What settings of an entry of `systems` do not go together, or with what it reads."""
    problems, width, heads = [], entry.get("width", []), entry.get("heads", 1)
    if wrong := [w for w in (width if isinstance(width, list) else [width]) if w % heads]:
        problems.append(f"{key}.width: {wrong[0]} is no multiple of heads, {heads}")
    pairs = entry.get("pairs", "all")
    if entry["kind"] == "attention":
        if len(modalities) < 2:
            problems.append(f"{key}.encoders: attention between modalities needs two of them")
        for pair in pairs if pairs != "all" else ():
            if pair[0] == pair[1] or not set(pair) <= set(modalities):
                problems.append(
                    f"{key}.pairs: [{', '.join(pair)}] are no two of its modalities ({', '.join(modalities)})"
                )
        if pairs != "all" and entry["fusion"] != "middle":
            problems.append(f"{key}.pairs: with fusion: {entry['fusion']} nobody looks at anybody; leave it out")
    return problems
