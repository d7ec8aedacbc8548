"""Takes stills of a listing's rows for the contact sheet; of whom else their pictures show, and where, nothing is known."""

from collections import defaultdict
from contextlib import closing

import pyarrow as pa

from emofuse.clips.contact import WATCHED_SCHEMA, jpeg
from emofuse.clips.cutting import damage_of, refuse
from emofuse.corpora.sheet import chosen
from emofuse.media.lengths import seconds_of
from emofuse.media.picture import shown
from emofuse.media.wav import MediaError
from emofuse.runtime import store

WHOLE = (0.0, 0.0, 1.0, 1.0)


def watch_rows(listing, unit, out_path, on_missing):
    """Write the table (clips.contact.WATCHED_SCHEMA, `dialog` being the card) of a unit's rows that the sheet counts.

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
            damage = damage_of(path, error)
            if not isinstance(error, MediaError) or error.status != "missing":
                damages.append(damage)
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
    lasts, found = seconds_of(path) or 0.0, {}
    middles = {row.turn_id: lasts / 2 if row.end_s is None else (row.start_s + row.end_s) / 2 for row in rows}
    waiting = sorted(middles, key=middles.get, reverse=True)
    with closing(shown(path)) as frames:
        for frame, _, ends in frames:
            while waiting and middles[waiting[-1]] < ends:
                found[waiting.pop()] = jpeg(frame)
            if not waiting:
                break
    return found
