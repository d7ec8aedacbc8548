"""Lays finished runs of one corpus side by side on one page: what differs, scores, paired differences, turns that changed."""

from pathlib import Path

import matplotlib
import pyarrow as pa

from emofuse.evaluation.comparison import compare
from emofuse.evaluation.runs import find_runs, shared_protocols
from emofuse.evaluation.tested import not_shared, read_tested, unlike
from emofuse.report.comparison.names import FIGURE, TABLES
from emofuse.report.comparison.settings import settings_table
from emofuse.report.comparison.tables import bootstrap, tables
from emofuse.report.comparison.words import cautions, pair_sentences
from emofuse.report.drawing import save
from emofuse.report.figures.differences import draw_differences
from emofuse.report.figures.style import STYLE
from emofuse.report.outputs import protocol_title
from emofuse.report.pages import drawing, page_table, write_page
from emofuse.report.run import Run
from emofuse.report.table import write_table
from emofuse.runtime.errors import EmofuseError, listing
from emofuse.runtime.store import write_parquet

TURNS_SCHEMA = pa.schema(
    [*((name, pa.string()) for name in ("turn_id", "split", "class", "run")), ("right", pa.float64())]
)


def make_comparison(results, corpus, names, notice, page, resamples=10_000):
    """Write the page, and beside it the tables: of each protocol in a folder of its name, with the figure and turns.parquet.

    results: the folder of all results. names: of the runs, in order; the first is what the others are compared with. notice:
    of the corpus, or '', for runs whose record says none. page: the HTML file. Raises EmofuseError for all that keeps the runs
    from being compared.
    """
    folder, runs = Path(page).parent, find_runs(results, corpus, names)
    tested = read_all(runs)
    compared = {protocol: compare(of, resamples) for protocol, of in tested.items()}
    settings = settings_table(runs)
    sections, lead = [], []
    warned = cautions(runs, tested, compared)
    card = [
        ("Corpus", [corpus]),
        ("Compared", [", ".join(names)]),
        *((f"Caution, {short.lower()}", [said]) for short, said in warned),
    ]
    write_table(settings, folder, card)
    for protocol, found in compared.items():
        of_protocol, own = tested[protocol], folder / protocol
        several = any(len(run.seeds) > 1 for run in of_protocol)
        made = tables(found, not_shared(of_protocol), several)
        for table in made.values():
            write_table(table, own, [*card, ("Protocol", [protocol_title(protocol)])])
        right = pa.Table.from_pandas(found.turns, TURNS_SCHEMA, preserve_index=False)
        write_parquet(own / "turns.parquet", right)
        with matplotlib.rc_context(STYLE):
            save(draw_differences(found), own, FIGURE)
        lead += pair_sentences(found, protocol, several)
        sections.append(_section(protocol, of_protocol, found, made, own))
    notices = dict.fromkeys((run.record or {}).get("notice", notice) for run in runs)
    write_page(
        page,
        "compare.html.j2",
        Run(corpus, " + ".join(names), " ".join(filter(None, notices)), {"leaks": {}}),
        names=names,
        lead=lead,
        leaking={run.name: run.record["leaks"] for run in runs if run.record and run.record["leaks"]},
        cautions=warned,
        settings=_settings(settings),
        recorded=[run.name for run in runs if run.record],
        sections=sections,
    )


def read_all(runs):
    """{protocol: [Tested]} of each protocol that all runs have. Raises one EmofuseError for all that cannot be compared."""
    tested, problems = {}, []
    for protocol in shared_protocols(runs):
        found = []
        for run in runs:
            try:
                found.append(read_tested(run, protocol))
            except EmofuseError as error:
                problems.append(str(error))
        if len(found) == len(runs):
            problems += [f"protocol {protocol}: {said}" for said in unlike(found)]
            tested[protocol] = found
    if problems:
        raise EmofuseError("these runs cannot be compared:\n" + listing(problems))
    return tested


def _section(protocol, tested, found, made, folder):
    """What the template shows of a protocol."""
    caption = (
        f"In points, with 95 % intervals {bootstrap(found)}. The diamond is of all turns. Right of the line the run that is"
        " named first is better."
    )
    shown = {name: table for name, table in made.items() if len(table.values)}
    return {
        "name": protocol,
        "title": protocol_title(protocol),
        "turns": found.tested,
        "clusters": found.clusters,
        "own": [(run.name, len(run.facts)) for run in tested],
        "tables": [
            {**page_table(table), "name": f"{protocol}-{name}", "title": TABLES[name], "file": f"{protocol}/{name}"}
            for name, table in shown.items()
        ],
        "empty": [table.caption for name, table in made.items() if name not in shown],
        "figures": [drawing(folder, FIGURE, "Differences", caption) | {"name": f"{protocol}-{FIGURE}"}],
    }


def _settings(table):
    """Rows of the table of settings for the template, whose cells may be long."""
    return {
        "caption": table.caption,
        "columns": list(table.values),
        "rows": [(key, list(values)) for key, values in zip(table.values.index, table.values.to_numpy(), strict=True)],
    }
