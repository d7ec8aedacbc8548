"""Lays out the paper's tables and figures by number, with the paper's known numbers beside ours, on one page."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from emofuse.report.building import build_tables
from emofuse.report.outputs import PAPER_TABLES, figure_caption, figure_names, figure_title
from emofuse.report.pages import page_table, write_page
from emofuse.report.table import write_table
from emofuse.runtime.store import read_tsv, whole


def make_paper(run, sources, card, numbers, figures, pca_split, settings, page):
    """Write tables 1 to 7 (all formats), figures 1 to 12 (copies) and the page that shows them into the page's folder.

    run: a `run.Run`. sources: of the tables, `sources.Sources`. card: of `card.protocol_card`. numbers:
    resources/paper_numbers.tsv. figures: paths of the drawn figures. pca_split: the fold that figures 8 to 11 draw.
    settings: what the config says, {key: value}. page: the HTML file.
    """
    folder = Path(page).parent
    numbers = read_tsv(numbers)
    built = build_tables(sources)
    tables = {name: beside_paper(table, numbers) for name, table in built.items() if name in PAPER_TABLES}
    for table in tables.values():
        write_table(table, folder, card)
    for path in figures:
        with whole(folder / Path(path).name) as partial:
            shutil.copy(path, partial)
    watched = "test" if "epoch_on_test" in run.facts["leaks"] else "validation"
    write_page(
        page,
        "paper.html.j2",
        run,
        card=card,
        settings={key: json.dumps(value) for key, value in settings.items()},
        tables={name: page_table(table) for name, table in tables.items()},
        figures=[
            {
                "name": name,
                "title": figure_title(name),
                "caption": figure_caption(name, pca_split, watched),
                "source": f"{name}.svg",
            }
            for name in figure_names(sources.modalities)
            if name.startswith("figure")
        ],
    )


def beside_paper(table, numbers):
    """The table with the paper's numbers for it, where any are known, in a group of columns after its first group.

    numbers: rows of resources/paper_numbers.tsv, {table, row, column, value}; a row is named by the last head of ours.
    """
    known = [n for n in numbers if n["table"] == table.name]
    if not known:
        return replace(table, caption=f"{table.caption} The paper's numbers are not known.")
    values, spread, digits = table.values.copy(), table.spread, dict(table.digits)
    rows, groups = values.index.get_level_values(-1), values.columns.get_level_values(0)
    place = int((groups == groups[0]).sum())
    for number in known:
        column = ("Paper", number["column"])
        if column not in values:
            values.insert(place, column, np.nan)
            place += 1
        values.loc[rows == number["row"], column] = float(number["value"])
        digits[column] = max(digits.get(column, 0), len(number["value"].partition(".")[2]))
    if spread is not None:
        spread = spread.reindex(columns=values.columns)
    return replace(table, values=values, spread=spread, digits=digits)
