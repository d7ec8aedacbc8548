"""Reads a table that a user made, CSV, TSV or Parquet, as cells of text, with what is wrong with it by line and column."""

import csv
import difflib
import io
from typing import NamedTuple

from emofuse.runtime.errors import EmofuseError

DELIMITERS = {".csv": ",", ".tsv": "\t"}
TEXT_BREAKS = "\n\r\t"  # the control characters that words may hold


class Fault(NamedTuple):
    """What is wrong with a table. line: from 1; 0 where it is the table. column: its name, or ''."""

    line: int
    column: str
    reason: str


class Table(NamedTuple):
    """unit: what a line is called, line or row. columns: their names. lines: (number, {column: text}), '' for an empty cell;
    None for one whose trouble is among the faults. Lines that cannot be parted into cells are among the faults alone."""

    unit: str
    columns: list[str]
    lines: list[tuple[int, dict]]
    faults: list[Fault]

    def told(self, fault):
        """A fault as text: `line 7, start_s: ...`."""
        where = [f"{self.unit} {fault.line}"] * (fault.line > 0) + [fault.column] * bool(fault.column)
        return f"{', '.join(where)}: {fault.reason}" if where else fault.reason


def read_table(path, numeric=(), free=()):
    """The Table of a file, by its suffix. numeric: columns that may be numbers in Parquet. free: those that may hold line ends.

    A header's names and all cells are given without blanks around them. Raises EmofuseError where it is no such table at all.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            return _read_parquet(path, numeric, free)
        if suffix in DELIMITERS:
            return _read_delimited(path, path.read_bytes(), DELIMITERS[suffix], free)
    except OSError as error:
        raise EmofuseError(f"{path} cannot be read: {error.strerror or error}") from None
    raise EmofuseError(f"{path} ends in none of .csv, .tsv and .parquet, so it is not known how to read it.")


def _read_delimited(path, data, delimiter, free):
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise EmofuseError(f"{path} is UTF-16; save it as UTF-8.")
    text = data.removeprefix(b"\xef\xbb\xbf").decode(errors="surrogateescape")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns, lines, faults = None, [], []
    while True:
        number = reader.line_num + 1  # a quoted cell may go over several
        try:
            fields = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            faults.append(Fault(number, "", f"quotes that do not fit, or a cell without end ({error})"))
            continue
        if not fields:
            continue
        if columns is None:
            columns = [field.strip() for field in fields]
            _refuse_other_delimiters(path, columns)
        elif len(fields) != len(columns):
            faults.append(Fault(number, "", f"has {len(fields)} fields, the header {len(columns)}"))
        else:
            cells = dict(zip(columns, fields, strict=True))
            lines.append((number, _clean(number, cells, free, faults)))
    if columns is None:
        raise EmofuseError(f"{path} is empty.")
    return Table("line", columns, lines, faults)


def _refuse_other_delimiters(path, columns):
    for delimiter, name in ((";", "semicolons"), ("\t", "tabs"), (",", "commas")):
        if len(columns) == 1 and delimiter in columns[0]:
            raise EmofuseError(
                f"The columns of {path} are parted by {name}. In a .csv commas part them, in a .tsv tabs; save it so."
            )


def _read_parquet(path, numeric, free):
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read()
    except pa.ArrowException as error:
        raise EmofuseError(f"{path} is not Parquet, or damaged: {str(error).splitlines()[0]}") from None
    faults, values = [], {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)
        if is_text or (name in numeric and (pa.types.is_floating(kind) or pa.types.is_integer(kind))):
            values[name] = ["" if value is None else str(value) for value in column.to_pylist()]
        else:
            needed = "numbers or text" if name in numeric else "text"
            faults.append(Fault(0, name, f"holds {kind}, not {needed}"))
            values[name] = [None] * len(column)
    lines = []
    for number in range(1, len(table) + 1):
        cells = {name: column[number - 1] for name, column in values.items()}
        lines.append((number, _clean(number, cells, free, faults)))
    return Table("row", table.column_names, lines, faults)


def _clean(number, cells, free, faults):
    """Cells without blanks around them; None for those that hold what is no text."""
    cleaned = {}
    for column, value in cells.items():
        plain = not value or (value.isascii() and value.isprintable())
        cleaned[column] = value and (value.strip() if plain else _text(number, column, value, free, faults))
    return cleaned


def _text(number, column, value, free, faults):
    if not value.isascii() and any("\udc80" <= character <= "\udcff" for character in value):
        faults.append(Fault(number, column, "bytes that are not UTF-8"))
        return None
    if not value.isprintable():
        breaks = TEXT_BREAKS if column in free else ""
        if any((character < " " or character == "\x7f") and character not in breaks for character in value.strip()):
            faults.append(Fault(number, column, "a line end, tab or other control character"))
            return None
    return value.strip()


def column_faults(table, needed, known, prefix):
    """Faults of a table's header: columns that are missing, not known, there twice or without a name.

    known: all that there may be besides those that begin with `prefix`.
    """
    line = 1 if table.unit == "line" else 0
    faults = [Fault(line, name, "this column is missing") for name in needed if name not in table.columns]
    for place, name in enumerate(table.columns, 1):
        if not name:
            faults.append(Fault(line, "", f"column {place} has no name"))
        elif table.columns.index(name) + 1 != place:
            faults.append(Fault(line, name, "this column is there twice"))
        elif name not in known and not name.startswith(prefix):
            near = difflib.get_close_matches(name.lower(), [*known, prefix], 1)
            faults.append(Fault(line, name, f"unknown column{f'; is {near[0]} meant?' if near else ''}"))
    return faults
