"""Makes small release trees for tests: short dialogs in IEMOCAP's layout, whose frames carry their own number."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from emofuse.corpora.iemocap import paths
from emofuse.corpora.iemocap.names import SESSIONS

RATE = 16_000
FPS = Fraction(30_000, 1_001)
WIDTH, HEIGHT = 128, 96  # of the split screen
DIALOGS = tuple(f"Ses0{n}{who}" for n in SESSIONS for who in ("F_impro01", "M_script01_1"))
# Suffix of the id, start and end in seconds, label, words; they overlap, as turns do.
TURNS = (
    ("F000", 0.5, 1.5, "neu", "Did you get the mail: today?"),
    ("F001", 1.9, 2.6, "ang", "I said no."),
    ("M000", 1.2002, 2.2, "exc", "[LAUGHTER]"),
    ("M001", 2.5, 3.4, "sad", "Yeah, well."),
    ("M002", 3.5, 3.9, "xxx", "[garbage] Fine."),
)


def make_release(root, dialogs=DIALOGS, turns=TURNS, seconds=4.0, b_frames=0):
    """Write a release tree under `root` in which every dialog has these turns; return its path."""
    for number, dialog in enumerate(dialogs):
        rng = np.random.default_rng(number)
        sound = rng.integers(-9000, 9000, (round(seconds * RATE), 2), dtype=np.int16)
        write_labels(paths.label_path(root, dialog), dialog, turns)
        write_transcript(paths.transcript_path(root, dialog), dialog, turns)
        write_wav(paths.dialog_wav_path(root, dialog), sound)
        mono = np.rint(sound.mean(axis=1)).astype(np.int16)
        for suffix, start, end, *_ in turns:
            own = mono[round(start * RATE) : round(end * RATE)]
            write_wav(paths.sentence_wav_path(root, f"{dialog}_{suffix}"), own)
        write_avi(paths.avi_path(root, dialog), seconds, b_frames)
    return Path(root)


def write(path, content):
    """Write text, or bytes, to `path`, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def write_labels(path, dialog, turns=TURNS):
    """A file of EmoEvaluation, with an annotator's two votes a turn."""
    lines = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
    for suffix, start, end, label, _ in turns:
        start, end = (f"{time:.4f}" if time == round(time, 4) else f"{time:.5f}" for time in (start, end))
        lines.append(f"[{start} - {end}]\t{dialog}_{suffix}\t{label}\t[2.5000, 3.0000, 2.0000]")
        lines += ["C-E2:\tNeutral; Anger;\t([a] comment: any character)", "A-E3:\tval 3; act 2; dom  2;\t()", ""]
    write(path, "\n".join(lines) + "\n")


def write_transcript(path, dialog, turns=TURNS):
    """A file of transcriptions."""
    lines = [f"{dialog}_{suffix} [{start:08.4f}-{end:08.4f}]: {words}" for suffix, start, end, _, words in turns]
    write(path, "\n".join(lines) + "\n")


def write_wav(path, samples, rate=RATE):
    """A wav of int16 samples, shape (n,) or (n, channels)."""
    data, channels = samples.astype("<i2").tobytes(), 1 if samples.ndim == 1 else samples.shape[1]
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2, channels * 2, 16)
    chunks = b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(data)) + data
    write(path, b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)


def write_avi(path, seconds, b_frames=0):
    """An MPEG-4 avi of frames that each show their number; see `read_pictures`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="avi") as out:
        stream = out.add_stream("mpeg4", rate=FPS, options={"qmin": "1", "qmax": "3"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.max_b_frames = b_frames
        for number in range(int(seconds * FPS)):
            frame = av.VideoFrame.from_ndarray(_picture(number), format="yuv420p")
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def _picture(number):
    """Planar YUV: below, eight bars tell the number in binary, on both halves; above, the left half is light."""
    picture = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    bars = np.repeat([220 if number >> bit & 1 else 30 for bit in range(8)], WIDTH // 16)
    picture[HEIGHT // 2 : HEIGHT] = np.tile(bars, 2)
    picture[: HEIGHT // 2] = np.repeat([220, 30], WIDTH // 2)
    return picture


def read_pictures(path):
    """(time in seconds, side, number) of every frame of a clip made of `write_avi`'s pictures."""
    found = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            luma = frame.to_ndarray(format="gray").astype(int)
            top = luma[: HEIGHT // 2]
            half = "full" if luma.shape[1] == WIDTH else "left" if top.mean() > 128 else "right"
            bars = luma[HEIGHT // 2 :, : WIDTH // 2].reshape(HEIGHT // 2, 8, -1).mean(axis=(0, 2)) > 128
            found.append((frame.time, half, sum(int(bar) << bit for bit, bar in enumerate(bars))))
    return found
