"""Makes up what is said in a turn."""

import numpy as np

from emofuse.corpora.iemocap.names import scenario_of
from emofuse.demo.chance import CLASSES, generator
from emofuse.demo.plan import session_of

# Which dialog shows which quirk of the real transcripts.
LAUGHTER = {"Ses01M_impro05", "Ses04F_impro01"}
COLON_IN_WORDS = {"Ses03F_impro01", "Ses05M_impro05"}

_LEANING = {  # for each class: exclamations, adjectives, verbs; one word each, so that their number tells nothing
    "ang": (
        ("damn", "enough", "stop", "nonsense", "never"),
        ("outrageous", "ridiculous", "unfair", "stupid", "insulting"),
        ("ruined", "wrecked", "smashed", "attacked", "stole"),
    ),
    "hap": (
        ("wow", "great", "yes", "hooray", "finally"),
        ("amazing", "lovely", "fantastic", "brilliant", "perfect"),
        ("won", "loved", "enjoyed", "celebrated", "kissed"),
    ),
    "neu": (
        ("okay", "well", "right", "actually", "anyway"),
        ("normal", "usual", "ordinary", "regular", "average"),
        ("checked", "moved", "opened", "counted", "signed"),
    ),
    "sad": (
        ("sorry", "alas", "sadly", "goodbye", "nothing"),
        ("lonely", "hopeless", "empty", "painful", "gloomy"),
        ("lost", "missed", "buried", "mourned", "left"),
    ),
}
_NOUNS = {  # what each scenario is about, whoever plays it
    "impro01": ("letter", "train", "soldier"),
    "impro05": ("ring", "garden", "picture"),
    "script01_1": ("house", "ticket", "dog"),
    "script02_1": ("table", "car", "job"),
}
ABOUT = 0.8  # of the nouns are the scenario's
_TIMES = ("today", "yesterday", "again", "there", "before")
_PEOPLE = ("we", "they", "she", "he", "you")
_SENTENCES = (  # each with one word of each leaning kind
    "{oh}, {person} {verb} the {adjective} {noun}.",
    "{oh}! It is {adjective}, {person} {verb} it {time}.",
    "You know, {person} {verb} that {adjective} {noun}, {oh}.",
    "{time} {person} {verb} the {adjective} {noun}, {oh}.",
    "That {adjective} {noun}, {oh}, {person} {verb} it.",
)
LEAN = 0.9  # of the leaning words in a sentence lean to the class that the words show


def vocabulary():
    """Every word that the demo's transcripts hold, in lower case, sorted."""
    words = {word for lists in _LEANING.values() for options in lists for word in options}
    words |= {*(noun for nouns in _NOUNS.values() for noun in nouns), *_TIMES, *_PEOPLE, "yeah", "laughter"}
    fixed = " ".join(_SENTENCES).format(oh="", noun="", adjective="", time="", person="", verb="")
    return sorted(words | {word.strip(".,!").lower() for word in fixed.split()} - {""})


def say(turn_id, dialog, shown, seed):
    """A sentence; a speaker knows only some words of each list."""
    rng = generator(seed, turn_id, "words")
    habits = generator(seed, session_of(turn_id), turn_id[-4], "habits")
    habits = habits.permuted(np.tile(np.arange(10), (15, 1)), axis=1)

    def pick(options, row):
        known = [i for i in habits[row] if i < len(options)][: len(options) * 4 // 5]
        return options[rng.choice(known)]

    def leaning(kind):
        name = shown if rng.random() < LEAN else str(rng.choice(CLASSES))
        return pick(_LEANING[name][kind], 3 * CLASSES.index(name) + kind)

    about = scenario_of(dialog) if rng.random() < ABOUT else str(rng.choice(list(_NOUNS)))
    sentence = pick(_SENTENCES, 12).format(
        oh=leaning(0),
        adjective=leaning(1),
        verb=leaning(2),
        noun=str(rng.choice(_NOUNS[about])),
        time=pick(_TIMES, 13),
        person=pick(_PEOPLE, 14),
    )
    sentence = sentence[0].upper() + sentence[1:]
    number = int(turn_id[-3:])
    if dialog in LAUGHTER and number in (2, 5):
        return "[LAUGHTER]" if number == 2 else f"{sentence} [LAUGHTER]"
    return f"You know: {sentence}" if dialog in COLON_IN_WORDS and number == 4 else sentence
