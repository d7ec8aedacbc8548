"""How far the numbers of the first protocol can be trusted: cautions, each a pair (short, long), from the run's own files."""

from emofuse.fusion.systems import ON_VALIDATION
from emofuse.report.outputs import KNOWN_SCENES, NEW_SCENES, compares_scenes, split_title
from emofuse.report.sections.findings import listed
from emofuse.report.systems import ranked


def cautions(run, findings, sources, folds, turns, left_out, choices):
    """[(short, long)].

    findings: of `findings.find`. sources: {protocol: Sources}, the first protocol first. folds: its folds, as of
    `card.read_folds`. turns: the corpus' turns. left_out: of `data.turns_left_out`. choices: of `setup.read_choices`.
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
        _choice(run.facts["final_system"]),
        *map(_encoder, choices),
        _vectors(run.facts["train_vectors"], findings),
        _completeness(left_out),
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
    return "Chance", f"{text}."


def _clusters(clusters):
    """What intervals and tests draw."""
    if clusters == "dialogs":
        return None
    return "Clusters", (
        "This corpus says of no turns that they are of one dialog. So where intervals and tests are said to draw dialogs, they"
        " draw whole speakers, all together, so they tell of other speakers and not of other dialogs of these."
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
    return "Speakers", (
        f"{text}WA of the final system by speaker: {speakers['wa'].min():.1f} to {speakers['wa'].max():.1f}; of "
        f"{len(speakers)} speakers, no interval here says how it would do on another one."
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
    known = (
        f"{100 * (sessions > 1).mean():.0f} % of the labelled turns belong to a scenario that another session plays "
        f"too. The scenario alone, without any clip, gives {findings['scenario']['wa']:.1f} % WA"
    )
    if compares_scenes(sources):
        unknown, control = (
            100 * ranked(sources[name].scores).set_index("system").loc["chosen", "wa"]
            for name in (NEW_SCENES, KNOWN_SCENES)
        )
        known += f"; the final system has {unknown:.1f} % where the play is new, and {control:.1f} % where it is not"
        return "Scripts", f"{known}."
    lacking = (
        "no fold tests a new scene"
        if NEW_SCENES not in sources
        else "no fold tests these turns with their scenes in training"
    )
    return "Scripts", (
        f"{known} (majority class: {findings['majority']['wa']:.1f} %), and {lacking}: how much of the final system's "
        f"{findings['final']['wa']:.1f} % is recognising the scene cannot be told from this run (set protocols: [session, "
        f"{NEW_SCENES}, {KNOWN_SCENES}])."
    )


def _scenes(findings, labelled):
    if not labelled["scenario"].any():
        return None
    speakers = labelled.groupby("scenario")["speaker"].transform("nunique")
    return "Scenes", (
        f"{100 * ((speakers > 1) & (labelled['scenario'] != '')).mean():.0f} % of the labelled turns are of a scene (a"
        " sentence, a script) that another speaker plays too. The scene alone, without any clip, gives"
        f" {findings['scenario']['wa']:.1f} % WA (majority class: {findings['majority']['wa']:.1f} %); no fold"
        " tests a new scene."
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
    return "Recordings", (
        f"The final system of {of} ({names}) reads turns that come after the one in question, so it works on "
        "recordings and cannot be used live."
    )


def _words(final):
    words = final[final["grouping"] == "words"].set_index("group")["wa"]
    if not {"seen", "unseen"} <= set(words.index):
        return None
    return "Words", (
        f"WA of the final system is {words['seen']:.1f} % on turns whose words are also those of a training "
        f"turn, {words['unseen']:.1f} % on the others."
    )


def _choice(final_system):
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
    return "Choice", text


def _encoder(made):
    again = ", ".join(split_title(fold) for fold in made["tested_in"])
    text = (
        f"{made['encoder']} was chosen from {len(made['scores'])} by WA on the {made['on']} part of"
        f" {made['split']} (session {made['session']}). "
    )
    if again:
        text += f"Those turns are also tested in {again}, so its score is not free of this choice."
    return f"{made['title'].capitalize()} encoder", text


def _vectors(train_vectors, findings):
    if train_vectors != "in_sample" or not findings["fused"]:
        return None
    return "In-sample vectors", (
        "The fusion classifiers learn from vectors of turns on which the encoder itself was fine-tuned. Such "
        "vectors separate the classes better than those of unseen turns, so the classifiers train on too easy "
        "a task."
    )


def _completeness(left_out):
    missing = {row["turn_id"] for row in left_out if row["class"]}
    if not missing:
        return None
    turns_lack = "1 labelled turn lacks" if len(missing) == 1 else f"{len(missing)} labelled turns lack"
    return "Completeness", f"{turns_lack} a clip in some modality, so no system is scored there (listed below)."
