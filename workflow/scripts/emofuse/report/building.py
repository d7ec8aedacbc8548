"""Builds the tables of a protocol or a fold, each by its own file, and writes them."""

from pathlib import Path

from emofuse.report.outputs import TABLES_FOLDER, table_files
from emofuse.report.table import write_table
from emofuse.runtime import kinds


def make_tables(sources, folder, card):
    """Write every table of the `sources` as <name>.csv, <name>.md and <name>.tex into `folder`.

    card: of `card.protocol_card`; every file begins with it. The CSV keeps full precision; the last of its comment lines
    (`# `) is the caption.
    """
    for table in build_tables(sources).values():
        write_table(table, Path(folder), card)


def build_tables(sources):
    """{name: Table} of all tables that can be made from the `sources`, in reading order."""
    makers = {name: file for file, found in table_files().items() for name in found["TABLES"]}
    return {name: kinds.load(TABLES_FOLDER, makers[name]).make(name, sources) for name in sources.names}
