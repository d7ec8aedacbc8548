"""Finds the clips that a user names: files, folders, lists; for the Snakefile, so light."""

import csv
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

from emofuse.corpora.listing import Row
from emofuse.runtime.errors import EmofuseError, listing

SOUND = {".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".aac"}
PICTURE = {".mp4", ".mkv", ".mov", ".webm", ".avi", ".flv", ".m4v", ".mpg", ".mpeg"}
TRANSCRIPTS = {".srt", ".vtt", ".csv", ".tsv"}
LISTS = {".csv": ",", ".tsv": "\t"}
KINDS = {"audio": SOUND, "video": PICTURE, "words": {".txt"}, "transcript": TRANSCRIPTS}
COLUMNS = ("media", "audio", "video", "text", "text_file", "transcript", "start_s", "end_s", "channel", "crop", "name")
PATHS = ("media", "audio", "video", "text_file", "transcript")


@dataclass(frozen=True)
class Recording:
    """A clip as it is found. row: a `listing.Row`, all of whose paths can be opened from here. transcript: path of a file of
    its spans, or None."""

    row: Row
    transcript: str | None = None

    @property
    def files(self):
        """The paths of all that it is made of."""
        found = (self.row.audio, self.row.video, self.row.text_file, self.transcript)
        return list(dict.fromkeys(path for path in found if path))


def find(paths):
    """The Recordings that `paths` name, in the order of their names: files, folders, and lists (CSV, TSV).

    Files of one name in one folder are one recording: a sound file gives its sound, else the video file; a .txt its words;
    .srt, .vtt, .csv or .tsv its spans. Raises EmofuseError with all that is wrong.
    """
    found, problems = [], []
    for path in map(Path, paths):
        if path.is_dir():
            groups = defaultdict(list)
            for file in sorted(path.glob("[!.]*")):
                groups[file.stem].append(file)
            recordings = [_beside(files, problems) for files in groups.values()]
            if not any(recordings):
                problems.append(f"{path}: no file in this folder is sound, video or words")
            found += recordings
        elif not path.is_file():
            problems.append(f"{path}: no such file or folder")
        elif path.suffix.lower() in LISTS:
            found += _listed(path, problems)
        else:
            found.append(_beside(sorted(path.parent.glob(f"{_literal(path.stem)}.*")), problems))
    if problems:
        raise EmofuseError("Clips that cannot be used:\n" + listing(problems))
    return _named_apart([recording for recording in found if recording])


def files_behind(paths):
    """The files that `paths` name, and the lists themselves, as strings."""
    lists = [str(path) for path in paths if Path(path).suffix.lower() in LISTS]
    return list(dict.fromkeys([*lists, *(file for recording in find(paths) for file in recording.files)]))


def name_of(path):
    """A name for a folder of results: of the last part of a path."""
    plain = re.sub(r"[^a-z0-9_-]+", "-", Path(path).resolve().stem.lower()).strip("-_")
    return plain[:60] or "clips"


def _literal(stem):
    return re.sub(r"([*?[])", r"[\1]", stem)


def _beside(files, problems):
    """The Recording of files of one name; None where they are none, which is a problem unless they are folders."""
    given = {}
    files = [file for file in files if file.is_file()]
    for file in files:
        kind = next((kind for kind, suffixes in KINDS.items() if file.suffix.lower() in suffixes), None)
        if kind is None:
            problems.append(f"{file}: neither sound, video, words nor a transcript, by its ending")
        elif kind in given:
            problems.append(f"{file}: beside {given[kind].name} it is a second file of {kind} of that name")
        else:
            given[kind] = file
    if given.keys() == {"transcript"}:
        problems.append(f"{files[0]}: there is no sound or video file of that name")
    if not given.keys() & {"audio", "video", "words"}:
        return None
    paths = {kind: str(file) for kind, file in given.items()}
    name = _plain(files[0].stem)
    row = Row(
        name,
        speaker=name,
        audio=paths.get("audio", paths.get("video")),
        video=paths.get("video"),
        text_file=paths.get("words"),
        dialog=name,
    )
    return Recording(row, paths.get("transcript"))


def _plain(stem):
    return re.sub(r"[^A-Za-z0-9._-]+", "_", stem).strip("._-")[:80] or "clip"


def _listed(path, problems):
    """The Recordings of a list; the first line names its columns."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter=LISTS[path.suffix.lower()])
        columns = reader.fieldnames or []
        if unknown := [str(name) for name in columns if name not in COLUMNS]:
            problems.append(f"{path}: unknown column {', '.join(unknown)}; known are {', '.join(COLUMNS)}")
            return []
        if not set(columns) & {"media", "audio", "video", "text", "text_file"}:
            problems.append(f"{path}: no column says where a clip is: media, audio, video, text or text_file")
            return []
        lines = [{key: (value or "").strip() for key, value in line.items() if key} for line in reader]
    return [_of_line(line, f"{path}, line {number}", path.parent, problems) for number, line in enumerate(lines, 2)]


def _of_line(line, where, folder, problems):
    given = {key: value for key, value in line.items() if value}
    for key in given.keys() & set(PATHS):
        given[key] = str(folder / given[key])
        if not Path(given[key]).is_file():
            problems.append(f"{where}: {key}: {given[key]}: no such file")
    numbers = {}
    for key in given.keys() & {"start_s", "end_s"}:
        try:
            numbers[key] = float(given[key])
        except ValueError:
            problems.append(f"{where}: {key}: '{given[key]}' is no number of seconds")
    if len(given.keys() & {"start_s", "end_s"}) == 1 or (
        len(numbers) == 2 and not 0 <= numbers["start_s"] < numbers["end_s"]
    ):
        problems.append(f"{where}: start_s and end_s: a span needs both, and ends after it has begun")
    media = given.get("media")
    audio, video = given.get("audio", media), given.get("video", media)
    if media and Path(media).suffix.lower() in SOUND:
        video = given.get("video")
    if not (audio or video or "text" in given or "text_file" in given):
        problems.append(f"{where}: it names no clip and no words")
        return None
    name = _plain(given.get("name") or Path(audio or video or given.get("text_file") or "clip").stem)
    row = Row(
        name,
        speaker=name,
        audio=audio,
        video=video,
        channel=given.get("channel", "mix"),
        crop=_crop(given.get("crop"), where, problems),
        text=given.get("text"),
        text_file=given.get("text_file"),
        dialog=name,
        **numbers,
    )
    return Recording(row, given.get("transcript"))


def _crop(text, where, problems):
    """x, y, width, height as fractions of the picture."""
    if not text:
        return None
    try:
        x, y, width, height = map(float, re.split(r"[,; ]+", text))
    except ValueError:
        x, y, width, height = (-1.0,) * 4
    if not (min(x, y) >= 0 and min(width, height) > 0 and x + width <= 1.0001 and y + height <= 1.0001):
        problems.append(
            f"{where}: crop: '{text}' is not x,y,width,height as fractions of the picture, such as 0,0,0.5,1"
        )
    return x, y, width, height


def _named_apart(recordings):
    """Recordings with names that differ: those of one name are numbered."""
    counts, seen, apart = Counter(recording.row.turn_id for recording in recordings), Counter(), []
    for recording in recordings:
        name = recording.row.turn_id
        if counts[name] > 1:
            seen[name] += 1
            row = replace(recording.row, turn_id=f"{name}.{seen[name]:04}")
            recording = Recording(row, recording.transcript)
        apart.append(recording)
    return apart
