"""Collects what is wrong with a release, and turns it into problems.tsv or one error that lists everything.

A problem is a row of problems.tsv: subject (a turn id, or a path relative to the release), severity (`info`: nothing
is lost; `warning`: a turn loses something; `error`: a file cannot be used), problem (its kind, a colon, details) and
action (what was done). A missing or damaged file ends the work by an EmofuseError that lists all of them at once,
unless `on_missing` is `drop`.
"""

from pathlib import Path

from emofuse.runtime import store
from emofuse.runtime.errors import EmofuseError, listing

SEVERITIES = ("error", "warning", "info")
PROBLEM_COLUMNS = ("subject", "severity", "problem", "action")
# Lines of one error message: enough for a copy of the release without its videos.
MOST_LISTED = 200


class Problems:
    """Collects problems, and the defects of files that end the work unless they are to be dropped."""

    def __init__(self, root):
        self.root, self.rows, self._defects = Path(root), [], []

    def add(self, subject, severity, problem, action):
        if isinstance(subject, Path):
            subject = subject.relative_to(self.root).as_posix()
        row = dict(zip(PROBLEM_COLUMNS, (subject, severity, problem, action), strict=True))
        self.rows.append(row)

    def extend(self, other):
        """Take over what another Problems has collected."""
        self.rows += other.rows
        self._defects += other._defects

    def defect(self, path, problem, action):
        """A file that is missing or damaged; `action` is what `on_missing: drop` does about it."""
        self._defects.append(f"{path}: {problem}")
        self.add(path, "error", problem, action)

    def finish(self, path, on_missing, errors=()):
        """Raise EmofuseError for `errors` and, where they are not to be dropped, defects; else write problems.tsv."""
        messages = []
        if errors:
            messages.append(f"Errors in label files: {len(errors)}\n{listing(errors, MOST_LISTED)}")
        if self._defects and on_missing == "error":
            messages.append(
                f"Missing or damaged files of the release: {len(self._defects)} "
                f"(corpus.on_missing: drop works without them)\n{listing(self._defects, MOST_LISTED)}"
            )
        if messages:
            raise EmofuseError("\n".join(messages))
        store.write_tsv(path, self.rows, PROBLEM_COLUMNS)


def merge_problems(paths, out_path):
    """Write the problems of several files into one, the gravest first."""
    rows = [row for path in paths for row in store.read_tsv(path)]
    rows.sort(key=lambda row: (SEVERITIES.index(row["severity"]), row["problem"].split(":")[0], row["subject"]))
    store.write_tsv(out_path, rows, PROBLEM_COLUMNS)
