"""What a recipe makes of a corpus: its turns, and where their sound, picture and words lie; for the Snakefile, so light."""

import zlib
from dataclasses import dataclass, field
from pathlib import Path

from emofuse.corpora.iemocap.names import dialog_of

UNITS = 16  # jobs that cut a corpus's clips of one modality


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


def unit_of(turn_id):
    """The folder of a turn's clips, which one job cuts: IEMOCAP's dialog, elsewhere one of sixteen, dealt by the id's CRC.

    So a corpus of 7,442 files is not 7,442 jobs, and a turn that is added cuts a sixteenth again.
    """
    dialog = dialog_of(turn_id)
    return dialog if dialog != turn_id else f"part-{zlib.crc32(turn_id.encode()) % UNITS:x}"


def media_paths(listing):
    """The files that hold the turns' sound and picture, as Paths, sorted, each once. Whether they are there is not asked."""
    named = {path for row in listing.rows for path in (row.audio, row.video) if path}
    return sorted(listing.base / path for path in named)
