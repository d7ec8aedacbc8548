"""Reads the words of a listing's row, from the row itself or from its file."""

from pathlib import Path

from emofuse.corpora.iemocap.text import read_text
from emofuse.media.containers import refuse_pointer


def words_of(row, base):
    """(words, note) of a Row: on one line, '' where there are none; the note says what was odd about its file, else ''.

    Its text, else what its text_file holds, relative to `base`; ('', '') where it has neither. Raises OSError, and MediaError
    where the file is a Git LFS pointer.
    """
    if row.text is not None or row.text_file is None:
        return " ".join((row.text or "").split()), ""
    path = Path(base) / row.text_file
    refuse_pointer(path.read_bytes()[:64], "text")
    text, note = read_text(path)
    return " ".join(text.split()), note or ""
