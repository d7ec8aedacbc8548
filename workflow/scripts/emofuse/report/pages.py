"""What the HTML pages share: the template environment, tables as templates take them, numbers in words."""

import base64
import hashlib
from pathlib import Path

import jinja2

from emofuse.report.outputs import TABLE_FORMATS
from emofuse.report.table import shown_p
from emofuse.runtime.store import whole


def environment():
    """The templates beside this module."""
    # Everything shown is escaped: words, ids and messages come from files that others wrote.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = Path(__file__).with_name("templates").joinpath("pages.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # A page runs this very script and no other: whatever else got into it is not of this hash.
    environment.globals |= {"script": script, "script_hash": f"'sha256-{digest}'"}
    environment.filters |= {
        "duration": duration,
        "points": points,
        "percent": lambda value: "–" if value is None else f"{value:.1f}",
    }
    return environment


def write_page(path, template, run, **shown):
    """Write an HTML page. template: its name. run: a `run.Run`, of which every page shows the names, the notice and the leaks.
    shown: what else the template asks for."""
    html = (
        environment()
        .get_template(template)
        .render(
            corpus=run.corpus,
            run=run.name,
            notice=run.notice,
            leaks=run.facts["leaks"],
            table_formats=TABLE_FORMATS,
            **shown,
        )
    )
    with whole(path) as partial:
        partial.write_text(html, encoding="utf-8")


def page_table(table):
    """A Table as the template shows it: heads and columns as texts, equal heads of neighbouring rows in one cell."""
    text = table.text()
    columns = text.columns
    groups = []
    if columns.nlevels == 2:
        for group in columns.get_level_values(0):
            if groups and groups[-1][0] == group:
                groups[-1][1] += 1
            else:
                groups.append([group, 1])
    heads = [key if isinstance(key, tuple) else (key,) for key in text.index]
    rows = []
    for i, key in enumerate(heads):
        cells = []
        for level in range(len(key)):
            prefix = key[: level + 1]
            # The last head is the row's own; it is never shared.
            if level < len(key) - 1 and i and heads[i - 1][: level + 1] == prefix:
                continue
            span = 1
            while level < len(key) - 1 and i + span < len(heads) and heads[i + span][: level + 1] == prefix:
                span += 1
            cells.append((key[level], span))
        marks = {
            "final": key[0] == "final system",
            "average": key[0].endswith("average"),
            "optimistic": "optimistic" in key[-1],
        }
        own = next((mark for mark, applies in marks.items() if applies), "")
        rows.append({"heads": cells, "cells": list(text.iloc[i]), "class": own})
    return {
        "caption": table.caption,
        "heads": list(text.index.names),
        "groups": groups,
        "columns": list(columns.get_level_values(-1)),
        "rows": rows,
    }


def drawing(folder, name, title, caption):
    """A drawn figure, <folder>/<name>.svg, as the template's `drawings` show it: the file as a data URI."""
    image = base64.b64encode(Path(folder, f"{name}.svg").read_bytes()).decode()
    return {"name": name, "title": title, "caption": caption, "source": f"data:image/svg+xml;base64,{image}"}


def p_value(value):
    """0.0142 -> 'p = 0.014', 0.0001 -> 'p < 0.001'."""
    shown = shown_p(value)
    return f"p {shown}" if shown.startswith("<") else f"p = {shown}"


def duration(seconds):
    """4000.0 -> '1 h 06 min', 75.2 -> '1 min 15 s', 3.21 -> '3.2 s'."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def points(difference):
    """A difference in points as '2.3 points above', for the sentence 'x is ... y'."""
    if abs(difference) < 0.05:
        return "level with"
    return f"{abs(difference):.1f} points {'above' if difference > 0 else 'below'}"


def number(text):
    """A text of a file as a number; None where it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return None if value != value else value
