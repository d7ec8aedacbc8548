"""Takes the stills of a contact sheet; those of a listing's rows too, of which nothing but stills can be shown."""

import io
from collections import defaultdict
from contextlib import closing

import av
import numpy as np
import pyarrow as pa
from PIL import Image

from emofuse.clips.cutting import lost, refuse
from emofuse.corpora.sheet import chosen
from emofuse.media.containers import seconds_of
from emofuse.media.picture import shown
from emofuse.media.synchrony import reformatted
from emofuse.media.wav import MediaError
from emofuse.runtime import store

WIDTH = 240  # pixels of a still: the whole picture
MOST_BYTES = 11_000  # of a still, so that a page of the release's 604 stays under 10 MB
WHOLE = (0.0, 0.0, 1.0, 1.0)

WATCHED_SCHEMA = pa.schema(
    [
        ("turn_id", pa.string()),
        ("dialog", pa.string()),
        ("speaker", pa.string()),
        ("start_s", pa.float64()),
        ("crop", pa.list_(pa.float64(), 4)),  # x, y, width, height of the speaker, as fractions of the picture
        ("own", pa.float64()),  # correlation of the motion in the crop with the sound
        ("other", pa.float64()),  # the same of the other part of the picture; both null where nothing can be said
        ("still", pa.binary()),  # JPEG of the whole picture; null for the turns that are not shown
        ("shown", pa.bool_()),
        ("note", pa.string()),  # why there is no picture
    ]
)


def watch_rows(listing, unit, out_path, on_missing):
    """Write the table (WATCHED_SCHEMA, `dialog` being the card) of a unit's rows that the sheet counts.

    A still is the frame on screen in the middle of a turn. What is damaged is refused or dropped as in cutting.
    """
    cards, ids = chosen(listing.rows)
    rows = [row for row in listing.by_unit[unit] if row.turn_id in cards]
    files, stills, notes, damages = defaultdict(list), {}, {}, []
    for row in rows:
        if row.turn_id in ids:
            files[row.video].append(row)
    for name, of_file in files.items():
        path = listing.base / name
        try:
            stills |= _stills(path, of_file)
        except (OSError, MediaError) as error:
            damage = lost(path, error, damages)
            notes |= {row.turn_id: damage[1] for row in of_file}
    refuse(damages, on_missing)
    table = [
        {
            **dict(turn_id=row.turn_id, dialog=cards[row.turn_id], speaker=row.speaker, start_s=row.start_s or 0.0),
            **dict(crop=row.crop or WHOLE, still=stills.get(row.turn_id), shown=row.turn_id in ids),
            "note": notes.get(row.turn_id, ""),
        }
        for row in rows
    ]
    store.write_parquet(out_path, pa.Table.from_pylist(table, WATCHED_SCHEMA))


def _stills(path, rows):
    """{turn id: JPEG} of the rows of a file; none of a row that begins after its picture."""
    lasts, found = seconds_of(path, "video"), {}
    middles = {row.turn_id: lasts / 2 if row.end_s is None else (row.start_s + row.end_s) / 2 for row in rows}
    waiting = sorted(middles, key=middles.get, reverse=True)
    with closing(shown(path)) as frames:
        for frame, _, ends in frames:
            while waiting and middles[waiting[-1]] < ends:
                found[waiting.pop()] = jpeg(frame)
            if not waiting:
                break
    return found


def jpeg(frame):
    """The whole frame, upright and WIDTH wide, as a JPEG of at most MOST_BYTES where some quality allows that."""
    quarters = round(frame.rotation / 90) % 4
    width, height = (frame.width, frame.height) if quarters % 2 == 0 else (frame.height, frame.width)
    size = WIDTH, max(1, round(WIDTH * height / width))
    converter = av.video.reformatter.VideoReformatter()
    picture = reformatted(converter, frame, *(size if quarters % 2 == 0 else reversed(size)), "rgb24")
    picture = Image.fromarray(np.ascontiguousarray(np.rot90(picture, quarters)))
    for quality in (80, 65, 50, 35, 20, 10):
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        if buffer.tell() <= MOST_BYTES:
            break
    return buffer.getvalue()
