"""Lays out the paper's tables and figures by number, with the paper's known numbers beside ours, on one page."""

import json
import shutil
from pathlib import Path

from emofuse.report.outputs import TABLE_FORMATS, figure_caption, figure_names, figure_title
from emofuse.report.pages import environment, page_table
from emofuse.report.tables import beside_paper, build_tables, write_table
from emofuse.runtime.store import read_tsv, whole


def make_paper(
    evaluation,
    card,
    selection,
    numbers,
    figures,
    page,
    corpus,
    run,
    notice,
    modalities,
    classes,
    final_system,
    pca_split,
    leaks,
    settings,
):
    """Write tables 1 to 7 (all formats), figures 1 to 12 (copies) and the page that shows them into the page's folder.

    evaluation, card, selection, modalities, classes, final_system: as for `tables.make_tables`. numbers:
    resources/paper_numbers.tsv. figures: paths of the drawn figures. page: the HTML file. notice: a warning shown above
    everything, or ''. leaks: {name: sentence}. settings: what the config says, {key: value}.
    """
    folder = Path(page).parent
    numbers = read_tsv(numbers)
    built = build_tables(evaluation, modalities, classes, final_system, selection)
    tables = {name: beside_paper(table, numbers) for name, table in built.items() if name.startswith("table")}
    for table in tables.values():
        write_table(table, folder, card)
    for path in figures:
        with whole(folder / Path(path).name) as partial:
            shutil.copy(path, partial)
    watched = "test" if "epoch_on_test" in leaks else "validation"
    html = (
        environment()
        .get_template("paper.html.j2")
        .render(
            corpus=corpus,
            run=run,
            notice=notice,
            leaks=leaks,
            card=card,
            settings={key: json.dumps(value) for key, value in settings.items()},
            tables={name: page_table(table) for name, table in tables.items()},
            table_formats=TABLE_FORMATS,
            figures=[
                {
                    "name": name,
                    "title": figure_title(name),
                    "caption": figure_caption(name, pca_split, watched),
                    "source": f"{name}.svg",
                }
                for name in figure_names(modalities)
                if name.startswith("figure")
            ],
        )
    )
    with whole(page) as partial:
        partial.write_text(html, encoding="utf-8")
