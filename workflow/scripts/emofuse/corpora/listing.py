"""What a recipe makes of a corpus: its turns, and where their sound, picture and words lie; for the Snakefile, so light."""

import hashlib
import json
import os
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from emofuse.corpora.units import unit_of
from emofuse.runtime import kinds
from emofuse.runtime.errors import EmofuseError, listing

IEMOCAP = "iemocap"
RECIPES = "corpora/recipes"
MOST_LISTED = 200
# What of a Row each job depends on, beside the files that the last of them name.
FACTS = {
    "turns": ("turn_id", "speaker", "label", "start_s", "end_s", "dialog", "scene", "group", "part", "gender"),
    "votes": ("turn_id", "raters"),
    "text": ("turn_id", "text", "text_file"),
    "audio": ("turn_id", "start_s", "end_s", "channel", "audio"),
    "video": ("turn_id", "start_s", "end_s", "crop", "video"),
}
FILES = {"turns": ("audio", "video"), "text": ("text_file",), "audio": ("audio",), "video": ("video",)}


@dataclass(frozen=True)
class Row:
    """A turn. Paths are relative to the Listing's base.

    label: raw, '' where there is none. audio, video: the file that holds its sound, its picture; None where there is none.
    start_s, end_s: its span in that file in seconds, both None for the whole file. channel: mix, left, right, or a number from
    '0'. crop: x, y, width, height of the speaker as fractions of the picture, or None for all of it. text: its words; or else
    text_file, a file of them. dialog, scene, group: names, or None. part: train, val or test of the corpus's own split, or
    None. gender: F, M or ''. raters: {annotator: raw label}, of those who judged it.
    """

    turn_id: str
    speaker: str
    label: str = ""
    audio: str | None = None
    video: str | None = None
    start_s: float | None = None
    end_s: float | None = None
    channel: str = "mix"
    crop: tuple[float, float, float, float] | None = None
    text: str | None = None
    text_file: str | None = None
    dialog: str | None = None
    scene: str | None = None
    group: str | None = None
    part: str | None = None
    gender: str = ""
    raters: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Listing:
    """A corpus. base: the folder that paths are relative to. rows: sorted by turn_id. problems: (subject, severity, problem,
    action) as in `corpora.problems`, of what is odd about it or was left out."""

    base: Path
    rows: list[Row]
    problems: list[tuple[str, str, str, str]] = field(default_factory=list)

    @cached_property
    def by_unit(self):
        """{unit: its rows}, both sorted."""
        found = {}
        for row in self.rows:
            found.setdefault(unit_of(row.turn_id), []).append(row)
        return dict(sorted(found.items()))

    @property
    def units(self):
        """The names of the folders of clips, sorted."""
        return list(self.by_unit)

    @property
    def has_dialogs(self):
        """Whether the corpus says which turns are of one dialog."""
        return any(row.dialog for row in self.rows)

    def files(self, kinds=("text_file", "audio", "video"), rows=None):
        """The files that rows (all of them) name under some of the kinds, each once, in order."""
        named = (getattr(row, kind) for row in (self.rows if rows is None else rows) for kind in kinds)
        return [self.base / path for path in dict.fromkeys(named) if path]

    def require(self, classes, drop):
        """Raise EmofuseError listing the files that are not there, unless their turns are to be dropped; and where the raw
        labels of a class are none of the corpus's."""
        missing = [] if drop else [path for path in self.files() if not os.path.isfile(path)]
        if missing:
            raise EmofuseError(
                f"Missing files of the corpus: {len(missing)} (corpus.on_missing: drop works without them, and lists the turns"
                f" that it leaves out)\n{listing(missing, MOST_LISTED)}"
            )
        found = Counter(row.label for row in self.rows if row.label)
        empty = [name for name, labels in classes.items() if not found.keys() & set(labels)]
        if empty:
            raise EmofuseError(
                f"classes: no turn of the corpus has a label of {', '.join(empty)}; its labels are "
                + ", ".join(f"{label} ({number})" for label, number in found.most_common(20))
                + ". Write `classes: {name: [labels], ...}`."
            )

    def digest(self, job, unit=None):
        """16 hex digits over what a job (a key of FACTS) depends on, of all turns or those of a unit: facts of the rows; the
        sizes and times of their files."""
        rows = self.rows if unit is None else self.by_unit[unit]
        facts = [[getattr(row, name) for name in FACTS[job]] for row in rows]
        stats = [(os.stat(path) if os.path.exists(path) else None) for path in self.files(FILES.get(job, ()), rows)]
        files = [stat and [stat.st_size, stat.st_mtime_ns] for stat in stats]
        return hashlib.sha256(json.dumps([facts, files]).encode()).hexdigest()[:16]


def read_listing(corpus):
    """The Listing of a corpus, by the recipe that the config's section `corpus` names; EmofuseError where it cannot be read."""
    root = corpus["root"]
    if root is None or not str(root).strip():
        raise EmofuseError(
            f"corpus.root is not set: it is the {'table of turns' if corpus['kind'] == 'manifest' else 'folder of the corpus'}."
            " Give --config 'corpus={root: /path/to/it}'."
        )
    found = kinds.load(RECIPES, corpus["kind"]).read(Path(root).expanduser(), corpus)
    if not found.rows:
        raise EmofuseError(f"corpus.root is {root}, in which no turn of the kind '{corpus['kind']}' was found.")
    return found
