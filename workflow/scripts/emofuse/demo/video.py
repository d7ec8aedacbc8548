"""Films a dialog: both faces as they speak and listen, side by side, with its sound."""

from fractions import Fraction
from itertools import pairwise

import av
import numpy as np

from emofuse.demo.chance import CLASSES, generator
from emofuse.demo.face import PICTURE, SWAY, express, portray
from emofuse.demo.plan import session_of
from emofuse.demo.turns import SAMPLE_RATE

FRAME_RATE = Fraction(30_000, 1_001)  # frames a second
WIDTH, HEIGHT = 720, 480  # pixels; the left half shows the marker wearer
TOP, MARGIN = 120, 6  # pixels: each half's picture is at y 120..360, x 6..354 of the half

_LOOK = {  # brow tilt (inner end down > 0), brow lift, mouth curve (smile > 0), eye opening, sway in pixels, in hertz
    "ang": (0.45, -6, -0.2, 0.7, 8, 3.0),
    "hap": (0.00, 8, 1.0, 1.0, 8, 1.5),
    "neu": (0.00, 0, 0.1, 0.9, 2, 0.5),
    "sad": (-0.45, 2, -1.0, 0.5, 4, 0.4),
}
_OPENINGS = np.linspace(0, 1, 5)  # of the mouth


def write_avi(path, dialog, turns, tracks, sound, seed):
    """MPEG-4 with the tag of DivX 5 and 16-bit stereo sound. `sound`: int16 [samples, 2]."""
    frames = int(len(sound) / SAMPLE_RATE * FRAME_RATE)
    edges = (np.arange(frames + 1) * SAMPLE_RATE / FRAME_RATE).astype(int)
    wearer = dialog[5]
    halves = []
    for gender in (wearer, "M" if wearer == "F" else "F"):
        own = [turn for turn in turns if turn.gender == gender]
        halves.append(_performance(dialog, own, gender, gender == wearer, tracks[gender], edges, seed))

    with av.open(str(path), "w", format="avi") as container:
        video = container.add_stream("mpeg4", rate=FRAME_RATE)
        video.width, video.height, video.pix_fmt, video.bit_rate = WIDTH, HEIGHT, "yuv420p", 1_500_000
        video.codec_context.codec_tag = "DX50"
        audio = container.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout="stereo")
        canvas = _black()
        for i in range(frames):
            for side, (pictures, sway) in enumerate(halves):
                _paste(canvas, pictures[i], sway[i], side)
            picture = av.VideoFrame.from_ndarray(canvas, format="yuv420p")
            picture.pts = i
            container.mux(video.encode(picture))
            chunk = np.ascontiguousarray(sound[edges[i] : edges[i + 1]].reshape(1, -1))
            tone = av.AudioFrame.from_ndarray(chunk, format="s16", layout="stereo")
            tone.sample_rate, tone.pts = SAMPLE_RATE, int(edges[i])
            container.mux(audio.encode(tone))
        for stream in (video, audio):
            container.mux(stream.encode(None))


def _performance(dialog, turns, gender, markers, track, edges, seed):
    """One person's pictures (list of planes, one a frame) and head positions (int [frames, 2], even numbers).

    Between turns the face wears a faint look drawn at random, so that the listener tells nothing of the speaker.
    """
    rng = generator(seed, dialog, gender, "face")
    portrait = portray(session_of(dialog), gender, markers, seed)
    frames = len(edges) - 1
    level = np.array([np.abs(track[a:b]).mean() for a, b in pairwise(edges)])
    time = np.arange(frames) / float(FRAME_RATE)
    pictures, sway = [None] * frames, np.zeros((frames, 2))

    spans, clock = [], 0.0  # (start, end, look, strength, openings)
    for turn in turns:
        spans.append((clock, turn.start, str(rng.choice(CLASSES)), 0.4, _OPENINGS[:1]))
        spans.append((turn.start, turn.end, turn.face_class, rng.uniform(0.8, 1.2), _OPENINGS))
        clock = turn.end
    spans.append((clock, np.inf, str(rng.choice(CLASSES)), 0.4, _OPENINGS[:1]))

    for start, end, look, strength, openings in spans:
        inside = np.flatnonzero((time >= start) & (time < end))
        if not len(inside):
            continue
        traits = np.array(_LOOK[look][:4]) * [strength, strength, strength, 1] + rng.normal(0, [0.05, 1, 0.1, 0.05])
        states = [_planes(express(portrait, traits, opening)) for opening in openings]
        loud = level[inside] / max(level[inside].max(), 1e-9)
        width, hertz = _LOOK[look][4] * strength, _LOOK[look][5] * rng.uniform(0.8, 1.2)
        angle = 2 * np.pi * (hertz * time[inside, None] + rng.random(2))
        sway[inside] = width * np.sin(angle) * ([0.4, 1.0] if look == "ang" else [1.0, 0.4])
        for i, opening in zip(inside, (loud * (len(states) - 1)).round().astype(int), strict=True):
            pictures[i] = states[opening]
    sway += rng.normal(0, 1, 2) * 3
    return pictures, np.clip(2 * (sway / 2).round(), -SWAY, SWAY).astype(int)


def _planes(image):
    """RGB -> its Y, U and V planes (4:2:0), so that a frame is put together by copying alone."""
    packed = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p").to_ndarray()
    return _split(packed, *image.shape[:2])


def _split(packed, rows, columns):
    """Views of the three planes in PyAV's packed array."""
    half = (rows // 2, columns // 2)
    luma, blue, red = np.split(packed.reshape(-1), [rows * columns, rows * columns + half[0] * half[1]])
    return luma.reshape(rows, columns), blue.reshape(half), red.reshape(half)


def _black():
    canvas = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    canvas[:HEIGHT] = 16
    return canvas


def _paste(canvas, planes, sway, side):
    """Copy a person's planes into the left (0) or right (1) half, moved by `sway` (rows, columns)."""
    for scale, target, source in zip((1, 2, 2), _split(canvas, HEIGHT, WIDTH), planes, strict=True):
        rows, columns = PICTURE[0] // scale, PICTURE[1] // scale
        top, left = TOP // scale, (MARGIN + side * WIDTH // 2) // scale
        y, x = (SWAY + sway) // scale
        target[top : top + rows, left : left + columns] = source[y : y + rows, x : x + columns]
