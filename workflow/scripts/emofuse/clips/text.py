"""Cuts a dialog's transcript into one text clip a turn."""

from emofuse.clips.cutting import damage_of, manifest_row, present, refuse, save
from emofuse.clips.files import COLUMNS
from emofuse.clips.labelled import begin
from emofuse.corpora.iemocap.text import read_text
from emofuse.corpora.iemocap.transcripts import parse_transcript
from emofuse.media.wav import MediaError
from emofuse.runtime import store


def cut_text(dialog, labels_path, transcript_path, out_dir, manifest_path, on_missing):
    """Write `<out_dir>/<turn>.txt`, the turn's words and a line end in UTF-8, for every turn that has words."""
    turns = begin(dialog, labels_path, out_dir, manifest_path, on_missing)
    words, damage = {}, None
    try:
        text, _ = read_text(present(transcript_path))
        words = parse_transcript(text, dialog).words
    except (OSError, MediaError) as error:
        damage = damage_of(transcript_path or f"the transcript of {dialog}", error)
        refuse([damage], on_missing)
    rows = []
    for turn in turns:
        if words.get(turn.turn_id):
            data = f"{words[turn.turn_id]}\n".encode()
            rows.append(save(turn, out_dir, "text", data, frames=len(words[turn.turn_id].split())))
        else:
            rows.append(
                manifest_row(turn, damage[0], damage[1])
                if damage
                else manifest_row(turn, "no_words", "the transcript has none")
            )
    store.write_tsv(manifest_path, rows, COLUMNS)
