"""Deals the plays to groups, for the protocols by scenario.

A play is a scenario without its part: `script01` of `script01_1`; an improvisation is a play of its own.
"""

from itertools import cycle

import numpy as np

from emofuse.corpora.iemocap.names import scenario_of, session_of

GROUPS = "abc"


def play_of(scenario):
    """`script01_1` -> `script01`, `impro05` -> `impro05`."""
    return scenario.split("_")[0]


def deal(dialogs):
    """The group of each play, {play: a, b or c}: the plays of the dialogs, sorted by name, are dealt to the groups in turn."""
    plays = {play_of(scenario_of(dialog)) for dialog in dialogs}
    return dict(zip(sorted(plays), cycle(GROUPS), strict=False))


def groups_of(session, dialogs):
    """The groups, in order, of which a session has a dialog."""
    groups = deal(dialogs)
    there = {groups[play_of(scenario_of(dialog))] for dialog in dialogs if session_of(dialog) == session}
    return sorted(there)


def kept(turns, fold, groups):
    """(n,) bool: the test session's turns of the fold's group, and the other sessions' of the other groups."""
    own = np.array([groups[play_of(scenario)] == fold.which for scenario in turns["scenario"]], dtype=bool)
    return (turns["session"] == fold.session) == own
