"""Cuts a dialog's words, sound and picture into one clip a turn, and writes the manifest that lists them.

A manifest has a row for every turn of the label file, in order of their ids: turn, status (`ok`, or why there is no
clip: `missing`, `unreadable`, `past_end`, `no_words`), bytes, frames (video frames, samples or words), checksum
(SHA-256 of the clip) and note. It is written last, so where it stands, its clips do too.

`on_missing` says what to do about a source that is missing or damaged: `error` raises EmofuseError; `drop` gives its
turns no clip, and the manifest says why.
"""

import hashlib
import io
import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from emofuse import release, store
from emofuse.clip_files import COLUMNS, SUFFIXES
from emofuse.errors import EmofuseError, listing
from emofuse.media import RATE, MediaError, Video, read_mono, wav_bytes, wav_header

# A medium may be shorter or longer than its turn by this much before it is worth a note.
TOLERANCE_S = 0.1

# Measured on 300 frames of 360x480, encoder and all on one thread, in ms a frame, kB for 150 frames, PSNR of luma:
# ultrafast at crf 17: 0.4 ms, 250 kB, 59 dB; superfast: 0.9 ms, 170 kB, 56 dB; veryfast: 1.0 ms, 60 kB, 53 dB. With
# strong added noise: 1.3 ms and 44 dB, 4.5 ms and 45 dB, 5.3 ms and 42 dB. Clips are read far more often than written,
# and ultrafast also decodes two to four times as fast. One thread gives the same bytes on every machine.
X264 = {"preset": "ultrafast", "crf": "17", "threads": "1"}


def cut_text(dialog, labels_path, transcript_path, out_dir, manifest_path, on_missing):
    """Write `<out_dir>/<turn>.txt`, the turn's words and a line end in UTF-8, for every turn that has words."""
    turns = _begin(dialog, labels_path, out_dir, manifest_path, on_missing)
    words, damage = {}, None
    try:
        text, _ = release.read_text(_present(transcript_path))
        words = release.parse_transcript(text, dialog).words
    except (OSError, MediaError) as error:
        damage = _damage(transcript_path or f"the transcript of {dialog}", error)
        _refuse([damage], on_missing)
    rows = []
    for turn in turns:
        if words.get(turn.turn_id):
            data = f"{words[turn.turn_id]}\n".encode()
            rows.append(_save(turn, out_dir, "text", data, frames=len(words[turn.turn_id].split())))
        else:
            rows.append(
                _row(turn, damage[0], damage[1]) if damage else _row(turn, "no_words", "the transcript has none")
            )
    store.write_tsv(manifest_path, rows, COLUMNS)


def cut_audio(dialog, labels_path, sentence_wav_paths, dialog_wav_path, out_dir, manifest_path, on_missing):
    """Write `<out_dir>/<turn>.wav`, 16 kHz mono 16-bit PCM, for every turn.

    It is the turn's own wav out of `sentence_wav_paths`: byte for byte where it has that format, else converted. A turn
    without one is cut from the dialog's wav (None: there is none), the mean of its channels.
    """
    turns = _begin(dialog, labels_path, out_dir, manifest_path, on_missing)
    sentences = {Path(path).stem: Path(path) for path in sentence_wav_paths}
    rows, damages, fallback = [], [], []
    for turn in turns:
        try:
            data, samples, note = _sentence(turn, _present(sentences.get(turn.turn_id)))
        except (OSError, MediaError) as error:
            damage = _damage(sentences.get(turn.turn_id) or f"{turn.turn_id}.wav", error)
            if damage[0] != "missing":
                damages.append(damage)
            fallback.append((turn, damage))
            continue
        rows.append(_save(turn, out_dir, "audio", data, samples, note))
    _refuse(damages, on_missing)
    if fallback:
        rows += _cut_from_dialog(fallback, dialog_wav_path, out_dir, on_missing)
    store.write_tsv(manifest_path, sorted(rows, key=lambda row: row["turn"]), COLUMNS)


