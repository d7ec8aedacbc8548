"""Names the folds of every protocol and reads their names; pure standard library, for the Snakefile imports it.

Terms: a play is a scenario without its part: `script01` of `script01_1`; an improvisation is a play of its own.
"""

import re
from dataclasses import dataclass
from itertools import cycle

from emofuse.corpora.iemocap.names import SESSIONS, scenario_of, session_of
from emofuse.runtime.errors import EmofuseError

PROTOCOLS = ("session", "speaker", "scenario", "scenario_control")
BY_SCENARIO = PROTOCOLS[2:]
GROUPS = "abc"
UNVALIDATED = ("none", "test")  # rules that make no validation part


def _pattern(session):
    others = "".join(str(other) for other in SESSIONS if other != session)
    fold = f"(?:session{session}|speaker{session}[FM]|(?:scenario|control){session}[{GROUPS}])"
    return f"{fold}(?:-refit|-without[{others}])?|selection{session}"


# Every name of a split, as a regular expression. No other session can be held out of a fold than one that it trains on.
SPLIT = f"(?:{'|'.join(map(_pattern, SESSIONS))})"
_FORM = re.compile(r"([a-z]+)([1-5])([A-Za-z]?)(-refit)?(?:-without([1-5]))?")


@dataclass(frozen=True)
class Fold:
    """What the name of a split tells.

    `session` is that of the test part, `which` the test speaker's letter or the group of scenarios (empty in the
    protocol session). `refit`: trained anew with the validation part. `without`: the session that is held out of training,
    or None. `selection`: the fold on which encoders are compared, split as the protocol session does.
    """

    protocol: str
    session: int
    which: str
    refit: bool
    without: int | None
    selection: bool


def parse_split(name):
    """`scenario3a-without1` -> Fold("scenario", 3, "a", False, 1, False). Raises EmofuseError for what is no split's name."""
    if not re.fullmatch(SPLIT, name):
        raise EmofuseError(
            f"{name!r} is not the name of a split, such as session3, speaker3F, scenario3a, control3a, selection3,"
            " session3-refit or session3-without1."
        )
    kind, session, which, refit, without = _FORM.fullmatch(name).groups()
    protocol = {"control": "scenario_control", "selection": "session"}.get(kind, kind)
    return Fold(protocol, int(session), which, bool(refit), without and int(without), kind == "selection")


def split_names(protocol, sessions, dialogs):
    """The names of a protocol's splits, in order, for the sessions and the dialogs of a corpus.

    By scenario there is a fold for those sessions and groups alone of which there is a dialog.
    """
    if protocol == "session":
        return [f"session{session}" for session in sessions]
    if protocol == "speaker":
        return [f"speaker{session}{letter}" for session in sessions for letter in "FM"]
    prefix = {"scenario": "scenario", "scenario_control": "control"}[protocol]
    groups = scenario_groups(map(scenario_of, dialogs))
    there = {(session_of(dialog), groups[play_of(scenario_of(dialog))]) for dialog in dialogs}
    return [f"{prefix}{session}{group}" for session in sessions for group in GROUPS if (session, group) in there]


def play_of(scenario):
    """`script01_1` -> `script01`, `impro05` -> `impro05`."""
    return scenario.split("_")[0]


def scenario_groups(scenarios):
    """The group of each play, {play: a, b or c}: the plays sorted by name are dealt to the groups in turn."""
    return dict(zip(sorted(set(map(play_of, scenarios))), cycle(GROUPS), strict=False))
