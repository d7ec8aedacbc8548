"""The test turns of the protocol scenario; of each other session as many turns as there, drawn from all its plays."""

import numpy as np

from emofuse.splits import plays
from emofuse.splits.rules import tested, validated

PLACE = 4
SENTENCE = (
    "the test turns of the protocol scenario; validation and training hold as many turns from each "
    "session, drawn from all its plays"
)
PREFIX = "control"
WHICH = "[abc]"
DRAWS = True


folds, groups = plays.groups_of, plays.deal


def parts(turns, fold, scheme):
    """The part of each turn; drawn without replacement by a generator of the seed, the fold and the session alone."""
    part = validated(tested(turns, fold), turns, fold, scheme)
    kept = plays.kept(turns, fold, scheme.groups)
    for other in set(scheme.sessions) - {fold.session}:
        rows = np.flatnonzero(turns["session"] == other)
        rng = np.random.default_rng([scheme.seed, fold.session, ord(fold.which), other])
        drawn = rng.choice(rows, np.count_nonzero(kept[rows]), replace=False)
        kept[rows] = False
        kept[drawn] = True
    part[~kept] = ""
    return part
