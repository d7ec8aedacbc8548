"""Says which keys of a checked config, and which code, its results depend on; other keys name things, or say how a machine is
used."""

from copy import deepcopy

from emofuse.configuration import meaning
from emofuse.configuration.encoders import Encoders, ordered
from emofuse.corpora.listing import IEMOCAP
from emofuse.fusion import systems
from emofuse.runtime import kinds
from emofuse.splits import folds

# Whatever is not named here is taken to matter.
WITHOUT_RESULT = (
    *("run", "runs", "figure_fold", "allow_leaks", "export", "predict", "robustness"),
    *("corpus.name", "corpus.root", "corpus.notice", "corpus.assert_counts"),
    *("training.device", "training.loader_workers", "training.jobs_per_gpu", "training.logging_steps"),
    *("training.checkpoint_minutes", "training.gradient_checkpointing"),
)


def made_with(config):
    """What the results of a checked config were made with: its keys, in order, but for those that change no result.

    Left out are also encoders that the run neither fuses nor chooses from nor names, and settings of what it does not do.
    """
    kept = deepcopy({key: value for key, value in config.items() if key not in WITHOUT_RESULT})
    for path in WITHOUT_RESULT:
        section, _, key = path.partition(".")
        if key:
            kept[section].pop(key, None)
    kept["encoders"] = _encoders(config)
    if "video" not in config["fusion"]:
        del kept["clips"]
    kept["protocols"] = [name for name in folds.PROTOCOLS if name in config["protocols"]]
    kept["seeds"] = sorted(config["seeds"])
    if config["validation"]["rule"] == "share" or any(folds.constant(p, "DRAWS") for p in kept["protocols"]):
        kept["drawn_by"] = config["seeds"][0]  # the splits
    if config["corpus"]["kind"] == IEMOCAP:
        del kept["corpus"]["folds"]
        kept["corpus"]["sessions"] = meaning.sessions(config)
    else:
        del kept["corpus"]["sessions"]
    kept["early_fusion"] = sorted(config["early_fusion"])
    kept["classes"] = meaning.classes(config)
    kept["train_vectors"] = meaning.train_vectors(config)
    if not any(isinstance(encoder, dict) for encoder in config["fusion"].values()):
        del kept["selection"]
    if config["validation"]["rule"] != "share":
        del kept["validation"]["share"]
    if not meaning.any_frozen(config):
        del kept["probe"]
    return ordered(kept)


def _encoders(config):
    """{modality: {encoder: its settings that matter}} of the encoders that the run fuses, chooses from or names."""
    encoders, used = Encoders(config["encoders"]), {m: set(names) for m, names in meaning.folded(config).items()}
    for modality, names in meaning.named_encoders(config).items():
        used.setdefault(modality, set()).update(names)
    read = {
        of
        for name, entry in config["systems"].items()
        if kinds.constants(systems.MODELS)[entry["kind"]]["READS"] == "sequences"
        for of in meaning.encoders_of(config, name).items()
    }
    return {
        modality: {
            name: encoders.settings(modality, name)
            | ({"sequences": encoders.sequences(modality, name)} if (modality, name) in read else {})
            for name in section
            if name in used[modality]
        }
        for modality, section in config["encoders"].items()
        if modality in used
    }


def code_of_results(plan):
    """The files that make the results of a `plan.Plan`, as `fingerprint` names them: those of its rules' params.

    Where an encoder is chosen, what chooses is among them. Clips and tables are not: the ones are the corpus', and the others
    have no say in scores.
    """
    splits = [*plan.splits, *([plan.selection] if plan.choices else [])]
    frozen = {plan.encoders.is_frozen(*of) for of in plan.checked}
    paths = [
        *("make_split", *folds.code_of(sorted({folds.parse_split(split).protocol for split in splits}))),
        *(["fine_tune", "embed"] if False in frozen else []),
        *(["embed_frozen"] if True in frozen else []),
        *(["fit_probe"] if plan.frozen else []),
        *plan.encoders.code(*plan.checked),
        *(["compare_encoders", "choose_encoder"] if plan.choices else []),
        *("classify", *(path for name in plan.classifiers for path in systems.code_of(name))),
        *(["train_system"] if plan.systems else []),
        *(path for entry in plan.systems.values() for path in systems.code_of_model(entry["kind"])),
        "evaluate",
    ]
    return list(dict.fromkeys(paths))
