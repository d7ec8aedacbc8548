"""Finds the files of a release by their names, opening none; standard library, for the Snakefile imports it."""

import os
from pathlib import Path

from emofuse.corpora.problems import MOST_LISTED
from emofuse.runtime.errors import EmofuseError, listing

LEVELS = 3  # of folders below the root: an archive unpacked in a folder, in a folder of downloads
EXAMPLES = 20


def files_below(root, suffixes):
    """[(path relative to `root` as text, size in bytes)] of the files with one of these suffixes, sorted by path.

    suffixes: lower case, with their dots; those of the files may be in capitals. Looks into folders up to LEVELS below the
    root; passes over folders whose names begin with a dot, and gives files of such names, which are the caller's to judge.
    Raises EmofuseError where there is no such folder, where one cannot be read, or for a name that is not UTF-8.
    """
    root = folder_of(root)
    found = []
    _look(root, "", LEVELS, tuple(suffixes), found)
    foreign = [path.encode("utf-8", "backslashreplace").decode() for path, _ in found if not _is_text(path)]
    if foreign:
        raise EmofuseError(f"Below {root} are names that are not UTF-8; rename them:\n{listing(foreign)}")
    return sorted(found)


def folder_of(root):
    """The release's folder as a Path. Raises EmofuseError where it is none."""
    root = Path(root)
    if not root.is_dir():
        raise EmofuseError(f"corpus.root is {root}, which is {'not a folder' if root.exists() else 'not there'}.")
    return root


def _look(folder, prefix, levels, suffixes, found):
    try:
        with os.scandir(folder) as scan:
            entries = list(scan)
    except OSError as error:
        raise EmofuseError(f"{folder} cannot be read: {error.strerror}.") from None
    for entry in entries:
        if entry.is_dir():
            if levels and not entry.name.startswith("."):
                _look(entry.path, f"{prefix}{entry.name}/", levels - 1, suffixes, found)
        elif entry.name.lower().endswith(suffixes) and entry.is_file():
            found.append((prefix + entry.name, entry.stat().st_size))


def _is_text(path):
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def some(names):
    """The first few names as text, for a problem that stands for many: `a, b, ... (12)`."""
    names = list(names)
    return ", ".join(names[:EXAMPLES]) + (f", ... ({len(names)})" if len(names) > EXAMPLES else "")


def check_counts(corpus, found, expected):
    """Raise EmofuseError, a line a difference, where counts by name are not those that are known of a release."""
    wrong = [
        f"{name}: {found.get(name, 0)}, but the release has {expected.get(name, 0)}"
        for name in sorted(expected.keys() | found.keys())
        if found.get(name, 0) != expected.get(name, 0)
    ]
    if wrong:
        raise EmofuseError(
            f"This is not the whole {corpus}, or it was changed (corpus.assert_counts: false works with what is there):\n"
            f"{listing(wrong, MOST_LISTED)}"
        )
