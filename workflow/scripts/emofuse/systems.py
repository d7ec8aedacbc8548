"""Names the systems: what is combined, how, and which classifier decides."""

from dataclasses import dataclass

MODALITIES = ("text", "audio", "video")
KINDS = ("single", "early", "late", "baseline", "chosen")
COMBINATIONS = ("", "sum", "product", "concat")
CLASSIFIERS = ("", "svm", "xgboost", "mlp", "argmax")


@dataclass(frozen=True)
class System:
    """One way from the modalities' encoders to a class.

    `kind`: single (one encoder's own softmax), early (fusion of embeddings), late (fusion of softmax outputs), baseline
    or chosen (the final system, which may be another one in each split). `combination` is sum, product or concat,
    empty where nothing is combined; `classifier` is svm, xgboost, mlp, or argmax (nothing trained after the encoders).
    """

    name: str
    kind: str
    combination: str
    classifier: str
    modalities: tuple[str, ...]

    @property
    def fused(self):
        """Whether more than one modality goes into it."""
        return self.kind in ("early", "late")

    @property
    def order(self):
        """The system's place in every list and table; also what decides between equals when one is chosen."""
        return (
            KINDS.index(self.kind),
            [MODALITIES.index(modality) for modality in self.modalities],
            COMBINATIONS.index(self.combination),
            CLASSIFIERS.index(self.classifier),
            self.name,
        )


MAJORITY = System("majority", "baseline", "", "", ())
CHOSEN = System("chosen", "chosen", "", "", ())


def systems(encoders, classifiers, early=COMBINATIONS[1:]):
    """Every system of a run, in the fixed order of `System.order`.

    `encoders` maps a modality to its encoder's name; `classifiers` are those to train (svm, xgboost, mlp); `early` are
    the combinations of early fusion (encoders of unequal width can only be concatenated). The plain argmax needs no
    training and is always there. One modality has nothing to fuse: its encoder is the only system.
    """
    names = dict.fromkeys(["argmax", *classifiers])
    return sorted((system for name in names for system in systems_of(name, encoders, early)), key=lambda s: s.order)


def systems_of(classifier, encoders, early=COMBINATIONS[1:]):
    """The systems that one classify job makes: those of one `classifier`, in the fixed order.

    argmax makes the single modalities and the late fusions by sum and product (the argmax of a concatenation would be
    a modality, not a class); each other classifier makes early fusion as `early` says and late fusion by sum, product
    and concatenation.
    """
    modalities = tuple(modality for modality in MODALITIES if modality in encoders)
    fusions = [("early", how) for how in COMBINATIONS if how in early] + [("late", how) for how in COMBINATIONS[1:]]
    singles = []
    if classifier == "argmax":
        fusions = [("late", "sum"), ("late", "product")]
        singles = [System(f"{name}-{encoders[name]}", "single", "", "argmax", (name,)) for name in modalities]
    if len(modalities) < 2:
        fusions = []
    return singles + [System(f"{kind}-{how}-{classifier}", kind, how, classifier, modalities) for kind, how in fusions]
