"""Each fold tests one of the groups of whole speakers, or of what else `corpus.folds` deals; the rule says which validate."""

from emofuse.splits.rules import tested, validated

PLACE = 5
SENTENCE = "each fold tests one of the groups to which whole speakers (or what corpus.folds names) were dealt"
PREFIX = "fold"
ANY_RULE = True
LISTED = True


def folds(session, dialogs):
    """What follows the group's number in the names of its splits."""
    return [""]


def parts(turns, fold, scheme):
    """The part of each turn."""
    return validated(tested(turns, fold), turns, fold, scheme)