def _sentence(turn, path):
    """A turn's own wav as (bytes of the clip, samples, note)."""
    header = wav_header(path)
    if header.samples == 0:
        raise MediaError("unreadable", "holds no sound")
    notes = []
    if (header.format, header.channels, header.rate, header.bits, header.sized) == (1, 1, RATE, 16, True):
        data, samples = path.read_bytes(), header.samples
    else:
        mono = read_mono(path)
        data, samples = wav_bytes(mono), len(mono)
        notes.append(f"converted from {header.channels} channels, {header.rate} Hz, {header.bits} bit")
    if abs(samples / RATE - (turn.end_s - turn.start_s)) > TOLERANCE_S:
        notes.append(f"{samples / RATE:.2f} s of sound for a turn of {turn.end_s - turn.start_s:.2f} s")
    return data, samples, "; ".join(notes)


def _cut_from_dialog(fallback, path, out_dir, on_missing):
    """Cut turns, each given with the damage of its own wav, from the dialog's wav; return their rows."""
    try:
        wav_header(_present(path))
        mono = read_mono(path)
    except (OSError, MediaError) as error:
        damage = _damage(path or "the dialog's wav", error)
        _refuse([damage, *(own for _, own in fallback)], on_missing)
        return [_row(turn, own[0], f"{own[1]}; {damage[1]}") for turn, own in fallback]
    rows = []
    for turn, _ in fallback:
        first, end = (round(_exact(seconds) * RATE) for seconds in (turn.start_s, turn.end_s))
        clip = mono[first:end]
        if len(clip) == 0:
            rows.append(_row(turn, "past_end", f"the dialog's wav ends at {len(mono) / RATE:.2f} s"))
            continue
        note = "cut from the dialog's wav"
        if end - len(mono) > TOLERANCE_S * RATE:
            note += f", which ends {(end - len(mono)) / RATE:.2f} s before the turn"
        rows.append(_save(turn, out_dir, "audio", wav_bytes(clip), len(clip), note))
    return rows


def cut_video(dialog, labels_path, avi_path, out_dir, manifest_path, crop, on_missing):
    """Write `<out_dir>/<turn>.mp4`, H.264 without sound, for every turn of which the avi holds a frame.

    `crop`: `speaker`, `partner` (that half of the split screen) or `full`. A clip's first frame is the first one at or
    after the turn's start, its last the last one before the turn's end, by the frames' exact times, which are kept
    relative to the first. The avi is decoded once; turns overlap, so several encoders are open at a time.
    """
    if crop not in release.CROPS:
        raise EmofuseError(f"clips.crop is {crop!r}; it is one of {', '.join(release.CROPS)}.")
    turns = _begin(dialog, labels_path, out_dir, manifest_path, on_missing)
    rows = {}
    try:
        with Video(_present(avi_path)) as video:
            _cut_frames(video, turns, out_dir, crop, rows)
    except (OSError, MediaError) as error:
        damage = _damage(avi_path or f"the video of {dialog}", error)
        _refuse([damage], on_missing)
        # A dialog's damaged picture is dropped whole: which frames before the damage can be trusted is unknown.
        _clear(out_dir, ".mp4")
        rows = {turn.turn_id: _row(turn, *damage) for turn in turns}
    store.write_tsv(manifest_path, [rows[turn.turn_id] for turn in turns], COLUMNS)


def _cut_frames(video, turns, out_dir, crop, rows):
    """Encode the turns of an open Video and put their rows into `rows` by turn id."""
    spans = {turn: [math.ceil(_exact(s) / video.time_base) for s in (turn.start_s, turn.end_s)] for turn in turns}
    waiting = sorted(turns, key=spans.get, reverse=True)
    encoders, ticks = {}, 0

    def finish(turn, note=""):
        data, frames = encoders.pop(turn).finish()
        rows[turn.turn_id] = _save(turn, out_dir, "video", data, frames, note)

    for ticks, frame in video.frames():
        for turn in [turn for turn in encoders if spans[turn][1] <= ticks]:
            finish(turn)
        halves = {}
        while waiting and spans[waiting[-1]][0] <= ticks:
            turn = waiting.pop()
            if ticks < spans[turn][1]:
                encoders[turn] = _Encoder(video)
            else:
                rows[turn.turn_id] = _row(turn, "missing", "the video has no frame in the turn's time")
        for turn, encoder in encoders.items():
            side = release.side_of(turn.turn_id, crop)
            if side not in halves:
                halves[side] = _crop(frame, side)
            encoder.add(halves[side], ticks)
    end = float((ticks + video.step) * video.time_base)
    for turn in list(encoders):
        late = turn.end_s - end
        finish(turn, f"the video ends {late:.2f} s before the turn" if late > TOLERANCE_S else "")
    for turn in waiting:
        rows[turn.turn_id] = _row(turn, "past_end", f"the video ends at {end:.2f} s")


