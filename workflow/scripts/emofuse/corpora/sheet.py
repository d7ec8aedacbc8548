"""Chooses the turns that a contact sheet shows; pure standard library, for the Snakefile imports it."""

MOST_STILLS = 640  # of a page of at most 10 MB; IEMOCAP's dialogs have 604


def first_and_last(turns):
    """Ids of the first and the last of each group, of (turn id, group) in their order."""
    ids = {}
    for turn_id, group in turns:
        ids.setdefault(group, []).append(turn_id)
    return {turn_id for of_group in ids.values() for turn_id in (of_group[0], of_group[-1])}


def chosen(rows):
    """({turn id: its card of the sheet}, ids of the turns that are shown) of a listing's rows with a picture.

    A card is a dialog, with the first and the last turn of each of its speakers; a speaker where there are no dialogs, or so
    many that the stills would be more than MOST_STILLS. Of too many speakers, they are taken at even distances.
    """
    rows = sorted((row for row in rows if row.video), key=lambda row: (row.start_s or 0.0, row.turn_id))
    cards = {row.turn_id: row.dialog or row.speaker for row in rows}
    shown = first_and_last((row.turn_id, (cards[row.turn_id], row.speaker)) for row in rows)
    if len(shown) > MOST_STILLS:
        cards = {row.turn_id: row.speaker for row in rows}
        speakers = sorted(set(cards.values()))
        kept = set(speakers[:: -(-2 * len(speakers) // MOST_STILLS)])
        cards = {turn_id: speaker for turn_id, speaker in cards.items() if speaker in kept}
        shown = first_and_last((row.turn_id, row.speaker) for row in rows if row.turn_id in cards)
    return cards, shown
