"""Writes the demo input: a made-up release tree in IEMOCAP's format, one dialog at a time.

Each turn has a true class. Its words, its voice and its face each show that class with the probability in SHOWN and
otherwise another class drawn at random, each by itself. Everything else (who speaks, when, how long, in which scenario,
how many words, how loud, the listener) is drawn without looking at the class. So no modality holds the whole answer,
together they hold more of it, and nothing but words, samples and pixels holds any.
"""

import wave
import zlib
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np

from emofuse.demo.plan import DIALOG_FILES, DIALOGS, TURNS_OF_EACH_SPEAKER, session_of, turn_ids

CLASSES = ("ang", "hap", "neu", "sad")
SHOWN = {"words": 0.72, "voice": 0.74, "face": 0.77}

# The raw labels of a session's turns, dealt out at random: 49 in the four classes, 15 others.
LABELS = {"neu": 15, "ang": 10, "sad": 10, "exc": 9, "hap": 5, "fru": 7, "xxx": 5, "sur": 2, "oth": 1}
CLASS_OF = {"neu": "neu", "ang": "ang", "sad": "sad", "exc": "hap", "hap": "hap"}

SAMPLE_RATE = 16_000  # hertz
FRAME_RATE = Fraction(30_000, 1_001)  # frames a second
WIDTH, HEIGHT = 720, 480  # pixels; the left half shows the marker wearer
TOP, MARGIN = 120, 6  # pixels: each half's picture is at y 120..360, x 6..354 of the half
PICTURE = (240, 348)  # rows, columns of that picture
SWAY = 12  # pixels the head can move either way

# Which dialog shows which quirk of the real release.
WINDOWS_LINE_ENDS = {"Ses01F_script01_1", "Ses04M_impro05"}
BYTE_ORDER_MARK = {"Ses02F_impro01", "Ses05F_script02_1"}
CP1252_COMMENT = {"Ses02M_impro05", "Ses04F_script01_1"}
LINES_WITHOUT_LABEL = {"Ses01F_impro01", "Ses03M_impro05a"}
LAUGHTER = {"Ses01M_impro05", "Ses04F_impro01"}
COLON_IN_WORDS = {"Ses03F_impro01", "Ses05M_impro05"}
ODD_RATINGS = {"Ses02F_script01_1"}
ENDS_EARLY = {"Ses05M_script01_1b"}  # its last turns, LATE of them, lie past the end of its wav and avi
LATE = 2


@dataclass(frozen=True)
class Turn:
    """One turn as it is to be played: times in seconds; `words_class` and so on are the classes shown."""

    turn_id: str
    gender: str
    start: float
    end: float
    label: str
    words: str
    words_class: str
    voice_class: str
    face_class: str

    @property
    def samples(self):
        """Length of the turn's own wav, in samples."""
        return round((self.end - self.start) * SAMPLE_RATE)


def write_dialog(out_root, dialog, seed):
    """Write every file that `demo_plan.dialog_files(dialog)` names, below the release root `out_root`."""
    turns = direct(dialog, seed)
    paths = {
        name: Path(out_root, pattern.format(session=session_of(dialog), dialog=dialog))
        for name, pattern in DIALOG_FILES.items()
    }
    sentences = Path(out_root, f"Session{session_of(dialog)}/sentences/wav", dialog)
    for path in [*paths.values(), sentences / "_"]:
        path.parent.mkdir(parents=True, exist_ok=True)

    order = sorted(turns, key=lambda turn: turn.turn_id)
    paths["labels"].write_bytes(_label_file(dialog, order, seed))
    paths["apple_double"].write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(range(256)))
    paths["raw_votes"].write_text("".join(f"{t.turn_id} :{_vote(t.label)}; ()\n" for t in order), encoding="utf-8")
    paths["transcript"].write_bytes(_transcript_file(dialog, turns, seed))

    seconds = _medium_end(dialog, turns)
    voices = {turn.turn_id: _voice(turn, seed) for turn in turns}
    tracks = {gender: _track(turns, voices, gender, seconds, seed) for gender in "FM"}
    for turn in turns:
        _write_wav(sentences / f"{turn.turn_id}.wav", _sixteen_bit(voices[turn.turn_id]))
    both = _sixteen_bit(np.stack([tracks["F"] + 0.05 * tracks["M"], tracks["M"] + 0.05 * tracks["F"]], axis=1))
    _write_wav(paths["wav"], both)
    _write_avi(paths["avi"], dialog, turns, tracks, both, seed)


