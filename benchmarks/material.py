"""The turns that the benchmark trains on: lengths drawn from turn_lengths.tsv, and text, sound and pictures of that length."""

import hashlib
import wave
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from emofuse.clips.files import clip_path
from emofuse.runtime.store import whole

LENGTHS = Path(__file__).parent / "turn_lengths.tsv"
SAMPLE_RATE = 16_000
FRAME_RATE = 30_000 / 1_001
WORDS_PER_SECOND = 2.6  # of IEMOCAP's transcripts: a turn of mean length has about twelve words
FILES = {"text": 256, "audio": 256, "video": 64}  # clips that are written; an epoch reads them several times
HEIGHT, WIDTH = 480, 360  # pixels of the speaker's half of the split screen
SMALL = 224  # pixels of the shorter side of small copies, which trainings read


def read_lengths(path=LENGTHS):
    """The histogram of turn lengths: seconds where a bin begins and ends (float64), turns in it (int64)."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    begin, end, turns = zip(*(line.split("\t") for line in lines[1:]), strict=True)
    return np.array(begin, float), np.array(end, float), np.array(turns, int)


def draw_seconds(number):
    """The lengths of `number` turns in seconds, in random order: evenly spaced quantiles of the histogram, so that few turns
    have the mean and the spread of all."""
    begin, end, turns = read_lengths()
    quantiles = (np.arange(number) + 0.5) / number
    shares = np.concatenate([[0], np.cumsum(turns)]) / turns.sum()
    seconds = np.interp(quantiles, shares, [begin[0], *end])
    return np.random.default_rng(0).permutation(seconds)


def made_up_words():
    """2,000 words of one to three syllables, which the encoders' tokenizers keep whole."""
    rng = np.random.default_rng(0)
    syllables = [c + v for c in "bdfghjklmnprstvwz" for v in "aeiou"]
    words = {"".join(rng.choice(syllables, rng.integers(1, 4))) for _ in range(4_000)}
    return sorted(words)[:2_000]


def write_clips(folder, modality, decode, number, small=True):
    """Write a `number` of the modality's clips, in turns of three sessions, into `folder`; the rows of their manifest by turn.

    decode: whether pictures are written, which needs PyAV; without it the files are empty and `generated_frames` stands in for
    their decoder. small: whether as the small copies that trainings read, or as cut.
    """
    manifest = {}
    rng = np.random.default_rng(0)
    words = made_up_words()
    for index, seconds in enumerate(draw_seconds(number)):
        turn = f"Ses0{1 + index % 3}F_impro01_F{index:03d}"
        path = clip_path(folder, modality, turn)
        if modality == "text":
            length = max(1, round(seconds * WORDS_PER_SECOND))
            with whole(path) as file:
                file.write_text(_sentences(rng.choice(words, length)), encoding="utf-8")
        elif modality == "audio":
            length = round(seconds * SAMPLE_RATE)
            with whole(path) as file:
                _write_wav(file, rng.normal(0, 3_000, length))
        else:
            length = max(1, round(seconds * FRAME_RATE))
            with whole(path) as file:
                _write_mp4(file, length, small) if decode else file.touch()
        data = path.read_bytes()
        checksum = hashlib.sha256(data).hexdigest()
        manifest[turn] = {"status": "ok", "bytes": len(data), "frames": length, "checksum": checksum, "note": ""}
    return manifest


def _sentences(words):
    """The words with a full stop after every eighth, for punctuation costs tokens."""
    return " ".join(f"{word}." if i % 8 == 7 else str(word) for i, word in enumerate(words)) + ".\n"


def _write_wav(path, samples):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes(samples.clip(-32_768, 32_767).astype("<i2").tobytes())


def _write_mp4(path, frames, small):
    """A clip of `frames` pictures, as the workflow writes it."""
    import av

    from emofuse.clips.encoding import X264
    from emofuse.clips.small import encode

    if small:
        path.write_bytes(encode(generated_frames(path, range(frames)), SMALL))
        return
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=30, options=X264)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(frames):
            picture = _pictures()[number % len(_pictures())]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


@cache
def _pictures():
    """32 pictures, RGB uint8 (HEIGHT, WIDTH, 3), which clips repeat: soft waves that move, with a texture that stays."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    texture = np.random.default_rng(0).normal(0, 4, (HEIGHT, WIDTH, 3))
    shades = (128 + 60 * np.sin(x / 40 + np.pi * n / 16) + 40 * np.cos(y / 60) for n in range(32))
    return [(shade[:, :, None] + texture).clip(0, 255).astype(np.uint8) for shade in shades]


@cache
def _small_pictures():
    """The same, as small copies have them; without PyAV too."""
    short = min(HEIGHT, WIDTH)
    size = (SMALL * WIDTH // short, SMALL * HEIGHT // short)
    return [np.asarray(Image.fromarray(picture).resize(size)) for picture in _pictures()]


def generated_frames(path, wanted):
    """What `inputs.read_frames` yields, out of memory instead of a file: cropping stays real, decoding is left out."""
    pictures = _small_pictures()
    return (pictures[number % len(pictures)] for number in wanted)
