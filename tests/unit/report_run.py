"""A run made up for the tests of tables, figures and report: its systems, what they say, and scores counted from that."""

from collections import namedtuple
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np

CLASSES = ("ang", "hap", "neu", "sad")
LABELS = {"ang": ["ang"], "hap": ["hap", "exc"], "neu": ["neu"], "sad": ["sad"]}
ENCODERS = {"text": "bert", "audio": "wav2vec2", "video": "videomae"}
ORDER = ("text", "audio", "video", "motion")
CLASSIFIERS = ("svm", "xgboost", "mlp")
# How often a system of this kind and modality is right.
SKILL = {"text": 0.62, "audio": 0.58, "video": 0.42, "early": 0.72, "late": 0.69, "named": 0.7}
NASTY = "<script>alert('x')</script>"
FACTS = {
    "classes": LABELS,
    "class_set": "four",
    "subset": "all",
    "refit": False,
    "train_vectors": "validation",
    "frozen": {},
    "trained": ["text", "audio", "video"],
    "seeds": [1],
    "choices": {},
    "leaks": {},
    "final_system": "validation",
    "classifiers": {"svm": {"C": [1.0, 3.0], "gamma": "scale"}},
    "sessions": [1, 2, 3, 4, 5],
    "listed": False,
    "clusters": "dialogs",
    "clips": {"crop": "speaker"},
    "systems": {},
    "offline": {"systems": [], "encoders": {}},
}
# The section `systems` of a run that names some: two that differ in nothing but how much of the dialog they read, and another.
NAMED = {
    "text-alone": {"kind": "context", "direction": "none", "encoders": {"text": "bert"}},
    "text-both": {"kind": "context", "direction": "both", "encoders": {"text": "bert"}},
    "motion-text-speech": {"kind": "convolution", "encoders": {"motion": "capture", "text": "bert", "audio": "mfcc"}},
}
System = namedtuple("System", "name kind combination classifier modalities missing", defaults=("",))
DERIVED = [
    System("majority", "baseline", "", "", ()),
    System("scenario", "baseline", "", "", ()),
    System("chosen", "chosen", "", "", ()),
]


@dataclass
class Inputs:
    """Paths of what the generator wrote, and the predictions behind the scores."""

    root: Path
    modalities: tuple
    seeds: tuple
    validated: bool = True
    named: dict = field(default_factory=dict)  # the config's section `systems`
    folds: dict = field(default_factory=dict)  # protocol -> names of its splits
    splits: dict = field(default_factory=dict)  # protocol -> paths of its split files
    histories: list = field(default_factory=list)
    trainings: list = field(default_factory=list)
    embeddings: list = field(default_factory=list)
    predictions: dict = field(default_factory=dict)  # (system, split, seed, part) -> (truth, prediction) arrays
    tested: dict = field(default_factory=dict)  # split -> {column: array} of its test turns
    prediction_files: list = field(default_factory=list)  # of the first protocol: single modalities and final systems
    clips: dict = field(default_factory=dict)  # modality -> folder of its clips

    @property
    def turns(self):
        return self.root / "turns.parquet"

    @property
    def words(self):
        return self.root / "words.parquet"

    @property
    def votes(self):
        return self.root / "votes.parquet"

    @property
    def problems(self):
        return self.root / "problems.tsv"

    @property
    def evaluations(self):
        return {protocol: self.root / "run/evaluation" / protocol for protocol in self.folds}

    @property
    def scenes(self):
        return self.root / "run/evaluation/scenes.parquet"

    def evaluation(self, name="", protocol="session"):
        return self.root / "run/evaluation" / protocol / name


def all_systems(modalities, named=()):
    """Every system of a run with predictions: single, of all modalities, of a part of them, with one substituted, and `named`
    ones, as NAMED has them."""
    found = [System(f"{m}-{ENCODERS[m]}", "single", "", "argmax", (m,)) for m in modalities]
    for size in range(1, len(modalities) + 1):
        for names in combinations(modalities, size):
            prefix = "" if size == len(modalities) and size > 1 else "+".join(names) + "."
            ways = ("sum", "product", "concat") if size > 1 else ("",)
            for kind in ("early", "late"):
                for how in ways:
                    trained = [*CLASSIFIERS, *(["argmax"] if kind == "late" and how in ("sum", "product") else [])]
                    for classifier in trained:
                        name = "-".join(filter(None, (kind, how, classifier)))
                        found.append(System(f"{prefix}{name}", kind, how, classifier, names))
    full = [
        s for s in found if s.kind != "single" and len(s.modalities) == len(modalities) > 1 and s.classifier != "argmax"
    ]
    found += [System(f"{s.name}.no-{m}", "substituted", *s[2:5], m) for s in full for m in modalities]
    for name, entry in dict(named).items():
        found.append(System(name, "named", "", entry["kind"], tuple(m for m in ORDER if m in entry["encoders"])))
    return found


def fused(system, modalities):
    """Whether it may become the final system."""
    return system.kind in ("early", "late") and system.combination and len(system.modalities) == len(modalities)


def pooled(made, system, seed=1, protocol="session", where=None):
    """Truth and prediction of a system on the test turns of all folds, or of those where `where` (a function of a split)
    is true."""
    pairs = []
    for fold in made.folds[protocol]:
        truth, guess = made.predictions[system, fold, seed, "test"]
        mask = slice(None) if where is None else where(made.tested[fold])
        pairs.append((truth[mask], guess[mask]))
    return tuple(np.concatenate(column) for column in zip(*pairs, strict=True))


def wa(truth, guess):
    """Percent of turns that are right."""
    return 100 * np.mean(truth == guess)


def recall(truth, guess, name):
    return 100 * np.mean(guess[truth == name] == name)


def ua(truth, guess):
    """Mean of the recalls of the classes that have turns, in percent."""
    return np.mean([recall(truth, guess, name) for name in CLASSES if (truth == name).any()])
