"""What the names of the release's sessions, dialogs and turns tell; pure standard library, for the Snakefile imports it."""

import re

from emofuse.runtime.errors import EmofuseError

SESSIONS = (1, 2, 3, 4, 5)
CROPS = ("speaker", "partner", "full")

# Ses01F_impro01: session 1, the woman (F) wears the markers, improvised scene 1. ASCII only, for names become paths.
DIALOG = re.compile(r"Ses0(?P<session>[1-5])(?P<markers>[FM])_(?P<scenario>impro[0-9]{2}|script[0-9]{2}_[0-9])[ab]?")
# Ses01F_impro01_M003: turn 3 of the man in that dialog.
TURN = re.compile(rf"(?P<dialog>{DIALOG.pattern})_(?P<gender>[FM])(?P<number>[0-9]{{3}})")


def matched(pattern, name, what):
    """The match of a whole name; raises EmofuseError where it is not that of a `what`."""
    match = pattern.fullmatch(name)
    if not match:
        raise EmofuseError(f"{name!r} is not the name of a {what} of IEMOCAP.")
    return match


def is_dialog(name):
    """Whether `name` has the form of a dialog's name."""
    return DIALOG.fullmatch(name) is not None


def session_of(dialog):
    """`Ses01F_impro01` (or one of its turns) -> 1."""
    return int(matched(DIALOG, dialog_of(dialog), "dialog")["session"])


def scenario_of(dialog):
    """`Ses03M_impro05a` -> `impro05`, `Ses05M_script01_1b` -> `script01_1`: the scene, the same in every session."""
    return matched(DIALOG, dialog, "dialog")["scenario"]


def style_of(dialog):
    """`improvised` or `scripted`."""
    return "improvised" if scenario_of(dialog).startswith("impro") else "scripted"


def dialog_of(name):
    """The dialog of a turn id; a dialog's name is returned as it is."""
    match = TURN.fullmatch(name)
    return match["dialog"] if match else name


def gender_of(turn_id):
    """`F` or `M`, of the turn's speaker."""
    return matched(TURN, turn_id, "turn")["gender"]


def speaker_of(turn_id):
    """`Ses01F_impro01_M003` -> `Ses01_M`: the turn's letter, for the dialog's only says who wears the markers."""
    return f"{turn_id[:5]}_{gender_of(turn_id)}"


def side_of(turn_id, crop):
    """Which part of the picture `crop` (speaker, partner, full) means for a turn: `left`, `right` or `full`.

    The marker wearer, the dialog's letter, is on the left half.
    """
    if crop == "full":
        return "full"
    return "left" if wearer_speaks(turn_id) == (crop == "speaker") else "right"


def wearer_speaks(turn_id):
    """Whether a turn is spoken by the one who wears the motion-capture markers; else by the partner."""
    match = matched(TURN, turn_id, "turn")
    return match["gender"] == match["markers"]
