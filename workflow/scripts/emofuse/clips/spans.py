"""Cuts the words, the sound and the picture of a listing's rows; rows of one file are cut in one decoding pass.

Manifests are those of `clips.cutting`, a line for every row. A row that names no file, or one without a track of the kind, is
`missing`: a turn may lack a modality. A file that is named and not there, or damaged, is refused or dropped as `on_missing`
says, and all its rows with it: how much of it can be trusted is unknown.
"""

from collections import defaultdict
from contextlib import closing
from fractions import Fraction
from pathlib import Path

from emofuse.clips.cutting import lost, manifest_row, prepare, refuse, save
from emofuse.clips.encoding import Encoder
from emofuse.clips.files import COLUMNS, SUFFIXES
from emofuse.corpora.row_words import words_of
from emofuse.media.picture import shown, upright
from emofuse.media.sound import read_sound
from emofuse.media.verdicts import exact, of_shown, of_sound
from emofuse.media.wav import MediaError, wav_bytes
from emofuse.runtime import store

# Every clip has so many frames a second, whatever its source, so that a number of frames is the same time everywhere.
FRAME_S = Fraction(1001, 30_000)


def cut_text(rows, base, out_dir, manifest_path, on_missing):
    """Write `<out_dir>/<turn>.txt`, the row's words and a line end in UTF-8, for every row that has words.

    rows: of one unit (`corpora.listing.Row`); paths are relative to `base`.
    """

    def cut(path, of_file):
        made = []
        for row in of_file:
            words, note = words_of(row, base)
            if not words:
                made.append(manifest_row(row, "no_words", "its text is empty"))
                continue
            made.append(save(row, out_dir, "text", f"{words}\n".encode(), len(words.split()), note))
        return made

    prepare(out_dir, manifest_path)
    sources = defaultdict(list)
    for row in rows:
        sources[row.text_file if row.text is None else ""].append(row)  # '': in the row itself
    _cut(sources, "no words are named for it", base, cut, (out_dir, "text"), manifest_path, on_missing)


def cut_audio(rows, base, out_dir, manifest_path, on_missing):
    """Write `<out_dir>/<turn>.wav`, 16 kHz mono 16-bit PCM, of every row that has sound; `rows` as in `cut_text`.

    Spans are exact to the sample; see `media.sound` for what a channel is and when time begins.
    """

    def cut(path, of_file):
        ends = [row.end_s for row in of_file]
        sound = read_sound(path, {row.channel for row in of_file}, None if None in ends else max(ends))
        made = []
        for row in of_file:
            mono = sound[row.channel]
            if row.start_s is None:
                made.append(save(row, out_dir, "audio", wav_bytes(mono), len(mono)))
                continue
            found = of_sound(row.start_s, row.end_s, len(mono), "the sound")
            if found.status != "ok":
                made.append(manifest_row(row, found.status, found.note))
                continue
            clip = mono[found.first : found.end]
            made.append(save(row, out_dir, "audio", wav_bytes(clip), len(clip), found.note))
        return made

    prepare(out_dir, manifest_path)
    sources = _by_file(rows, "audio")
    _cut(sources, "no sound is named for it", base, cut, (out_dir, "audio"), manifest_path, on_missing)


def cut_video(rows, base, out_dir, manifest_path, on_missing):
    """Write `<out_dir>/<turn>.mp4`, H.264 without sound, of every row that has a picture; `rows` as in `cut_text`.

    Frame k of a clip is the one that is on screen k * 1001 / 30000 s after the row's start, upright and cropped, for every k
    of which that time is before the row's end and the picture's. Before a picture begins, its first frame is shown.
    """

    def cut(path, of_file):
        return _cut_frames(path, of_file, out_dir)

    prepare(out_dir, manifest_path)
    sources = _by_file(rows, "video")
    _cut(sources, "no picture is named for it", base, cut, (out_dir, "video"), manifest_path, on_missing)


def _by_file(rows, kind):
    found = defaultdict(list)
    for row in rows:
        found[getattr(row, kind)].append(row)
    return found


def _cut(sources, absent, base, cut, where, manifest_path, on_missing):
    """Write the manifest of {file: its rows}, cut by `cut(path, rows)`, which gives their manifest's rows and may raise."""
    out_dir, modality = where
    made, damages = [], []
    for name, of_file in sources.items():
        if name is None:
            made += [manifest_row(row, "missing", absent) for row in of_file]
            continue
        path = Path(base) / name
        try:
            made += cut(path, of_file)
        except (OSError, MediaError) as error:
            damage = lost(path, error, damages)
            for row in of_file:
                (Path(out_dir) / f"{row.turn_id}{SUFFIXES[modality]}").unlink(missing_ok=True)
            made += [manifest_row(row, *damage) for row in of_file]
    refuse(damages, on_missing)
    store.write_tsv(manifest_path, sorted(made, key=lambda row: row["turn"]), COLUMNS)


def _cut_frames(path, rows, out_dir):
    """Cut the clips of a file's rows; their manifest's rows."""
    waiting = sorted(rows, key=_start, reverse=True)
    clips, made, first, ends = [], {}, None, None

    def finish(clip):
        if clip.encoder.frames:  # else its row is a span of no length
            made[clip.row.turn_id] = save(clip.row, out_dir, "video", clip.encoder.finish(), clip.encoder.frames)

    with closing(shown(path)) as frames:
        for frame, begins, ends in frames:
            first = begins if first is None else first
            while waiting and _start(waiting[-1]) < ends:
                clips.append(_Clip(waiting.pop()))
            pictures = _Pictures(frame)
            for clip in clips:
                clip.add(pictures, ends)
                if clip.over:
                    finish(clip)
            clips = [clip for clip in clips if not clip.over]
            if not waiting and not clips:
                break
    for clip in clips:
        finish(clip)
    return [_line(row, made.get(row.turn_id), first, ends) for row in rows]


def _line(row, made, begins, ends):
    """The manifest's row of a clip, or of a row of which there is none, in a picture of which this was decoded."""
    found = of_shown(_start(row), ends if row.end_s is None else exact(row.end_s), begins, ends)
    return manifest_row(row, found.status, found.note) if made is None else made | {"note": found.note}


def _start(row):
    return Fraction(0) if row.start_s is None else exact(row.start_s)


class _Clip:
    """A row's clip while its file is decoded."""

    def __init__(self, row):
        self.row, self.encoder = row, Encoder(row.turn_id, 1 / FRAME_S, FRAME_S)
        self._start, self._end = _start(row), None if row.end_s is None else exact(row.end_s)

    @property
    def _due(self):
        """The time of the file at which the clip's next frame is shown."""
        return self._start + self.encoder.frames * FRAME_S

    @property
    def over(self):
        return self._end is not None and self._due >= self._end

    def add(self, pictures, ends):
        """Encode a frame as often as it is due until `ends`, when the next one comes on screen; `pictures` gives its crops."""
        while self._due < ends and not self.over:
            self.encoder.add(pictures(self.row.crop), self.encoder.frames)


class _Pictures:
    """The crops of one frame, each made once and only where it is asked for."""

    def __init__(self, frame):
        self._frame, self._made = frame, {}

    def __call__(self, crop):
        if crop not in self._made:
            self._made[crop] = upright(self._frame, crop)
        return self._made[crop]
