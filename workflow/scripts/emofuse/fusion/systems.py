"""Names the systems: what is combined, how, and which classifier decides."""

from dataclasses import dataclass
from itertools import combinations

from emofuse.runtime import kinds
from emofuse.runtime.errors import EmofuseError

MODALITIES = ("text", "audio", "video")
SOURCES = (*MODALITIES, "motion")  # motion is read by named systems alone
KINDS = ("single", "early", "late", "named", "substituted", "baseline", "chosen")
LEARNERS, COMBINED, MODELS = "fusion/classifiers", "fusion/combinations", "fusion/models"
COMBINATIONS = ("", *kinds.constants(COMBINED))
CLASSIFIERS = ("", *kinds.constants(LEARNERS), "argmax", *kinds.constants(MODELS))
# Early and late stand together: the fusions of all modalities before those of two, these before those of one.
RANKS = {"single": 0, "early": 1, "late": 1, "named": 2, "substituted": 3, "baseline": 4, "chosen": 5}


@dataclass(frozen=True)
class System:
    """One way from the modalities' encoders to a class.

    `kind`: single (one encoder's own softmax), early (a classifier of embeddings), late (of softmax outputs), named (one of the
    config's section `systems`), substituted (an early or late one that meets turns without the modality `missing`, for which
    something neutral stands), baseline or chosen (the final system, which may be another one in each split). `combination`
    and `classifier` are named by their files; the former is empty where nothing is combined, the latter argmax where nothing
    is trained after the encoders, and of a named one its file in fusion/models.
    """

    name: str
    kind: str
    combination: str
    classifier: str
    modalities: tuple[str, ...]
    missing: str = ""

    @property
    def order(self):
        """The system's place in every list and table; also what decides between equals when one is chosen."""
        return (
            RANKS[self.kind],
            -len(self.modalities),
            [SOURCES.index(modality) for modality in self.modalities],
            SOURCES.index(self.missing) if self.missing else -1,
            KINDS.index(self.kind),
            COMBINATIONS.index(self.combination),
            CLASSIFIERS.index(self.classifier),
            self.name,
        )

    @property
    def learns(self):
        """Whether a classifier is trained after the encoders."""
        return self.kind in ("early", "late", "named", "substituted") and self.classifier != "argmax"

    def without(self, modality):
        """The same trained classifier, applied to turns that lack `modality`."""
        name = f"{self.name}.no-{modality}"
        return System(name, "substituted", self.combination, self.classifier, self.modalities, modality)


MAJORITY = System("majority", "baseline", "", "", ())
SCENARIO = System("scenario", "baseline", "", "", ())
CHOSEN = System("chosen", "chosen", "", "", ())
DERIVED = ("majority", "scenario", "chosen", "chosen-single")  # no system that is trained may have these names
ON_VALIDATION = ("validation", "validation_wa")  # what the config's final_system says to choose it on validation
CHOSEN_SINGLE = System("chosen-single", "chosen", "", "", ())  # the single modality that each fold would choose


def systems(encoders, classifiers, early=COMBINATIONS[1:]):
    """Every system of a run, in the fixed order of `System.order`.

    `encoders` maps a modality to its encoder's name; `classifiers` are those to train; `early` are
    the combinations of early fusion (encoders of unequal width can only be concatenated). The plain argmax needs no
    training and is always there.
    """
    names = dict.fromkeys(["argmax", *classifiers])
    return sorted((system for name in names for system in systems_of(name, encoders, early)), key=lambda s: s.order)


