"""Puts the protocol of a run on a card: what was trained, chosen and tested on what; it heads the report and every table."""

import pandas as pd

from emofuse.report.outputs import MODALITY_TITLES, class_title, protocol_title, split_title
from emofuse.runtime.store import read_metadata, read_parquet
from emofuse.splits.folds import UNVALIDATED, constant
from emofuse.splits.parts import shared_dialogs

VALIDATION = {
    "previous_session": "the session before the test session, cyclic",
    "none": "none: every encoder trains for its fixed number of epochs",
    "test": "none of its own: epochs are chosen on the test part itself (a leak)",
    "partner": "the test speaker's partner",
}
REFIT_NOTE = (
    "epoch and final system are chosen there; then encoders and classifiers are trained anew on training and "
    "validation part together, and those are tested"
)
VECTORS = {
    "in_sample": "in-sample: classifiers learn on turns that the encoder was fine-tuned on with their labels, whose vectors "
    "separate the classes better than those of new turns do",
    "validation": "validation: classifiers learn on the validation part, on which the encoder's epoch was chosen, but no "
    "weight trained; what they say of that part itself comes from a cross-validation over its speakers",
    "cross_fitted": "cross-fitted: classifiers learn on training turns, each embedded by an encoder trained without its "
    "session",
    "frozen": "frozen: no encoder learns from a label, so classifiers learn on the whole training part",
}
FITTED_ON = {
    "in_sample": "the training part",
    "validation": "the validation part",
    "cross_fitted": "held-out training turns",
    "frozen": "the training part",
}
# What `protocol_card` puts into words; any other fact stands on the card as it is.
IN_WORDS = (
    *(
        "classes",
        "class_set",
        "subset",
        "refit",
        "train_vectors",
        "frozen",
        "trained",
        "seeds",
        "choices",
        "leaks",
        "final_system",
    ),
    *("classifiers", "sessions", "listed", "clusters", "systems", "offline"),
)


def protocol_card(facts, splits):
    """The card of one protocol, [(name, [lines])].

    splits: paths of its split files. facts: what the config says: 'classes' {class: [raw labels]}, 'class_set' (its name or
    ''), 'subset', 'refit' (bool), 'train_vectors' (or 'frozen', where all encoders are), 'frozen' ({modality: [names]} of
    those encoders), 'trained' (modalities of those that are fine-tuned), 'seeds', 'choices' ({modality: 'validation' or
    'test'} where the encoder was chosen), 'leaks' ({name: sentence} of those made), 'final_system' (the config's),
    'classifiers' ({name: settings}), 'sessions', and any further ones, shown in the order given: a text, a number, a list,
    or {name: setting} where a setting may be such a dict again.
    """
    protocol = read_metadata(splits[0])["protocol"]
    folds = read_folds(splits)
    frames = [turns for _, turns in folds.values()]
    tested = pd.concat([turns[turns["part"] == "test"] for turns in frames])
    counts = tested["class"].value_counts()
    named = f"the set '{facts['class_set']}'" if facts["class_set"] else "as the config spells them out"
    fitted = ["train", "val"] if facts["refit"] else ["train"]
    sessions = sorted({turns.loc[turns["part"].isin(fitted), "session"].nunique() for turns in frames})
    card = [
        ("Protocol", [f"{protocol_title(protocol)}: {constant(protocol, 'SENTENCE')}"]),
        (
            "Classes",
            [
                f"{named}; {len(tested):,} turns in the test parts of all folds"
                + ("" if facts["subset"] == "all" else f", {facts['subset']} ones only"),
                *(
                    f"{class_title(name)} ({', '.join(labels)}): {counts.get(name, 0):,}"
                    for name, labels in facts["classes"].items()
                ),
            ],
        ),
        ("Folds", [_folds(folds)]),
        ("Validation", [*_validation(splits, folds), *([REFIT_NOTE] if facts["refit"] else [])]),
        ("Trained on", [_trained_on(facts, sessions)]),
        ("Vectors", [VECTORS[facts["train_vectors"]], *_frozen(facts)]),
        ("Chosen", chosen_on(facts, folds)),
        ("Classifiers", _lines(facts["classifiers"])),
        ("Seeds", [", ".join(map(str, facts["seeds"]))]),
        ("Leaks", [f"{name}: {s}" for name, s in facts["leaks"].items()] or ["no choice is made on test turns"]),
    ]
    further = {name: value for name, value in facts.items() if name not in IN_WORDS}
    return card + [(name.replace("_", " ").capitalize(), _lines(value)) for name, value in further.items()]


def _trained_on(facts, sessions):
    """sessions: how many of them the folds train on, of another corpus than IEMOCAP of the groups that it is dealt to."""
    some = f"{' or '.join(map(str, sessions))} of {len(facts['sessions'])}"
    if facts["listed"]:
        return f"turns of {some} groups a fold"
    compared = ", as this run does" if sessions == [4] else ": compare with that in mind"
    return f"{some} sessions a fold. Most published figures train on four{compared}"


