"""Makes up a dialog's motion capture: how the one who wears the markers moves while speaking and while listening.

In the wearer's own turns the manner shows the turn's class with the probability SHOWN, by a draw of its own; in the partner's
turns it is any manner, and tells nothing. So a system of motion alone can be right on little more than half of the turns.
"""

import math
from pathlib import Path

import numpy as np

from emofuse.demo.chance import CLASS_OF, CLASSES, generator
from emofuse.demo.plan import MOTION_FILE, MOTION_FOLDERS, session_of
from emofuse.demo.turns import direct, medium_end

RATE = 120  # frames a second
SHOWN = 0.85
FACE, HANDS = 55, 6  # markers
OWN = {"face": 3, "hand": 30}  # mm by which a wearer's markers lie elsewhere than another's

# Which dialog shows which quirk of real motion capture, in which turn.
WITHOUT_TABLE = {"Ses04F_impro01": "F002"}  # of the head: it can be cut from the dialog's
ODD_ROW = {"Ses03M_script02_1": "M001"}  # of the hands: cut short
HIDDEN_MARKER = {"Ses02F_impro01": 17}  # of the face: in all turns
GAPS, GAP = 0.002, 12  # of the face's markers, how many vanish at a frame, and for how many frames

_MANNER = {  # sway of the head in mm and in hertz; brows up and corners of the mouth up in mm; reach of the hands in mm
    "ang": (14, 2.5, -6, -1, 120),
    "hap": (14, 1.5, 5, 6, 80),
    "neu": (4, 0.5, 0, 0, 20),
    "sad": (7, 0.4, 2, -5, 30),
}


def write_motion(out_root, dialog, seed):
    """Write what `demo_plan.motion_outputs(dialog)` names, below the release root `out_root`: a table a turn and kind, and one
    of the head in the whole dialog."""
    place = {"session": session_of(dialog), "dialog": dialog}
    folders = {kind: Path(out_root, pattern.format(**place)) for kind, pattern in MOTION_FOLDERS.items()}
    whole = Path(out_root, MOTION_FILE.format(**place))
    for folder in (*folders.values(), whole.parent):
        folder.mkdir(parents=True, exist_ok=True)
    turns = direct(dialog, seed)
    head = _moves(dialog, dialog, "neu", medium_end(dialog, turns), seed)["head"]
    for turn in turns:
        number, first = turn.turn_id[-4:], math.ceil(turn.start * RATE)
        moves = _moves(dialog, turn.turn_id, _manner(turn, dialog, seed), turn.end - turn.start, seed)
        head[first : first + len(moves["head"])] = moves["head"][: max(0, len(head) - first)]
        for kind, values in moves.items():
            lines = _rows(values, first)
            if kind == "hand" and ODD_ROW.get(dialog) == number:
                lines[40] = lines[40][:60]
            if kind != "head" or WITHOUT_TABLE.get(dialog) != number:
                _write(folders[kind] / f"{turn.turn_id}.txt", values.shape[1] // 3, lines)
    _write(whole, 2, _rows(head, 0))


def _manner(turn, dialog, seed):
    """The class whose manner the wearer has in a turn."""
    rng = generator(seed, turn.turn_id, "manner")
    if turn.gender != dialog[5]:
        return str(rng.choice(CLASSES))
    true = CLASS_OF.get(turn.label) or str(rng.choice(CLASSES))
    return true if rng.random() < SHOWN else str(rng.choice([name for name in CLASSES if name != true]))


def _moves(dialog, name, manner, seconds, seed):
    """{kind: float64 (frames, width)} of so many seconds: where the markers are, in mm, NaN where one cannot be seen."""
    # Markers are stuck to the same places of each face. Were faces unlike, who wears them would drown how they move.
    everybody = generator(seed, "markers")
    own = generator(seed, session_of(dialog), dialog[5], "markers")  # of the wearer, whatever the turn
    places = everybody.uniform((-70, -90, 20), (70, 90, 60), (FACE, 3)) + own.normal(0, OWN["face"], (FACE, 3))
    hands = everybody.uniform(-300, 300, (HANDS, 3)) + own.normal(0, OWN["hand"], (HANDS, 3))
    rng = generator(seed, name, "motion")
    sway, hertz, brows, mouth, reach = _MANNER[manner]
    time = np.arange(max(1, round(seconds * RATE)))[:, None] / RATE
    angle = 2 * np.pi * (hertz * rng.uniform(0.8, 1.2) * time + rng.random(3))
    moved = sway * rng.uniform(0.7, 1.3) * np.sin(angle)  # of the head: x, y, z
    look = np.zeros((FACE, 3))
    look[:, 1] = (
        np.where(places[:, 1] > 40, brows, 0) + np.where(places[:, 1] < -40, mouth, 0) * np.abs(places[:, 0]) / 70
    )
    face = places + look * rng.uniform(0.7, 1.3) + 0.3 * moved[:, None] + rng.normal(0, 0.5, (len(time), FACE, 3))
    hand = hands + reach * np.sin(angle[:, None] + np.arange(HANDS)[:, None]) + rng.normal(0, 1, (len(time), HANDS, 3))
    for frame, marker in np.argwhere(rng.random((len(time), FACE)) < GAPS):
        face[frame : frame + GAP, marker] = np.nan
    if dialog in HIDDEN_MARKER:
        face[:, HIDDEN_MARKER[dialog]] = np.nan
    head = np.hstack([moved / 4, moved]) + rng.normal(0, 0.2, (len(time), 6))  # pitch, roll, yaw in degrees; x, y, z
    return {"face": face.reshape(len(time), -1), "head": head, "hand": hand.reshape(len(time), -1)}


def _rows(values, first):
    """Lines of a table whose first frame has the number `first` in the dialog."""
    form = " ".join(["%d %.5f", *["%.2f"] * values.shape[1]])
    return [form % (n, n / RATE, *row) for n, row in enumerate(values.tolist(), first)]


def _write(path, markers, lines):
    header = [" ".join(["Frame# Time", *(f"M{n}" for n in range(markers))]), " ".join(["X Y Z"] * markers)]
    path.write_text("\n".join([*header, *lines, ""]).replace("nan", "NaN"), encoding="ascii")
