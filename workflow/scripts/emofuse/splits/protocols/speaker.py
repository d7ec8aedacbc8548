"""Each fold tests a speaker, whose partner validates; the other sessions train."""

from emofuse.splits.rules import tested

PLACE = 2
SENTENCE = "each fold tests a speaker"
PREFIX = "speaker"
WHICH = "[FM]"
OWN_VALIDATION = "partner"
SHARES_DIALOGS = True


def folds(session, dialogs):
    """The letters of a session's speakers."""
    return ["F", "M"]


def parts(turns, fold, scheme):
    """The part of each turn; in a refit, without a validation part, the partner is in none: these dialogs are tested."""
    part = tested(turns, fold)
    partner = (part == "test") & (turns["speaker"] != f"Ses0{fold.session}_{fold.which}")
    part[partner] = "" if fold.refit else "val"
    return part