def systems_of(classifier, encoders, early=COMBINATIONS[1:]):
    """The systems that one classify job makes: those of one `classifier`, in the fixed order.

    argmax makes the single modalities and, of each subset of two or more, the late fusions by sum and product (the argmax
    of a concatenation would be a modality, not a class). Each other classifier makes, of each subset of two or more, early
    fusion as `early` says and late fusion by every combination; of each modality alone one system of its
    embeddings and one of its softmax outputs; and, of each fusion of all modalities, one for each missing modality.
    """
    modalities = tuple(modality for modality in MODALITIES if modality in encoders)
    known = kinds.constants(COMBINED)
    fusions = [("early", how) for how in COMBINATIONS if how in early] + [("late", how) for how in COMBINATIONS[1:]]
    alone = [("early", ""), ("late", "")]
    made = []
    if classifier == "argmax":
        fusions, alone = [("late", how) for how, of in known.items() if of.get("ARGMAX")], []
        made = [System(f"{name}-{encoders[name]}", "single", "", "argmax", (name,)) for name in modalities]
    for size in range(1, len(modalities) + 1):
        for subset in combinations(modalities, size):
            prefix = f"{'+'.join(subset)}." if size == 1 or subset != modalities else ""
            for kind, how in fusions if size > 1 else alone:
                name = prefix + "-".join(part for part in (kind, how, classifier) if part)
                made.append(System(name, kind, how, classifier, subset))
    if classifier != "argmax":
        made += [system.without(modality) for system in full_fusions(made) for modality in modalities]
    return sorted(made, key=lambda system: system.order)


def require_one_width(widths, how):
    """Raise EmofuseError where the combination `how` takes vectors of one width and those of {modality: width} differ."""
    if kinds.constants(COMBINED)[how].get("ONE_WIDTH") and len(set(widths.values())) > 1:
        named = ", ".join(f"{modality} {width}" for modality, width in widths.items())
        raise EmofuseError(
            f"Early fusion by {how} needs vectors of one width, and these are {named} wide. Set early_fusion: [concat] "
            "(concatenation takes any widths), or choose encoders of one width."
        )


def code_of(classifier):
    """The files that the predictions of a classifier are made by, beside the script: its own, which argmax has not, and those
    of all combinations."""
    own = [classifier] if classifier != "argmax" else []
    return [*kinds.code(LEARNERS, own), *kinds.code(COMBINED, kinds.constants(COMBINED))]


def named(name, model, modalities):
    """The System of an entry of the config's section `systems`; model: its kind, a file of fusion/models."""
    ordered = tuple(modality for modality in SOURCES if modality in modalities)
    return System(name, "named", "", model, ordered)


def code_of_model(model):
    """The files that the predictions of a named system are made by, beside the script: its own, and that of its classifier."""
    classifier = kinds.constants(MODELS)[model].get("CLASSIFIER")
    return [*kinds.code(MODELS, [model]), *kinds.code(LEARNERS, [classifier] if classifier else [])]


def reach(entry):
    """How much of the dialog an entry of the config's section `systems` reads: a tuple of ranks, empty where it reads none."""
    file = kinds.constants(MODELS)[entry["kind"]]
    ranks = []
    for key in file.get("REACH", ()):
        values = file["SETTINGS"][key].get("enum")
        ranks.append(values.index(entry[key]) if values else entry[key])
    return tuple(ranks)


def reads_later(entry):
    """Whether an entry of the config's section `systems` reads turns after the one that it speaks of, as none can live."""
    file = kinds.constants(MODELS)[entry["kind"]]
    if "LATER" not in file:
        return False
    values, value = file["SETTINGS"][file["LATER"]].get("enum"), entry[file["LATER"]]
    return value == values[-1] if values else value > 0


def context_pairs(entries):
    """(more, less): names of entries {name: settings} that differ in nothing but how much of the dialog they read."""

    def alike(entry):
        left_out = kinds.constants(MODELS)[entry["kind"]].get("REACH", ())
        return {key: value for key, value in entry.items() if key not in left_out}

    return [
        (more, less)
        for more, one in entries.items()
        for less, other in entries.items()
        if alike(one) == alike(other)
        and reach(one) != reach(other)
        and all(a >= b for a, b in zip(reach(one), reach(other), strict=True))
    ]


def candidates(known):
    """Those of the systems of a run that may become its final system: single modalities, the fusions of all of them, and those
    that the config names."""
    return singles(known) + full_fusions(known) + [system for system in known if system.kind == "named"]


def singles(known):
    """Those of the `known` systems that are one modality's encoder alone."""
    return [system for system in known if system.kind == "single"]


def full_fusions(known):
    """The early and late fusions of as many modalities as any of them has, if that is two or more."""
    fusions = [system for system in known if system.kind in ("early", "late")]
    most = max((len(system.modalities) for system in fusions), default=0)  # a named system may read motion, too
    return [system for system in fusions if len(system.modalities) == most > 1]