def direct(dialog, seed):
    """The turns of a dialog in the order of their start: who says what and when, and what each modality shows."""
    rng = _rng(seed, dialog, "order")
    order = rng.permuted(np.tile(list("FM"), (TURNS_OF_EACH_SPEAKER, 1)), axis=1).ravel()
    clock, own_end, count, turns = 1.0, {"F": 0.0, "M": 0.0}, {"F": 0, "M": 0}, []
    labels = _labels(dialog, seed)
    for i, gender in enumerate(order):
        if dialog in ENDS_EARLY and i == len(order) - LATE:
            clock += 1.0  # wav and avi end in this pause
        turn_id = f"{dialog}_{gender}{count[gender]:03d}"
        start = max(clock + rng.uniform(-0.4, 0.2), own_end[gender] + 0.1)
        end = start + rng.uniform(0.7, 1.4)
        count[gender] += 1
        clock = own_end[gender] = end
        label = labels[turn_id]
        shown = _shown(turn_id, label, seed)
        words = _words(turn_id, dialog, shown["words"], seed)
        times = round(float(start), 4), round(float(end), 4)
        turns.append(Turn(turn_id, str(gender), *times, label, words, shown["words"], shown["voice"], shown["face"]))
    return turns


def _rng(seed, *names):
    """A generator of its own for each use, so that no draw hangs on how many draws another use made."""
    return np.random.default_rng([seed, *(zlib.crc32(str(name).encode()) for name in names)])


def _labels(dialog, seed):
    """Raw label by turn id, for all turns of the dialog's session."""
    session = session_of(dialog)
    turns = [turn for name in DIALOGS if session_of(name) == session for turn in turn_ids(name)]
    deck = [label for label, count in LABELS.items() for _ in range(count)]
    return dict(zip(turns, _rng(seed, session, "labels").permutation(deck).tolist(), strict=True))


def _shown(turn_id, label, seed):
    """The class that each modality shows."""
    rng = _rng(seed, turn_id, "shown")
    true = CLASS_OF.get(label) or str(rng.choice(CLASSES))
    others = [name for name in CLASSES if name != true]
    return {modality: true if rng.random() < p else str(rng.choice(others)) for modality, p in SHOWN.items()}


def _medium_end(dialog, turns):
    """Seconds of wav and avi: a little more than the turns that they hold."""
    held = turns[:-LATE] if dialog in ENDS_EARLY else turns
    return max(turn.end for turn in held) + 0.5


# ---------------------------------------------------------------------------------------------------------- files

_VOTES = {
    "neu": "Neutral",
    "ang": "Anger",
    "sad": "Sadness",
    "hap": "Happiness",
    "exc": "Excited",
    "fru": "Frustration",
    "sur": "Surprise",
    "oth": "Other",
}
_RATINGS = {  # valence, activation, dominance, 1 to 5
    "neu": (3, 2, 2),
    "ang": (2, 4, 4),
    "sad": (2, 2, 2),
    "hap": (4, 3, 3),
    "exc": (4, 4, 3),
    "fru": (2, 3, 3),
    "sur": (3, 4, 3),
}


def _vote(label):
    return _VOTES.get(label, "Frustration; Sadness")


def _label_file(dialog, turns, seed):
    """`EmoEvaluation/<dialog>.txt`: a block for each turn, F's before M's."""
    rng = _rng(seed, dialog, "votes")
    lines = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
    for i, turn in enumerate(turns):
        ratings = np.clip(_RATINGS.get(turn.label, (3, 3, 3)) + rng.integers(-1, 2, (2, 3)), 1, 5)
        mean = ratings.mean(axis=0)
        if dialog in ODD_RATINGS and i == 0:
            mean = np.array([5.5, 0.5, 3.0])
        values = ", ".join(f"{value:.4f}" for value in mean)
        first, second = _vote(turn.label), rng.choice([_vote(turn.label), "Neutral; Frustration"])
        comment = "café: half… sure" if dialog in CP1252_COMMENT and i == 1 else rng.choice(["", "", "curious"])
        lines += [
            f"[{turn.start:.4f} - {turn.end:.4f}]\t{turn.turn_id}\t{turn.label}\t[{values}]",
            f"C-E2:\t{first};\t({comment})",
            f"C-E4:\t{second};\t()",
            f"C-{turn.gender}{session_of(dialog)}:\t{first};\t()",
            *(f"A-E{2 + 2 * k}:\tval {v}; act {a}; dom  {d};\t()" for k, (v, a, d) in enumerate(ratings)),
            "",
        ]
    return _encode(dialog, lines, "cp1252" if dialog in CP1252_COMMENT else "utf-8")


