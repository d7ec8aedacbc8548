"""Names the folds of every protocol and reads their names: `<prefix><session><which>`, as in session3, speaker3F, fold12.

Light, for the Snakefile imports it.
"""

import re
from dataclasses import dataclass

from emofuse.corpora.iemocap.names import SESSIONS
from emofuse.runtime import kinds
from emofuse.runtime.errors import EmofuseError

KIND = "splits/protocols"
PROTOCOLS = tuple(kinds.constants(KIND))
UNVALIDATED = ("none", "test")  # rules that make no validation part
MOST = 24  # groups that a corpus without sessions may be dealt to


def constant(protocol, name, otherwise=None):
    """A constant of a protocol's file."""
    return kinds.constants(KIND)[protocol].get(name, otherwise)


def listed(protocol):
    """Whether a protocol is of corpora that are not IEMOCAP."""
    return constant(protocol, "LISTED", False)


def _pattern(protocol):
    """The names of a protocol's splits. No other session can be held out of a fold than one that it trains on."""
    sessions = range(1, MOST + 1) if listed(protocol) else SESSIONS
    tested = sessions[:1] if constant(protocol, "ONCE") else sessions
    folds = []
    for session in tested:
        others = "|".join(str(other) for other in sessions if other != session or constant(protocol, "ONCE"))
        name = f"{constant(protocol, 'PREFIX')}{session}{constant(protocol, 'WHICH', '')}"
        folds.append(f"{name}(?:-refit|-without(?:{others}))?")
    return "|".join(folds)


# Every name of a split, as a regular expression.
SPLIT = f"(?:{'|'.join(map(_pattern, PROTOCOLS))}|selection(?:{'|'.join(map(str, range(1, MOST + 1)))}))"
_FORM = re.compile(r"([a-z_]+)([0-9]+)([A-Za-z]*)(-refit)?(?:-without([0-9]+))?")


@dataclass(frozen=True)
class Fold:
    """What the name of a split tells.

    `session` is that of the test part (of another corpus than IEMOCAP the number of a group; 1 of the protocol official),
    `which` the test speaker's letter or the group of plays (empty in other protocols). `refit`: trained anew with the
    validation part. `without`: the session that is held out of training, or None.
    `selection`: the fold on which encoders are compared, split as the protocol session does.
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
            " session3-refit, session3-without1, fold12, official1."
        )
    prefix, session, which, refit, without = _FORM.fullmatch(name).groups()
    protocol = {constant(name, "PREFIX"): name for name in PROTOCOLS}.get(prefix, "session")
    return Fold(protocol, int(session), which, bool(refit), without and int(without), prefix == "selection")


def split_names(protocol, sessions, dialogs):
    """The names of a protocol's splits, in order, for the sessions and the dialogs of a corpus."""
    prefix, folds = constant(protocol, "PREFIX"), kinds.load(KIND, protocol).folds
    tested = sessions[:1] if constant(protocol, "ONCE") else sessions
    return [f"{prefix}{session}{which}" for session in tested for which in folds(session, dialogs)]


def groups(protocol, dialogs):
    """What a protocol deals to groups, of all dialogs of the corpus; {} for most."""
    module = kinds.load(KIND, protocol)
    return module.groups(dialogs) if hasattr(module, "groups") else {}


def code_of(protocols):
    """The files of some protocols, for the fingerprint of what they make or what tells of them."""
    return kinds.code(KIND, protocols)
