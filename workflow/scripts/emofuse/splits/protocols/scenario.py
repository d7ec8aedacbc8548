"""Each fold tests a session's turns of a third of the plays; validation and training hold the other sessions' other plays."""

from emofuse.splits import plays
from emofuse.splits.rules import tested, validated

PLACE = 3
SENTENCE = (
    "each fold tests a session's turns of a third of the plays and improvisations; validation and training hold "
    "other sessions and other plays"
)
PREFIX = "scenario"
WHICH = "[abc]"


folds, groups = plays.groups_of, plays.deal


def parts(turns, fold, scheme):
    """The part of each turn: of the session's, those of the group; of the others', those of other groups."""
    part = validated(tested(turns, fold), turns, fold, scheme)
    part[~plays.kept(turns, fold, scheme.groups)] = ""
    return part


def apart(turns):
    """{what: name of each turn's (Series)}: what the test part shares with no other part, in a table of turns (DataFrame)."""
    return {"plays": turns["scenario"].map(plays.play_of)}
