"""Each fold tests a session; of the others, the config's rule says which validate."""

from emofuse.splits.rules import tested, validated

PLACE = 1
SENTENCE = "each fold tests a session"
PREFIX = "session"
ANY_RULE = True


def folds(session, dialogs):
    """What follows the session's number in the names of its splits."""
    return [""]


def parts(turns, fold, scheme):
    """The part of each turn."""
    return validated(tested(turns, fold), turns, fold, scheme)
