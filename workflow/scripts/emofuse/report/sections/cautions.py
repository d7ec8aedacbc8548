"""How far the numbers of the first protocol can be trusted: cautions, from the run's own files."""

from collections import namedtuple

from emofuse.fusion.systems import ON_VALIDATION
from emofuse.report.outputs import KNOWN_SCENES, NEW_SCENES, compares_scenes, split_title
from emofuse.report.sections.findings import listed
from emofuse.report.systems import ranked

FEW = 20  # turns; what a speaker of fewer has says little
GRAVE = float("inf")  # points of what the scores must not be read without
# title, text: as the section shows it. lead: the same in short, for the top of the report, '' where it has no number. points:
# how many points of WA the score may be off by; the top has those of the most.
Caution = namedtuple("Caution", "title text lead points", defaults=("", 0.0))


def cautions(run, findings, sources, folds, turns, choices):
    """Cautions as a list.

    findings: of `findings.find`. sources: {protocol: Sources}, the first protocol first. folds: its folds, as of
    `card.read_folds`. turns: the corpus' turns. choices: of `setup.read_choices`.
    """
    first = next(iter(sources.values()))
    groups = first.groups
    final = groups[groups["system"] == "chosen"].assign(wa=lambda frame: 100 * frame["wa"])
    said = [
        _chance(findings, run.facts["clusters"]),
        _clusters(run.facts["clusters"]),
        _speakers(final, folds),
        _scripts(findings, sources, turns[turns["label"].isin(run.class_of)], run.facts["listed"]),
        _words(final),
        _offline(run.facts["offline"], first),
        _choice(run.facts["final_system"], findings),
        *map(_encoder, choices),
        _vectors(run.facts["train_vectors"], findings),
    ]
    return [caution for caution in said if caution]


def _chance(findings, clusters):
    sure = findings["final"]["interval"]
    others = "dialogs of these speakers" if clusters == "dialogs" else "speakers"
    text = (
        f"The 95 % interval of the final system's WA is {sure['low']:.1f} to {sure['high']:.1f}: how it would "
        f"vary with other {others}, scored by these trained models"
    )
    if findings["folds"] > 1:
        text += (
            f". Taken from the folds instead, as if they were independent, it is {sure['fold_low']:.1f} to "
            f"{sure['fold_high']:.1f}"
        )
    if findings["seeds"] > 1:
        text += f". Over the seeds its standard deviation is {sure['seed_sd']:.1f} points"
    return Caution("Chance", f"{text}.")


def _clusters(clusters):
    """What intervals and tests draw."""
    if clusters == "dialogs":
        return None
    return Caution(
        "Clusters",
        "This corpus says of no turns that they are of one dialog. So where intervals and tests are said to draw dialogs, they"
        " draw whole speakers, all together, so they tell of other speakers and not of other dialogs of these.",
    )


def _speakers(final, folds):
    """final: the rows of groups.parquet of the final system, WA in percent."""
    speakers = final[final["grouping"] == "speaker"]
    shared = shared_speakers(folds)
    text = (
        f"In {shared} of {len(folds)} folds a test speaker is also in training or validation. "
        if shared
        else "No speaker of a test part is in the training or validation part of the same fold. "
    )
    known = speakers[speakers["n"] >= FEW]
    of, which = (known, f" of at least {FEW} turns") if 0 < len(known) < len(speakers) else (speakers, "")
    low, high = of["wa"].min(), of["wa"].max()
    lead = f"From speaker to speaker{which} its WA goes from {low:.1f} to {high:.1f} %."
    return Caution(
        "Speakers",
        f"{text}WA of the final system by speaker: {speakers['wa'].min():.1f} to {speakers['wa'].max():.1f}; of"
        f" {len(speakers)} speakers, no interval here says how it would do on another one.",
        f"{text}{lead}" if shared else lead,
        GRAVE if shared else high - low,
    )


def shared_speakers(folds):
    """Number of folds in which a speaker of the test part is also in another part."""
    return sum(
        bool(set(turns.loc[turns["part"] == "test", "speaker"]) & set(turns.loc[turns["part"] != "test", "speaker"]))
        for _, turns in folds.values()
    )


