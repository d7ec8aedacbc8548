"""Reads the motion capture of a dialog's turns, whatever is missing or odd in it, which goes to the problems."""

import numpy as np

from emofuse.corpora.iemocap.motion import RATE, WIDTHS, Motion, parse_motion
from emofuse.corpora.iemocap.paths import dialog_motion_paths, sentence_motion_folder, sentence_motion_path
from emofuse.corpora.sources import read_source
from emofuse.media.verdicts import TOLERANCE_S

LOST = "its turn has no motion"


def read_dialog(root, dialog, turns, problems):
    """Yield of each turn (turn, {kind: values}, ''), or (turn, None, why) where it has no motion.

    turns: dicts of turn_id, start_s, end_s, in their order. kind: face, head, hand; values: float64 (frames, width), NaN where
    a marker was hidden. A turn without a table of its own is cut from its dialog's, where there is one.
    """
    sources = [_Source(root, dialog, kind, turns, problems) for kind in WIDTHS]
    for turn in turns:
        found = {source.kind: source.values(turn) for source in sources}
        lacking = [kind for kind, values in found.items() if values is None]
        if lacking:
            yield turn, None, f"missing: no motion of {', '.join(lacking)}"
        elif all(np.isnan(values).all() for values in found.values()):
            problems.add(turn["turn_id"], "warning", "no marker seen: its motion is NaN alone", "it has no motion")
            yield turn, None, "missing: no marker seen"
        else:
            yield turn, found, ""
    for source in sources:
        source.sum_up()


class _Source:
    """One kind of motion of a dialog's turns."""

    def __init__(self, root, dialog, kind, turns, problems):
        self.kind, self._root, self._turns, self._problems = kind, root, turns, problems
        self._folder = sentence_motion_folder(root, dialog, kind)
        whole = [path for path in dialog_motion_paths(root, dialog, kind) if path.is_file()]
        self._whole, self._table = next(iter(whole), None), None
        self._hidden, self._off = {}, []
        missing = [path for path in map(self._path, turns) if not path.is_file()]
        self._missing = {path.stem for path in missing}
        for path in [self._folder] if len(missing) == len(turns) else missing:
            if self._whole:
                note = "missing motion of a turn, or a dialog's folder of it"
                problems.add(path, "warning", note, "cut from the dialog's table")
            else:
                problems.defect(path, "missing file", LOST if path != self._folder else "its turns have no motion")

    def _path(self, turn):
        return sentence_motion_path(self._root, turn["turn_id"], self.kind)

    def values(self, turn):
        """float64 (frames, width), or None where there are none."""
        name, lasts = turn["turn_id"], turn["end_s"] - turn["start_s"]
        if name not in self._missing:
            motion = self._read(self._path(turn), LOST)
        elif self._whole:
            motion = self._cut(turn)
        else:
            motion = None
        if motion is None:
            return None
        seconds = len(motion.values) / RATE
        if abs(seconds - lasts) > TOLERANCE_S:
            self._off.append(f"{name} ({seconds:.2f} s, the turn {lasts:.2f} s)")
        if hidden := int(np.isnan(motion.values).all(axis=0).sum()):
            self._hidden[name] = hidden
        return motion.values

    def _read(self, path, lost):
        """The Motion of a table, or None."""
        text = read_source(path, self._problems, lost)
        if text is None:
            return None
        motion = parse_motion(text, WIDTHS[self.kind])
        for fault, action in motion.faults:
            self._problems.add(path, "warning", fault, action)
        if not len(motion.values):
            self._problems.defect(path, "unreadable file: it holds no row of motion", lost)
            return None
        return motion

    def _cut(self, turn):
        """The Motion of a turn's time in the dialog's table, or None."""
        if self._table is None:
            nothing = Motion(np.zeros(0), np.zeros((0, WIDTHS[self.kind])), [])
            self._table = self._read(self._whole, "the turns that lack a table have no motion") or nothing
        within = (self._table.times >= turn["start_s"]) & (self._table.times < turn["end_s"])
        if within.any():
            return Motion(self._table.times[within], self._table.values[within], [])
        if len(self._table.times):
            note = f"past the end of the dialog's motion: the table ends at {self._table.times[-1]:.2f} s"
            self._problems.add(turn["turn_id"], "warning", note, "it has no motion")
        return None

    def sum_up(self):
        """Tell, once for the dialog, which turns are of another length than their motion, and where markers are never seen."""
        if self._off:
            note = f"length of motion differs: {len(self._off)} of {len(self._turns)} turns, such as {self._off[0]}"
            self._problems.add(self._folder, "warning", note, "kept as it is")
        if self._hidden:
            first, most = next(iter(self._hidden)), max(self._hidden.values())
            note = f"hidden all turn long: up to {most} of {WIDTHS[self.kind]} numbers, in {len(self._hidden)} turns ({first})"
            self._problems.add(self._folder, "info", note, "written as 0")
