"""Shows predictions on one page that needs no network: a still, the words, and a bar a class for each clip."""

import base64
import io
from pathlib import Path

import jinja2
from PIL import Image

from emofuse.media.frames import read_frames
from emofuse.prediction.record import identity
from emofuse.report.outputs import class_title
from emofuse.runtime.store import whole

HEIGHT = 160  # pixels of a still


def write_page(path, table, classes, record, shown):
    """Write the page.

    table: what `predict` makes. classes: names in order. record: export.json. shown: {turn: (path of a video clip, its
    frames)}, of which the middle frame is drawn.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,  # words and names are the user's
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    rows = [
        row | {"bars": bars(row, classes), "still": still(*shown[row["turn_id"]]) if row["turn_id"] in shown else None}
        for row in table.astype(object).where(table.notna(), None).to_dict("records")
    ]
    html = environment.get_template("page.html.j2").render(rows=rows, record=record, identity=identity(record))
    with whole(path) as partial:
        partial.write_text(html, encoding="utf-8")


def bars(row, classes):
    """[(title, percent, whether it is the predicted class)] of a turn; empty where there are no probabilities."""
    if row[f"prob_{classes[0]}"] is None:
        return []
    return [(class_title(name), 100 * row[f"prob_{name}"], name == row["prediction"]) for name in classes]


def still(path, frames):
    """The middle frame of a clip as a JPEG in a data URI."""
    picture = Image.fromarray(next(read_frames(path, [frames // 2])))
    picture.thumbnail((2 * HEIGHT, HEIGHT))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
