"""Says which keys of a checked config its results depend on; the others name things, or say how a machine is used."""

from copy import deepcopy

from emofuse.configuration import meaning
from emofuse.configuration.encoders import ordered
from emofuse.corpora.listing import IEMOCAP

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
    used = {modality: set(names) for modality, names in meaning.folded(config).items()}
    for modality, names in meaning.named_encoders(config).items():
        used.setdefault(modality, set()).update(names)
    kept["encoders"] = {
        modality: {name: of for name, of in section.items() if name in used.get(modality, ())}
        for modality, section in kept["encoders"].items()
        if modality in used
    }
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