def run_card(facts, splits):
    """The cards of all protocols of a run as one: what all say alike stands once, else each line names its protocols.

    splits: paths of the split files of all protocols; facts: as for `protocol_card`.
    """
    cards = {protocol: protocol_card(facts, paths) for protocol, paths in by_protocol(splits).items()}
    merged = []
    for name in dict.fromkeys(name for card in cards.values() for name, _ in card):
        sayings = {}
        for protocol, card in cards.items():
            sayings.setdefault(tuple(dict(card)[name]), []).append(protocol_title(protocol))
        if len(sayings) == 1 or name == "Protocol":
            lines = [line for saying in sayings for line in saying]
        else:
            lines = [f"{', '.join(of)}: {'; '.join(saying)}" for saying, of in sayings.items()]
        merged.append((name, lines))
    return merged


def _frozen(facts):
    """Which encoders are frozen, where others are not."""
    if not facts["frozen"] or not facts["trained"]:
        return []
    named = ", ".join(
        f"{MODALITY_TITLES[modality]} {' or '.join(names)}" for modality, names in facts["frozen"].items()
    )
    return [f"frozen encoders ({named}) learn from no label: systems of these alone learn on the whole training part"]


def chosen_on(facts, folds):
    """What was chosen or fitted on what, as lines."""
    rules = {rule for rule, _ in folds.values()}
    validated = not rules & set(UNVALIDATED)
    epoch = "on test" if "test" in rules else "on validation" if validated else "fixed: the last one is kept"
    choices = facts["choices"]
    encoders = [
        f"{MODALITY_TITLES[modality]} encoder: on {on}, of the selection fold" for modality, on in choices.items()
    ]
    listed = any(
        isinstance(value, list) and len(value) > 1 for one in facts["classifiers"].values() for value in one.values()
    )
    final = {
        "validation": "on validation, in each fold, by log loss; a trained classifier only if it is clearly better",
        "validation_wa": "on validation, in each fold: the fusion with the best WA",
        "test": "on test, of all folds",
    }
    fitted = "training and validation part" if facts["refit"] else FITTED_ON[facts["train_vectors"]]
    return [
        f"epoch: {epoch if facts['trained'] else 'none, for no encoder is trained'}",
        *(encoders or ["encoders: fixed in the config"]),
        f"classifier settings: {'on validation, for each system and fold' if listed else 'fixed in the config'}",
        f"final system: {final.get(facts['final_system'], 'fixed in the config: ' + facts['final_system'])}",
        f"calibration: {'on validation' if validated else 'none, for there is no validation part'}",
        f"scaling and classifiers: fitted on {fitted}",
    ]


def by_protocol(splits):
    """{protocol: its paths} of split files, in the order of the paths."""
    paths = {}
    for path in splits:
        paths.setdefault(read_metadata(path)["protocol"], []).append(path)
    return paths


def read_folds(splits):
    """Fold -> (its validation rule, its turns as a DataFrame), in the order of the files given."""
    found = {}
    for path in splits:
        facts = read_metadata(path)
        found[facts["split"]] = (facts["validation"], read_parquet(path).to_pandas())
    return found


def _folds(folds):
    sizes = {split_title(name): int((turns["part"] == "test").sum()) for name, (_, turns) in folds.items()}
    if len(sizes) <= 5:
        return f"{len(sizes)}; test turns: " + ", ".join(f"{name} {n:,}" for name, n in sizes.items())
    first, *_, last = sizes
    return f"{len(sizes)}, {first} to {last}; {min(sizes.values()):,} to {max(sizes.values()):,} test turns each"


def _validation(splits, folds):
    """The rules in words; where validation and test share dialogs, how many."""
    lines = []
    for rule in dict.fromkeys(rule for rule, _ in folds.values()):
        drawn = f"whole dialogs of the training sessions ({rule})" if rule.startswith("share ") else rule
        lines.append(VALIDATION.get(rule, drawn))
    shared = [shared_dialogs(read_parquet(path)) for path in splits]
    if any(shared):
        between = " to ".join(map(str, sorted({min(shared), max(shared)})))
        lines.append(
            f"validation and test part share {between} dialogs a fold, so what is chosen on validation is a little "
            "flattered"
        )
    return lines


def _lines(value):
    """A config value as lines of text: one a setting of a dict, else one."""
    if isinstance(value, dict):
        return [
            f"{name}: {settings_text(setting) if isinstance(setting, dict) else _plain(setting)}"
            for name, setting in value.items()
        ]
    return [_plain(value)]


def settings_text(settings):
    """{'C': [1.0, 3.0], 'gamma': 'scale'} -> 'C 1 or 3, gamma scale'."""
    return ", ".join(
        f"{name} ({settings_text(value)})" if isinstance(value, dict) else f"{name} {_plain(value)}"
        for name, value in settings.items()
    )


def _plain(value):
    if isinstance(value, list | tuple):
        return " or ".join(map(_plain, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def comment_lines(card):
    """The card as plain lines, for the heads of files: 'Classes: anger (ang): 1,103; ...'."""
    return [f"{name}: {'; '.join(lines)}" for name, lines in card]