def _transcript_file(dialog, turns, seed):
    """`transcriptions/<dialog>.txt`: a line for each turn, in the order of time, and in some dialogs a few more."""
    lines = [f"{t.turn_id} [{t.start:08.4f}-{t.end:08.4f}]: {t.words}" for t in turns]
    if dialog in LINES_WITHOUT_LABEL:
        last = turns[-1].end
        lines.insert(3, "M: Yeah.")
        lines.append(f"{dialog}_MXX0 [{last + 0.2:08.4f}-{last + 0.6:08.4f}]: [LAUGHTER], That's what they say.")
    return _encode(dialog, lines, "utf-8")


def _encode(dialog, lines, encoding):
    text = ("\r\n" if dialog in WINDOWS_LINE_ENDS else "\n").join([*lines, ""])
    return (b"\xef\xbb\xbf" if dialog in BYTE_ORDER_MARK else b"") + text.encode(encoding)


def _write_wav(path, samples):
    """samples: int16 [n] or [n, channels]."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.astype("<i2").tobytes())


# ---------------------------------------------------------------------------------------------------------- words

_LEANING = {  # for each class: exclamations, adjectives, verbs; one word each, so that their number tells nothing
    "ang": (
        ("damn", "enough", "stop", "nonsense", "never"),
        ("outrageous", "ridiculous", "unfair", "stupid", "insulting"),
        ("ruined", "wrecked", "smashed", "attacked", "stole"),
    ),
    "hap": (
        ("wow", "great", "yes", "hooray", "finally"),
        ("amazing", "lovely", "fantastic", "brilliant", "perfect"),
        ("won", "loved", "enjoyed", "celebrated", "kissed"),
    ),
    "neu": (
        ("okay", "well", "right", "actually", "anyway"),
        ("normal", "usual", "ordinary", "regular", "average"),
        ("checked", "moved", "opened", "counted", "signed"),
    ),
    "sad": (
        ("sorry", "alas", "sadly", "goodbye", "nothing"),
        ("lonely", "hopeless", "empty", "painful", "gloomy"),
        ("lost", "missed", "buried", "mourned", "left"),
    ),
}
_NOUNS = ("letter", "house", "ticket", "garden", "picture", "car", "job", "ring", "dog", "table")
_TIMES = ("today", "yesterday", "again", "there", "before")
_PEOPLE = ("we", "they", "she", "he", "you")
_SENTENCES = (  # each with one word of each leaning kind
    "{oh}, {person} {verb} the {adjective} {noun}.",
    "{oh}! It is {adjective}, {person} {verb} it {time}.",
    "You know, {person} {verb} that {adjective} {noun}, {oh}.",
    "{time} {person} {verb} the {adjective} {noun}, {oh}.",
    "That {adjective} {noun}, {oh}, {person} {verb} it.",
)
LEAN = 0.9  # of the leaning words in a sentence lean to the class that the words show


def vocabulary():
    """Every word that the demo's transcripts hold, in lower case, sorted."""
    words = {word for lists in _LEANING.values() for options in lists for word in options}
    words |= {*_NOUNS, *_TIMES, *_PEOPLE, "yeah", "laughter"}
    fixed = " ".join(_SENTENCES).format(oh="", noun="", adjective="", time="", person="", verb="")
    return sorted(words | {word.strip(".,!").lower() for word in fixed.split()} - {""})


