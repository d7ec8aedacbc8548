"""A corpus of the user's own: a table, a line a turn, of where its sound, picture and words lie and what it is called."""

from collections import defaultdict
from pathlib import Path

from emofuse.corpora.cells import RATER, read_cells
from emofuse.corpora.finding import some
from emofuse.corpora.listing import Listing
from emofuse.corpora.problems import MOST_LISTED
from emofuse.corpora.tables import Fault, column_faults, read_table
from emofuse.runtime.errors import EmofuseError, listing

SENTENCE = "a corpus of one's own: a CSV, TSV or Parquet file with a line a turn"

NEEDED = ("turn_id", "speaker", "label")
COLUMNS = (
    *NEEDED,
    *("media", "audio", "video", "start_s", "end_s", "channel", "crop", "text", "text_file"),
    *("dialog", "scene", "group", "part", "gender"),
)
NAMES = ("turn_id", "speaker", "dialog", "scene", "group")  # of which none may differ from another only by capitals
ALL_OR_NONE = ("group", "part")


def read(root, settings):
    """The Listing of the manifest `root`, a .csv, .tsv or .parquet file; docs/corpora/manifest.md says what its columns mean.

    Paths are relative to the manifest's own folder, which they may not lead out of, or absolute. Whether media are there is not
    asked; files of words must be. settings: the config's section `corpus`, of which nothing is needed. Raises one EmofuseError
    that lists all that is wrong in the whole file, by line and column.
    """
    path = _file(root)
    table = read_table(path, numeric=("start_s", "end_s", "channel"), free=("text",))
    faults = table.faults + column_faults(table, NEEDED, COLUMNS, RATER)
    faults += [Fault(0, name, "no rater is named") for name in table.columns if name == RATER]
    rows = [read_cells(number, values, path.parent, faults) for number, values in table.lines]
    faults += [*_alike(table.lines), *_incomplete(table.lines), *_two_genders(table.lines)]
    if not table.lines and not faults:
        faults.append(Fault(0, "", "it holds no turn"))
    if faults:
        order = {column: place for place, column in enumerate(table.columns)}
        faults.sort(key=lambda fault: (fault.line, order.get(fault.column, -1)))
        told = listing(map(table.told, faults), MOST_LISTED)
        raise EmofuseError(f"The manifest {path} has errors: {len(faults)}\n{told}")
    return Listing(path.parent, sorted(rows, key=lambda row: row.turn_id), [*_oddities(rows)])


def _file(root):
    path = Path(root)
    if path.is_dir():
        raise EmofuseError(
            f"corpus.root is {path}, a folder. Where corpus.kind is manifest, it is the manifest itself."
        )
    if not path.exists():
        raise EmofuseError(f"corpus.root is {path}, which is not there.")
    return path


def _alike(lines):
    """Faults of turn ids that are there twice, and of names that differ only by capitals from an earlier one."""
    for column in NAMES:
        first = {}
        for number, values in lines:
            if not (name := values.get(column)):
                continue
            line, known = first.setdefault(name.casefold(), (number, name))
            if known != name:
                yield Fault(number, column, f"{name!r} differs from {known!r} of line {line} only by capitals")
            elif column == "turn_id" and line != number:
                yield Fault(number, column, f"{name!r} is in line {line}, too")


def _incomplete(lines):
    """Faults of turns without a group, or part, where others have one."""
    for column in ALL_OR_NONE:
        lacking = [number for number, values in lines if values.get(column, "") == ""]
        if len(lacking) < len(lines):
            yield from (Fault(number, column, "empty, though other turns have one") for number in lacking)


def _two_genders(lines):
    """Faults of speakers who have another gender in an earlier line."""
    first = {}
    for number, values in lines:
        if values.get("speaker") and values.get("gender"):
            line, gender = first.setdefault(values["speaker"], (number, values["gender"]))
            if gender != values["gender"]:
                told = f"{values['gender']} of {values['speaker']}, who is {gender} in line {line}"
                yield Fault(number, "gender", told)


def _oddities(rows):
    """Problems of what can be used and may not be meant. rows: in the manifest's order."""
    spellings = defaultdict(set)
    for row in rows:
        spellings[row.label.casefold()].add(row.label)
    if several := sorted(label for alike in spellings.values() if len(alike) > 1 for label in alike):
        yield ".", "warning", f"labels that differ only by capitals: {some(several)}", "kept, as different ones"
    used = defaultdict(list)
    for row in rows:
        for file in {row.audio, row.video} - {None}:
            used[file, row.start_s, row.end_s, row.channel, row.crop].append(row.turn_id)
    twice = sorted({" = ".join(turns) for turns in used.values() if len(turns) > 1})
    if twice:
        told = f"turns of one span of one file: {some(twice)}"
        yield ".", "warning", told, "kept; in training and test at once they would be a leak"
    if mixed := sorted(dialog for dialog, of_dialog in _dialogs(rows).items() if not _in_order(of_dialog)):
        told = f"dialogs without times, whose turns do not stand in the order of their ids: {some(mixed)}"
        yield ".", "warning", told, "taken in the order of their ids"


def _dialogs(rows):
    """{dialog: rows of turns without times}."""
    found = defaultdict(list)
    for row in rows:
        if row.dialog and row.start_s is None:
            found[row.dialog].append(row)
    return found


def _in_order(rows):
    names = [row.turn_id for row in rows]
    return names == sorted(names)
