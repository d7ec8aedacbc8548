"""Reads the text files of a release as far as they can be read, and reports the others."""

from emofuse.corpora.iemocap.text import read_text


def read_source(path, problems, lost):
    """The text of a file, or None where it is missing or cannot be read; what is wrong goes to `problems`."""
    try:
        text, note = read_text(path)
    except FileNotFoundError:
        problems.defect(path, "missing file", lost)
        return None
    except OSError as error:
        problems.defect(path, f"unreadable file: {error.strerror}", lost)
        return None
    if note:
        problems.add(path, "info", f"encoding: it {note}", "kept")
    return text