def _words(turn_id, dialog, shown, seed):
    """A sentence; a speaker knows only some words of each list."""
    rng = _rng(seed, turn_id, "words")
    habits = _rng(seed, session_of(turn_id), turn_id[-4], "habits").permuted(np.tile(np.arange(10), (16, 1)), axis=1)

    def pick(options, row):
        known = [i for i in habits[row] if i < len(options)][: len(options) * 4 // 5]
        return options[rng.choice(known)]

    def leaning(kind):
        name = shown if rng.random() < LEAN else str(rng.choice(CLASSES))
        return pick(_LEANING[name][kind], 3 * CLASSES.index(name) + kind)

    sentence = pick(_SENTENCES, 12).format(
        oh=leaning(0),
        adjective=leaning(1),
        verb=leaning(2),
        noun=pick(_NOUNS, 13),
        time=pick(_TIMES, 14),
        person=pick(_PEOPLE, 15),
    )
    sentence = sentence[0].upper() + sentence[1:]
    number = int(turn_id[-3:])
    if dialog in LAUGHTER and number in (2, 5):
        return "[LAUGHTER]" if number == 2 else f"{sentence} [LAUGHTER]"
    return f"You know: {sentence}" if dialog in COLON_IN_WORDS and number == 4 else sentence


# ---------------------------------------------------------------------------------------------------------- voice

# Pitch level, pitch range, syllables a second, spectral slope (power of 1 / harmonic), breath, roughness, formants.
_MANNER = {
    "ang": (1.25, 0.20, 6.5, 0.4, 0.03, 0.6, 1.00),
    "hap": (1.45, 0.45, 5.0, 1.0, 0.03, 0.0, 1.12),
    "neu": (1.00, 0.08, 4.0, 1.4, 0.03, 0.0, 1.00),
    "sad": (0.85, 0.04, 2.3, 2.0, 0.25, 0.0, 0.95),
}
_HARMONICS = np.arange(1, 25)
_VOWELS = np.array([(730, 1090), (270, 2290), (530, 1840), (570, 840), (300, 870), (660, 1720)])  # hertz: F1, F2


def _voice(turn, seed):
    """Speech-like sound of one turn, float64 [samples], about -0.5..0.5: harmonics, formants, syllables, breath."""
    own = _rng(seed, session_of(turn.turn_id), turn.gender, "voice")
    base = own.uniform(95, 135) if turn.gender == "M" else own.uniform(175, 230)
    pace, slope_of_speaker, tract = own.uniform(0.9, 1.1), own.uniform(-0.15, 0.15), own.uniform(0.92, 1.08)
    tract *= 1.0 if turn.gender == "M" else 1.15

    rng = _rng(seed, turn.turn_id, "voice")
    loudness = rng.uniform(0.03, 0.1)
    level, span, rate, slope, breath, rough, smile = _MANNER[turn.voice_class]
    time = np.arange(turn.samples) / SAMPLE_RATE
    rate *= pace * rng.uniform(0.9, 1.1)
    beat = time * rate + rng.random()
    melody = np.sin(2 * np.pi * (time * rate / 3 + rng.random())) + 0.3 * np.sin(
        2 * np.pi * (time * 1.3 + rng.random())
    )
    pitch = base * level * rng.uniform(0.95, 1.05) * (1 + span * melody)
    pitch *= 1 + 0.01 * np.interp(time, np.arange(0, 3, 0.02), rng.standard_normal(150))
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE

    # A vowel a syllable: each harmonic is as strong as the formants at its frequency make it.
    formants = _VOWELS[rng.integers(0, len(_VOWELS), int(beat[-1]) + 1)][beat.astype(int)] * tract * smile
    sound = np.zeros(len(time))
    for k in _HARMONICS:
        frequency = k * pitch
        resonance = 0.15 + sum(1 / (1 + ((frequency - formant) / 120) ** 2) for formant in formants.T)
        audible = frequency < 0.45 * SAMPLE_RATE
        sound += audible * resonance * k ** -(slope + slope_of_speaker) * np.sin(k * phase)
    sound *= 1 - rough * 0.5 * (1 + np.sin(2 * np.pi * 55 * time))
    sound /= np.sqrt(np.mean(sound**2))
    sound = (sound + breath * 3 * rng.standard_normal(len(time))) * np.sin(np.pi * (beat % 1)) ** 1.5
    hush = 0.02 * rng.standard_normal(len(time))
    return loudness * (sound / np.sqrt(np.mean(sound**2)) + hush)


def _track(turns, voices, gender, seconds, seed):
    """One speaker's whole channel, float64 [samples]."""
    track = 0.0005 * _rng(seed, turns[0].turn_id, gender, "hush").standard_normal(int(seconds * SAMPLE_RATE))
    for turn in turns:
        start = round(turn.start * SAMPLE_RATE)
        if turn.gender == gender and start < len(track):
            track[start : start + turn.samples] += voices[turn.turn_id][: len(track) - start]
    return track


def _sixteen_bit(samples):
    return np.clip(samples * 32_767, -32_768, 32_767).astype(np.int16)


# ---------------------------------------------------------------------------------------------------------- faces

_LOOK = {  # brow tilt (inner end down > 0), brow lift, mouth curve (smile > 0), eye opening, sway in pixels, in hertz
    "ang": (0.45, -6, -0.2, 0.7, 8, 3.0),
    "hap": (0.00, 8, 1.0, 1.0, 8, 1.5),
    "neu": (0.00, 0, 0.1, 0.9, 2, 0.5),
    "sad": (-0.45, 2, -1.0, 0.5, 4, 0.4),
}
_OPENINGS = np.linspace(0, 1, 5)  # of the mouth


def _write_avi(path, dialog, turns, tracks, sound, seed):
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
    rng = _rng(seed, dialog, gender, "face")
    base, geometry = _portrait(session_of(dialog), gender, markers, seed)
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
        states = [_planes(_express(base, geometry, traits, opening)) for opening in openings]
        loud = level[inside] / max(level[inside].max(), 1e-9)
        width, hertz = _LOOK[look][4] * strength, _LOOK[look][5] * rng.uniform(0.8, 1.2)
        angle = 2 * np.pi * (hertz * time[inside, None] + rng.random(2))
        sway[inside] = width * np.sin(angle) * ([0.4, 1.0] if look == "ang" else [1.0, 0.4])
        for i, opening in zip(inside, (loud * (len(states) - 1)).round().astype(int), strict=True):
            pictures[i] = states[opening]
    sway += rng.normal(0, 1, 2) * 3
    return pictures, np.clip(2 * (sway / 2).round(), -SWAY, SWAY).astype(int)


def _portrait(session, gender, markers, seed):
    """One person without brows, eyes and mouth: uint8 [rows, columns, 3], and where those belong."""
    rng = _rng(seed, session, gender, "portrait")
    rows, columns = PICTURE[0] + 2 * SWAY, PICTURE[1] + 2 * SWAY
    wall, shirt = rng.integers(40, 130, 3), rng.integers(30, 200, 3)
    skin, hair = rng.uniform(0.6, 1) * np.array([240, 190, 155]), rng.uniform(0.1, 0.8) * np.array([200, 150, 100])
    y, x = 125 + rng.integers(-8, 9) + SWAY, columns // 2 + rng.integers(-20, 21)
    size = rng.uniform(0.92, 1.08)
    image = np.empty((rows, columns, 3), np.uint8)
    image[:] = np.clip(wall + np.linspace(-20, 20, columns)[:, None], 0, 255)
    length = 30 if gender == "F" else 0
    _ellipse(image, y - 12 + length, x, 108 * size + length, 88 * size, hair)
    _ellipse(image, y + 150, x, 55, 120, shirt)
    _ellipse(image, y, x, 100 * size, 76 * size, skin)
    _ellipse(image, y + 12, x, 14, 7, skin * 0.85)
    if markers:
        for dy, dx in rng.integers((-70, -60), (80, 60), (25, 2)):
            _ellipse(image, y + dy, x + dx, 2, 2, (255, 255, 255))
    geometry = {
        "y": y,
        "x": x,
        "size": size,
        "eyes": rng.uniform(27, 33) * size,
        "brows": hair * 0.6,
        "iris": rng.integers(20, 110, 3),
        "mouth": rng.uniform(30, 38) * size,
        "lips": rng.integers((130, 40, 50), (190, 80, 90)),
    }
    return image, geometry


def _express(base, geometry, traits, opening):
    """A copy of the portrait with the look drawn in."""
    tilt, lift, curve, eye, (y, x, size) = *traits, (geometry[key] for key in ("y", "x", "size"))
    image = base.copy()
    for side in (-1, 1):
        ex, ey = x + side * geometry["eyes"], y - 22 * size
        _ellipse(image, ey, ex, 10 * eye, 15, (245, 245, 245))
        _ellipse(image, ey, ex, min(7, 10 * eye), 7, geometry["iris"])
        rows, columns = _box(image, ey - 24 - lift, ex, 24, 24)
        line = ey - 24 - lift - tilt * side * (columns - ex)
        _fill(image, rows, columns, np.abs(rows - line) <= 4 * size, geometry["brows"])
    my, width = y + 52 * size, geometry["mouth"]
    rows, columns = _box(image, my, x, 44, int(width))
    bow = np.clip(1 - ((columns - x) / width) ** 2, 0, 1)
    middle = my + 16 * curve * (bow - 0.5)
    distance = np.abs(rows - middle)
    gap = 16 * opening * np.sqrt(bow)
    _fill(image, rows, columns, distance <= gap + 4, geometry["lips"])
    _fill(image, rows, columns, distance <= gap - 1, (60, 15, 20))
    return image


def _box(image, y, x, height, width):
    """Open index grids (rows [h, 1], columns [1, w]) of the box around a point, cut to the image."""
    rows = slice(max(0, int(y) - height), min(image.shape[0], int(y) + height + 1))
    columns = slice(max(0, int(x) - width), min(image.shape[1], int(x) + width + 1))
    return np.ogrid[rows, columns]


def _fill(image, rows, columns, mask, colour):
    image[rows[0, 0] : rows[-1, 0] + 1, columns[0, 0] : columns[0, -1] + 1][mask] = colour


def _ellipse(image, y, x, height, width, colour):
    rows, columns = _box(image, y, x, int(height) + 1, int(width) + 1)
    inside = ((rows - y) / height) ** 2 + ((columns - x) / width) ** 2 <= 1
    _fill(image, rows, columns, inside, colour)


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
