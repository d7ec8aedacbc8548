"""What the keys of a checked config mean: its classes, its encoders, what it chooses on test turns."""

from emofuse.corpora.class_sets import CLASS_SETS
from emofuse.corpora.listing import IEMOCAP

LEAKS = {
    "encoder_on_test": "the encoder of a modality is chosen on the test part of the selection fold, which is also tested on",
    "epoch_on_test": "the epoch of every encoder of the folds is chosen on the fold's test part",
    "final_system_on_test": "the final system is chosen on the test parts that it is scored on",
}


def classes(config):
    """{class: sorted raw labels}, sorted by name, of a set that the config names or spells out."""
    named = config["classes"]
    spelt = CLASS_SETS[named] if isinstance(named, str) else named
    return {name: sorted(labels) for name, labels in sorted(spelt.items())}


def sessions(config):
    """The numbers of the sessions, ascending; of another corpus than IEMOCAP of the groups that it is dealt to."""
    corpus = config["corpus"]
    return sorted(corpus["sessions"]) if corpus["kind"] == IEMOCAP else list(range(1, corpus["folds"]["number"] + 1))


def class_set(config):
    """The name of the set that the config's classes are, named or spelt out; '' for a user's own."""
    return next((name for name in CLASS_SETS if classes({"classes": name}) == classes(config)), "")


def labels(config):
    """{modality: what its encoder is called in the names of systems}: the encoder's name, or 'chosen'."""
    return {m: "chosen" if isinstance(value, dict) else value for m, value in config["fusion"].items()}


def candidates(config):
    """{modality: names of the encoders to train somewhere in the run}, in the order of the config."""
    if config["selection"]:
        return {modality: list(config["encoders"].get(modality, {})) for modality in config["fusion"]}
    found = {modality: [name] for modality, name in config["fusion"].items()}
    named = named_encoders(config)
    return {m: [*names, *(name for name in named.get(m, []) if name not in names)] for m, names in found.items()}


def encoders_of(config, system):
    """{modality: encoder} that a named system reads; where it names none, those of the fusion, as these are given there."""
    return config["systems"][system]["encoders"] or config["fusion"]


def named_encoders(config):
    """{modality: names} of the encoders that named systems name."""
    found = {}
    for entry in config["systems"].values():
        for modality, name in entry["encoders"].items():
            found.setdefault(modality, {})[name] = None
    return {modality: list(names) for modality, names in found.items()}


def folded(config):
    """{modality: names of the encoders of which one goes into the folds}."""
    named = {modality: [name] for modality, name in config["fusion"].items() if not isinstance(name, dict)}
    return {m: named.get(m) or list(config["encoders"].get(m, {})) for m in config["fusion"]}


def any_frozen(config):
    """Whether an encoder that goes, or may go, into the folds is frozen."""
    return any(map(is_frozen, _settings(config)))


def _settings(config):
    """Of the encoders that go, or may go, into the folds; a name that there is not is told elsewhere."""
    known = [(config["encoders"].get(m, {}), name) for m, names in folded(config).items() for name in names]
    return [section[name] for section, name in known if name in section]


def is_frozen(settings):
    """Whether an encoder learns from no label: a network as it is, a feature set, motion, vectors made elsewhere."""
    return bool(settings.get("frozen")) or not {"features", "motion", "vectors"}.isdisjoint(settings)


def train_vectors(config):
    """What classifiers learn from. Where every encoder is frozen it is the training part, whatever the config says: no vector
    knows its label, so nothing has to be held out."""
    return "in_sample" if all(map(is_frozen, _settings(config))) else config["train_vectors"]


def leaks(config):
    """What the run chooses on test turns: those keys of LEAKS that apply, in their order."""
    applies = {
        "encoder_on_test": any(value == {"choose": "test"} for value in config["fusion"].values()),
        "epoch_on_test": config["validation"]["rule"] == "test",
        "final_system_on_test": config["final_system"] == "test",
    }
    return [name for name in LEAKS if applies[name]]


def is_path(model):
    """Whether a `model` is a local folder and no Hub id: it starts with `.`, `/` or `~`, or has more than one `/`."""
    return model[0] in "./~" or model.count("/") > 1
