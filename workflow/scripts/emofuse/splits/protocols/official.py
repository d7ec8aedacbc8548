"""The one fold is the corpus's own: it names the turns that train, validate and test."""

PLACE = 6
SENTENCE = "the corpus names the turns that train, validate and test"
PREFIX = "official"
OWN_VALIDATION = "official"
LISTED = True
ONCE = True
SHARES_SPEAKERS = True
READS = ("official",)


def folds(session, dialogs):
    """What follows the number 1 in the name of the split."""
    return [""]


def parts(turns, fold, scheme):
    """The part of each turn; in a refit what validates trains."""
    part = turns["official"].astype(object)
    if fold.refit:
        part[part == "val"] = "train"
    return part