class _Encoder:
    """One clip on its way: H.264 in an mp4 in memory, its times relative to its first frame."""

    def __init__(self, video):
        self._video, self._buffer, self._stream = video, io.BytesIO(), None
        self._container = av.open(self._buffer, "w", format="mp4", options={"fflags": "+bitexact"})
        self._first, self._frames = None, 0

    def add(self, picture, ticks):
        """Encode a picture (planar YUV 4:2:0, uint8, (height * 3 / 2, width)) shown at `ticks`."""
        if self._stream is None:
            height, width = picture.shape[0] * 2 // 3, picture.shape[1]
            self._stream = self._container.add_stream("libx264", rate=self._video.rate, options=X264)
            self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
            self._stream.time_base = self._stream.codec_context.time_base = self._video.time_base
            self._first = ticks
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = ticks - self._first, self._video.time_base
        self._container.mux(self._stream.encode(frame))
        self._frames += 1

    def finish(self):
        """The mp4's bytes and its number of frames."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._buffer.getvalue(), self._frames


def _crop(frame, side):
    """A frame, or its left or right half, as planar YUV 4:2:0: uint8, (height * 3 / 2, width)."""
    width, height = frame.width, frame.height
    if width % 4 or height % 2:
        raise MediaError("unreadable", f"is {width}x{height}, which cannot be halved in YUV 4:2:0")
    picture = frame.to_ndarray(format="yuv420p")
    if side == "full":
        return picture
    left = 0 if side == "left" else 1
    # Luma rows, then those of both chroma planes, two of which share a row of the array.
    luma = picture[:height].reshape(height, 2, width // 2)
    chroma = picture[height:].reshape(height, 2, width // 4)
    return np.concatenate([luma[:, left].ravel(), chroma[:, left].ravel()]).reshape(height * 3 // 2, width // 2)


def _exact(seconds):
    """The decimal number that a label file states, without the rounding of binary floats."""
    return Fraction(repr(seconds))


def _begin(dialog, labels_path, out_dir, manifest_path, on_missing):
    """The turns to cut, after removing the clips and the manifest of an earlier cut."""
    Path(manifest_path).unlink(missing_ok=True)
    for suffix in SUFFIXES.values():
        _clear(out_dir, suffix)
    Path(out_dir).mkdir(parents=True, exist_ok=True)
    try:
        text, _ = release.read_text(_present(labels_path))
    except (OSError, MediaError) as error:
        _refuse([_damage(labels_path or f"the label file of {dialog}", error)], on_missing)
        return []
    turns, errors = release.parse_labels(text, dialog, labels_path)
    if errors:
        raise EmofuseError(f"The labels of {dialog} have errors:\n{listing(errors)}")
    return turns


def _clear(out_dir, suffix):
    if Path(out_dir).is_dir():
        for path in Path(out_dir).iterdir():
            if path.suffix == suffix:
                path.unlink()


def _present(path):
    if path is None:
        raise FileNotFoundError
    return Path(path)


def _damage(path, error):
    """(status, sentence) of a source that cannot be used."""
    if isinstance(error, FileNotFoundError):
        return "missing", f"{path} is missing"
    if isinstance(error, MediaError):
        return "unreadable", f"{path} {error}"
    return "unreadable", f"{path} cannot be read ({error.strerror})"


def _refuse(damages, on_missing):
    if damages and on_missing == "error":
        raise EmofuseError(
            "Files of the release are missing or damaged (`snakemake check` lists all of them; corpus.on_missing: drop works"
            " without them):\n" + listing(sentence for _, sentence in damages)
        )


def _save(turn, out_dir, modality, data, frames, note=""):
    with store.whole(Path(out_dir) / f"{turn.turn_id}{SUFFIXES[modality]}") as partial:
        partial.write_bytes(data)
    return _row(turn, "ok", note, len(data), frames, hashlib.sha256(data).hexdigest())


def _row(turn, status, note, size=0, frames=0, checksum=""):
    return dict(zip(COLUMNS, (turn.turn_id, status, size, frames, checksum, note), strict=True))
