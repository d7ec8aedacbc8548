"""What protocols are made of: the test session, and the validation part by the config's rule."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Scheme:
    """How the config splits. sessions: those of the corpus, ascending. rule, share: of its section `validation`. seed: that
    of what is drawn, None where nothing is. groups: what a protocol's `groups` makes of all dialogs."""

    sessions: list[int]
    rule: str
    share: float | None = None
    seed: int | None = None
    groups: dict = field(default_factory=dict)


def tested(turns, fold):
    """(n,) object array: 'test' for the turns of the fold's session, 'train' for the others."""
    return np.where(turns["session"] == fold.session, "test", "train").astype(object)


def validated(part, turns, fold, scheme):
    """`part` with the validation part that the rule makes: the session before the fold's, cyclic (previous_session); whole
    dialogs of the other sessions, drawn until they hold `share` of these sessions' turns (share); none for other rules."""
    if scheme.rule == "previous_session":
        part[turns["session"] == scheme.sessions[scheme.sessions.index(fold.session) - 1]] = "val"
    elif scheme.rule == "share":
        outside = turns["dialog"][turns["session"] != fold.session]
        names, sizes = np.unique(outside.astype(str), return_counts=True)
        order = np.random.default_rng(scheme.seed).permutation(len(names))
        enough = int(np.searchsorted(np.cumsum(sizes[order]), scheme.share * sizes.sum())) + 1
        part[np.isin(turns["dialog"].astype(str), names[order[:enough]])] = "val"
    return part
