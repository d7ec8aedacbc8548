"""Reads the release's text files, whatever their encoding and line ends."""

from pathlib import Path


def read_text(path):
    """A text file's content with plain line ends, and a note where it was not plain UTF-8 (else None).

    Copies of the release hold byte-order marks, Windows line ends and single bytes of Windows-1252. Raises OSError.
    """
    data = Path(path).read_bytes()
    note = None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text, note = data.decode("utf-16", errors="replace"), "is UTF-16, not UTF-8"
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            text = data.decode("cp1252", errors="replace")
            note = f"holds bytes that are not UTF-8 (the first at {error.start}); read as Windows-1252"
    return text.replace("\r\n", "\n").replace("\r", "\n"), note