def _scripts(findings, sources, labelled, listed):
    """labelled: the corpus' turns that are in a class of the run; listed: whether the corpus is another than IEMOCAP."""
    if listed:
        return _scenes(findings, labelled)
    sessions = labelled.groupby("scenario")["session"].transform("nunique")
    alone = f"The scenario alone, without any clip, gives {findings['scenario']['wa']:.1f} % WA"
    known = (
        f"{100 * (sessions > 1).mean():.0f} % of the labelled turns belong to a scenario that another session plays "
        f"too. {alone}"
    )
    if compares_scenes(sources):
        unknown, control = (
            100 * ranked(sources[name].scores).set_index("system").loc["chosen", "wa"]
            for name in (NEW_SCENES, KNOWN_SCENES)
        )
        beside = f"; the final system has {unknown:.1f} % where the play is new, and {control:.1f} % where it is not."
        return Caution("Scripts", known + beside, alone + beside)
    lacking = (
        "no fold tests a new scene"
        if NEW_SCENES not in sources
        else "no fold tests these turns with their scenes in training"
    )
    return Caution(
        "Scripts",
        f"{known} (majority class: {findings['majority']['wa']:.1f} %), and {lacking}: how much of the final system's "
        f"{findings['final']['wa']:.1f} % is recognising the scene cannot be told from this run (set protocols: [session, "
        f"{NEW_SCENES}, {KNOWN_SCENES}]).",
        f"{alone}, and {lacking}.",
    )


def _scenes(findings, labelled):
    if not labelled["scenario"].any():
        return None
    speakers = labelled.groupby("scenario")["speaker"].transform("nunique")
    alone = f"The scene alone, without any clip, gives {findings['scenario']['wa']:.1f} % WA"
    return Caution(
        "Scenes",
        f"{100 * ((speakers > 1) & (labelled['scenario'] != '')).mean():.0f} % of the labelled turns are of a scene (a"
        f" sentence, a script) that another speaker plays too. {alone} (majority class:"
        f" {findings['majority']['wa']:.1f} %); no fold tests a new scene.",
        f"{alone}, and no fold tests a new scene.",
    )


def _offline(offline, sources):
    """Which final systems read later turns; offline: of `configuration.named.offline`."""
    encoders = sources.scores.drop_duplicates("system").set_index("system")[["modalities", "encoders"]]

    def later(system):
        pairs = zip(*(encoders.loc[system, column].split(", ") for column in encoders), strict=True)
        return system in offline["systems"] or any(name in offline["encoders"].get(of, []) for of, name in pairs)

    final = [row["system"] for row in sources.chosen]
    reading = [system for system in final if later(system)]
    if not reading:
        return None
    names, of = listed(list(dict.fromkeys(reading))), f"{len(reading)} of {len(final)} folds"
    if len({row["seed"] for row in sources.chosen}) > 1:
        of += " and seeds"
    return Caution(
        "Recordings",
        f"The final system of {of} ({names}) reads turns that come after the one in question, so it works on "
        "recordings and cannot be used live.",
    )


def _words(final):
    words = final[final["grouping"] == "words"].set_index("group")["wa"]
    if not {"seen", "unseen"} <= set(words.index):
        return None
    said = (
        f"is {words['seen']:.1f} % on turns whose words are also those of a training turn, {words['unseen']:.1f} % on the"
        " others."
    )
    return Caution("Words", f"WA of the final system {said}", f"Its WA {said}", words["seen"] - words["unseen"])


def _choice(final_system, findings):
    if final_system in ON_VALIDATION:
        text = "Each fold chose its final system on its validation part; the test part had no say in it."
        if final_system == "validation_wa":
            text += (
                " It took the fusion with the best WA there, the best of many: its score on validation is optimistic, and it"
                " may be worse on other turns than a single modality (final_system: validation is careful about that)."
            )
    elif final_system == "test":
        text = "The final system is the one that did best on the test turns: its score is the best of many, and optimistic."
    else:
        text = f"The final system, {final_system}, was named in the config before the run, not chosen from results."
    if final_system == "test":
        return Caution("Choice", text, text, GRAVE)
    if findings["optimism"] <= 0.05:
        return Caution("Choice", f"{text} No single system does better on the test turns.")
    lead = (
        f"The best of all systems on the test turns, {findings['best']['system']}, reaches {findings['best']['wa']:.1f} % WA: "
        f"reporting that one would add {findings['optimism']:.1f} points by choosing on the test set."
    )
    return Caution("Choice", f"{text} {lead}")


def _encoder(made):
    again = ", ".join(split_title(fold) for fold in made["tested_in"])
    text = (
        f"{made['encoder']} was chosen from {len(made['scores'])} by WA on the {made['on']} part of"
        f" {made['split']} (session {made['session']}). "
    )
    if again:
        text += f"Those turns are also tested in {again}, so its score is not free of this choice."
    return Caution(f"{made['title'].capitalize()} encoder", text, text if again else "", GRAVE if again else 0.0)


def _vectors(train_vectors, findings):
    if train_vectors != "in_sample" or not findings["fused"]:
        return None
    return Caution(
        "In-sample vectors",
        "The fusion classifiers learn from vectors of turns on which the encoder itself was fine-tuned. Such "
        "vectors separate the classes better than those of unseen turns, so the classifiers train on too easy "
        "a task.",
    )
