"""Reads the cells of one line of a manifest: a Row, or what is wrong, by column."""

import math
import os
import posixpath
import re

from emofuse.corpora.listing import Row
from emofuse.corpora.tables import Fault

PARTS = ("train", "val", "test")
GENDERS = ("F", "M")
RATER = "rater_"
LONGEST = 100  # characters of names, which become names of files
# Of sound alone: a file of these has no picture to be looked for.
SOUND = (".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".aif", ".aiff")

_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


class Cells:
    """The cells of a line; each method reads one meaning and adds what is wrong with it to `faults`."""

    def __init__(self, number, values, faults):
        self._number, self._values, self._faults = number, values, faults

    def __getitem__(self, column):
        """The text of a cell, '' where it is empty, its column is not there, or its trouble is known."""
        return self._values.get(column) or ""

    def spoilt(self, *columns):
        """Whether the trouble of one of these cells is known already."""
        return any(self._values.get(column, "") is None for column in columns)

    def fault(self, column, reason):
        """Say what is wrong with a cell."""
        self._faults.append(Fault(self._number, column, reason))

    def name(self, column, needed=False):
        """A name that may become part of a file's, or None."""
        value = self[column]
        if not value and needed and column in self._values and not self.spoilt(column):
            self.fault(column, "empty")
        elif len(value) > LONGEST:
            self.fault(column, f"has {len(value)} characters, and at most {LONGEST} may become part of a file's name")
        elif value and not _NAME.fullmatch(value):
            self.fault(
                column, f"{value!r} is not made of letters A to Z, digits, _, - and . within, as names of files are"
            )
        return value or None

    def one_of(self, column, choices):
        """One of `choices`, or None."""
        value = self[column]
        if value and value not in choices:
            self.fault(column, f"{value!r} is none of {', '.join(choices)}")
        return value or None

    def span(self):
        """(start_s, end_s) in seconds, or (None, None)."""
        start, end = self._seconds("start_s"), self._seconds("end_s")
        if self.spoilt("start_s", "end_s") or math.nan in (start, end):
            return None, None
        if (start is None) != (end is None):
            empty = "start_s" if start is None else "end_s"
            self.fault(empty, "empty, though the other end of the span is given")
        elif start is not None and end <= start:
            self.fault("end_s", f"{end:g} is not after start_s, {start:g}")
        return start, end

    def _seconds(self, column):
        value = self[column]
        if not value:
            return None
        if not _NUMBER.fullmatch(value) or not math.isfinite(float(value)):
            self.fault(column, f"{value!r} is not a number of seconds, such as 12.5")
        elif float(value) < 0:
            self.fault(column, f"{value} is before the beginning of the file")
        else:
            return float(value)
        return math.nan

    def channel(self):
        """mix, left, right or a number from '0'."""
        value = self["channel"] or "mix"
        if value not in ("mix", "left", "right") and not re.fullmatch("[0-9]|[1-9][0-9]", value):
            self.fault("channel", f"{value!r} is none of left, right, mix and the numbers from 0")
        return value

    def crop(self):
        """(x, y, width, height) as fractions of the picture, or None."""
        value = self["crop"]
        if not value:
            return None
        numbers = [number.strip() for number in value.split(",")]
        if len(numbers) != 4 or not all(map(_NUMBER.fullmatch, numbers)):
            self.fault("crop", f"{value!r} is not x,y,width,height in fractions of the picture, such as 0,0,0.5,1")
            return None
        x, y, width, height = map(float, numbers)
        if min(x, y) < 0 or min(width, height) <= 0 or max(x + width, y + height) > 1 + 1e-9:
            self.fault(
                "crop", f"{value} leads out of the picture, whose width and height are 1, or shows nothing of it"
            )
        return x, y, width, height

    def path(self, column):
        """The path of a file as it is written, relative to the manifest or absolute; or None."""
        value = self[column]
        if not value:
            return None
        if "://" in value:
            self.fault(column, f"{value} is an address; fetch the file, and name it here")
        elif "\\" in value:
            self.fault(column, f"{value!r} is written with \\; write / between folders")
        elif value.startswith("~"):
            self.fault(column, f"{value} begins with ~; write that folder out")
        elif value.endswith("/"):
            self.fault(column, f"{value} names a folder")
        elif not posixpath.isabs(value) and posixpath.normpath(value).startswith("../"):
            self.fault(column, f"{value} leads out of the manifest's folder; write its whole path, from /")
        return posixpath.normpath(value)

    def media(self):
        """(the file of the sound, that of the picture), either or both None."""
        both, sound, picture = self.path("media"), self.path("audio"), self.path("video")
        if both and (sound or picture):
            self.fault("media", "stands for sound and picture, so audio and video must be empty")
        if picture and picture.lower().endswith(SOUND):
            self.fault("video", f"{picture} is a file of sound alone")
        if both:
            return both, None if both.lower().endswith(SOUND) else both
        return sound, picture

    def words(self, folder):
        """(the words, the file of them), either or both None. `folder`: the manifest's."""
        file = self.path("text_file")
        if file and self["text"]:
            self.fault("text_file", "there are words in the column text, too; leave one empty")
        elif file and not os.path.isfile(folder / file):
            self.fault("text_file", f"{file} is not there, or no file")
        elif file and not os.access(folder / file, os.R_OK):
            self.fault("text_file", f"{file} may not be read by you")
        return self["text"] or None, file

    def label(self, column):
        """A raw label, '' where there is none."""
        if len(self[column]) > LONGEST:
            self.fault(column, f"has {len(self[column])} characters; a label has at most {LONGEST}")
        return self[column]


def read_cells(number, values, folder, faults):
    """The Row of a line; None where something is wrong with it, which is added to `faults`.

    values: {column: text}, as in `tables.Table`. folder: the manifest's own, a Path.
    """
    before = len(faults)
    cells = Cells(number, values, faults)
    audio, video = cells.media()
    text, text_file = cells.words(folder)
    start_s, end_s = cells.span()
    sources = ("media", "audio", "video", "text", "text_file")
    if not any((audio, video, text, text_file)) and not cells.spoilt(*sources):
        cells.fault("media", "neither a file of sound or picture nor words")
    fields = {
        "turn_id": cells.name("turn_id", needed=True),
        "speaker": cells.name("speaker", needed=True),
        "label": cells.label("label"),
        "channel": cells.channel(),
        "crop": cells.crop(),
        "dialog": cells.name("dialog"),
        "scene": cells.name("scene"),
        "group": cells.name("group"),
        "part": cells.one_of("part", PARTS),
        "gender": cells.one_of("gender", GENDERS) or "",
        "raters": {
            column.removeprefix(RATER): label
            for column in values
            if column.startswith(RATER) and (label := cells.label(column))
        },
    }
    if len(faults) > before or None in (fields["turn_id"], fields["speaker"]) or None in values.values():
        return None
    return Row(audio=audio, video=video, start_s=start_s, end_s=end_s, text=text, text_file=text_file, **fields)
