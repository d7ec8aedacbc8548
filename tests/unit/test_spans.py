"""Clips of a listing's rows hold the right frames and samples of any medium, and what cannot be cut says why."""

import shutil
import subprocess
from fractions import Fraction

import av
import numpy as np
import pyarrow as pa
import pytest

from emofuse.clips import files as clip_files
from emofuse.clips import spans, summary
from emofuse.corpora.listing import Listing, Row
from emofuse.corpora.media_index import index_listing_media
from emofuse.media import containers
from emofuse.media.picture import shown, upright
from emofuse.media.sound import read_sound
from emofuse.media.wav import wav_bytes
from emofuse.runtime import store
from emofuse.runtime.errors import EmofuseError

WIDTH, HEIGHT, BITS = 128, 64, 8
STEP = Fraction(1001, 30_000)
CUTS = {"text": spans.cut_text, "audio": spans.cut_audio, "video": spans.cut_video}


# Media: the picture's lower half shows the frame's number in eight bars; a quarter, at the top left, is bright


def picture(number):
    luma = np.full((HEIGHT, WIDTH), 60, np.uint8)
    luma[: HEIGHT // 2, : WIDTH // 2] = 220
    for bit in range(BITS):
        luma[HEIGHT // 2 :, 16 * bit : 16 * bit + 16] = 220 if number >> bit & 1 else 30
    return np.concatenate([luma, np.full((HEIGHT // 2, WIDTH), 128, np.uint8)])


def numbers_of(path):
    """The numbers in a clip's frames; its times are those of the constant rate."""
    found = []
    with av.open(str(path)) as container:
        assert [stream.codec_context.name for stream in container.streams] == ["h264"]
        for k, frame in enumerate(container.decode(video=0)):
            assert frame.time == pytest.approx(k * 1001 / 30_000)
            bars = frame.to_ndarray(format="gray")[HEIGHT // 2 :].reshape(HEIGHT // 2, BITS, -1).mean(axis=(0, 2)) > 128
            found.append(sum(int(bar) << bit for bit, bar in enumerate(bars)))
    return found


def tone(rate, seconds, channels):
    """float32 (channels, samples): a louder tone of its own in each channel, and a click at every whole second."""
    times = np.arange(round(rate * seconds)) / rate
    sound = np.stack([0.2 * (k + 1) * np.sin(2 * np.pi * (300 + 200 * k) * times) for k in range(channels)])
    sound[:, (times % 1) < 0.004] = 0.9
    return sound.astype(np.float32)


def write_medium(path, times=(), base=None, sound=None, rate=48_000, codecs=("libx264", "aac"), rotation=0):
    """A file of pictures shown at `times` (ticks of `base`) and of sound, float32 (channels, samples), in packets by time."""
    with av.open(str(path), "w") as container:
        packets = []
        if times:
            video = container.add_stream(codecs[0], rate=round(1 / (base * (times[1] - times[0]))))
            video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            video.time_base = video.codec_context.time_base = base
            if rotation:
                video.set_display_rotation(rotation)
        if sound is not None:
            audio = container.add_stream(codecs[1], rate=rate, layout=("mono", "stereo")[len(sound) - 1])
        for number, ticks in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(number), format="yuv420p")
            frame.pts, frame.time_base = ticks, base
            packets += video.encode(frame)
        packets += video.encode(None) if times else []
        if sound is not None:
            packets += encoded(audio, sound, rate)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def encoded(stream, sound, rate):
    context = stream.codec_context
    fitting = av.AudioResampler(context.format, context.layout, rate, context.frame_size or None)
    frame = av.AudioFrame.from_ndarray(sound, format="fltp", layout=context.layout.name)
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    parts = [part for given in (frame, None) for part in fitting.resample(given)]
    return [packet for part in (*parts, None) for packet in stream.encode(part)]


def cut(modality, rows, base, out, on_missing="error"):
    manifest = clip_files.manifest_path(out, modality, "part-0")
    CUTS[modality](rows, base, out / modality, manifest, on_missing)
    found = clip_files.read_manifests([manifest])
    assert list(found) == sorted(row.turn_id for row in rows)
    for turn, row in found.items():
        assert (out / modality / f"{turn}{clip_files.SUFFIXES[modality]}").exists() == (row["status"] == "ok")
    return found


def cut_one(modality, base, out, **row):
    """(manifest's row, the clip's path) of a row alone."""
    [line] = cut(modality, [Row("turn", "A", **row)], base, out).values()
    return line, out / modality / f"turn{clip_files.SUFFIXES[modality]}"


def samples_of(path):
    return np.frombuffer(path.read_bytes()[44:], "<i2").astype(int)


# Picture

MS = Fraction(1, 1000)
RATES = {  # file: its frames' times in ticks, and a tick in seconds
    "25.mp4": (range(75), Fraction(1, 25)),
    "29.97.mov": (range(0, 90 * 1001, 1001), Fraction(1, 30_000)),
    "60.mp4": (range(180), Fraction(1, 60)),
    "variable.mkv": ([0, 40, 50, 60, 200, 210, 700, 720, 1500, 1600, 2000, 2040], MS),
    "29.97.mkv": ([round(n * STEP / MS) for n in range(90)], MS),
    "25.webm": (range(0, 3000, 40), MS),
    "25.flv": (range(0, 3000, 40), MS),
    "25.avi": (range(75), Fraction(1, 25)),
}
CODECS = {"webm": "libvpx", "avi": "mpeg4"}


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")
    for name, (times, base) in RATES.items():
        write_medium(folder / name, list(times), base, codecs=(CODECS.get(name.split(".")[-1], "libx264"), None))
    return folder


@pytest.mark.parametrize("name", RATES)
def test_a_clips_frames_are_those_on_screen_at_a_constant_rate(media, tmp_path, name):
    times, base = RATES[name]
    exact = [n * STEP for n in range(90)] if name == "29.97.mkv" else [ticks * base for ticks in times]
    for start, end in ((None, None), (0.0, 1.0), (0.41, 1.777), (1.2, 1.201)):
        line, clip = cut_one("video", media, tmp_path, video=name, start_s=start, end_s=end)
        ends = exact[-1] + (exact[1] - exact[0]) if end is None else Fraction(str(end))
        shown_at = [Fraction(str(start or 0)) + k * STEP for k in range(200)]
        expected = [sum(time <= at for time in exact) - 1 for at in shown_at if at < ends]
        assert numbers_of(clip) == expected
        assert (line["status"], int(line["frames"]), line["note"]) == ("ok", len(expected), "")


@pytest.mark.parametrize(("rotation", "bright"), [(90, "bottom left"), (-90, "top right"), (180, "bottom right")])
def test_rotated_pictures_are_turned_upright_before_they_are_cropped(tmp_path, rotation, bright):
    write_medium(tmp_path / "clip.mp4", range(5), Fraction(1, 25), rotation=rotation)
    vertical, side = bright.split()
    crop = (0.5 * (side == "right"), 0.5 * (vertical == "bottom"), 0.5, 0.5)
    _, whole = cut_one("video", tmp_path, tmp_path / "whole", video="clip.mp4")
    _, part = cut_one("video", tmp_path, tmp_path / "part", video="clip.mp4", crop=crop)
    shapes = (WIDTH, HEIGHT) if abs(rotation) == 90 else (HEIGHT, WIDTH)
    for path, by in ((whole, 1), (part, 2)):
        with av.open(str(path)) as container:
            luma = next(container.decode(video=0)).to_ndarray(format="gray")
        assert luma.shape == tuple(size // by for size in shapes)
    assert luma.min() > 200
    if shutil.which("ffmpeg"):
        raw = by_ffmpeg(tmp_path / "clip.mp4", "-frames:v", "1", "-pix_fmt", "gray", "-f", "rawvideo")
        with av.open(str(whole)) as container:
            mine = next(container.decode(video=0)).to_ndarray(format="gray").astype(int)
        assert np.abs(np.frombuffer(raw, np.uint8).reshape(shapes).astype(int) - mine).mean() < 3


def test_sizes_are_made_even_and_colours_those_that_readers_of_clips_take_for_granted():
    odd = av.VideoFrame.from_ndarray(np.full((33, 61, 3), (200, 40, 60), np.uint8), format="rgb24")
    assert upright(odd).shape == (32 * 3 // 2, 60)
    assert upright(odd, (0.1, 0.1, 0.51, 0.001)).shape == (2 * 3 // 2, 30)
    assert upright(odd, (0.99, 0.99, 0.01, 0.01)).shape == (3, 2)
    wide = odd.reformat(60, 32, "yuv420p", dst_colorspace="ITU709", dst_color_range="JPEG")
    wide.colorspace, wide.color_range = 1, 2
    for frame in (odd, wide):
        seen = av.VideoFrame.from_ndarray(upright(frame), format="yuv420p").to_ndarray(format="rgb24")
        assert np.abs(seen[8, 8].astype(int) - (200, 40, 60)).max() < 8


def test_spans_at_the_end_of_a_picture_and_beyond(media, tmp_path):
    asked = {"a": (2.9, 3.05), "b": (2.0, 4.0), "c": (3.0, 3.5), "d": (1.0, 1.0)}
    rows = [Row(turn, "A", video="25.mp4", start_s=start, end_s=end) for turn, (start, end) in asked.items()]
    found = cut("video", rows, media, tmp_path)
    assert {turn: (row["status"], int(row["frames"]), row["note"]) for turn, row in found.items()} == {
        "a": ("ok", 3, ""),
        "b": ("ok", 30, "the picture ends 1.00 s before the turn"),
        "c": ("past_end", 0, "the picture ends at 3.00 s"),
        "d": ("missing", 0, "the turn has no length"),
    }


def test_rows_of_one_file_are_cut_in_one_decoding_pass(media, tmp_path, monkeypatch):
    write_medium(tmp_path / "two.wav", sound=tone(8000, 2, 2), rate=8000, codecs=(None, "pcm_s16le"))
    opened, was = [], containers.av.open
    monkeypatch.setattr(containers.av, "open", lambda path, *a, **k: opened.append(str(path)) or was(path, *a, **k))
    spoken = {"a": (1.0, 2.0, "left"), "b": (0.5, 1.5, "mix"), "c": (None, None, "1")}
    rows = [
        Row(turn, "A", audio="two.wav", video=str(media / "25.mp4"), start_s=start, end_s=end, channel=channel)
        for turn, (start, end, channel) in spoken.items()
    ]
    cut("audio", rows, tmp_path, tmp_path)
    cut("video", rows, tmp_path, tmp_path)
    for name in ("two.wav", "25.mp4"):
        assert len([path for path in opened if path.endswith(name)]) == 1
    assert numbers_of(tmp_path / "video" / "a.mp4")[0] == 25
    assert len(numbers_of(tmp_path / "video" / "b.mp4")) == 30


# Sound


def by_ffmpeg(path, *arguments):
    command = ["ffmpeg", "-v", "error", "-i", str(path), *arguments, "-"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def resampled(sound, rate):
    """int (samples,) at 16 kHz of float (samples,), by the whole signal's spectrum: no code in common with FFmpeg's."""
    spectrum, count = np.fft.rfft(sound), round(len(sound) * 16_000 / rate)
    kept = np.zeros(count // 2 + 1, complex)
    both = min(len(spectrum), len(kept))
    kept[:both] = spectrum[:both]
    return np.rint(np.fft.irfft(kept, count) * count / len(sound) * 32768).astype(int)


SOUNDS = {  # file: rate, channels, codec; how far a sample may be from the source's, of 32,768, and from ffmpeg's
    "8k.wav": (8000, 1, "pcm_s16le", 600, 3),
    "48k.wav": (48_000, 2, "pcm_f32le", 600, 3),
    "16k.flac": (16_000, 1, "flac", 1, 1),
    "44k.flac": (44_100, 2, "flac", 600, 3),
    "44k.mp3": (44_100, 2, "mp3", 2500, 3),
    "48k.mp4": (48_000, 2, "aac", 2500, 3),
    "u8.mkv": (16_000, 2, "pcm_u8", 300, 130),
    "48k.webm": (48_000, 1, "libopus", 2500, 3),
}


@pytest.mark.parametrize("name", SOUNDS)
def test_a_clips_samples_are_those_of_its_time(tmp_path, name):
    rate, channels, codec, near, same = SOUNDS[name]
    sound = tone(rate, 2, channels)
    sound[:, (np.arange(2 * rate) / rate % 1) < 0.004] *= 0.3  # a click that a filter does not ring on for long
    write_medium(tmp_path / name, sound=sound, rate=rate, codecs=(None, codec))
    _, whole = cut_one("audio", tmp_path, tmp_path / "whole", audio=name)
    line, part = cut_one("audio", tmp_path, tmp_path / "part", audio=name, start_s=0.35, end_s=1.7)
    mono = samples_of(whole)
    assert (samples_of(part) == mono[5600:27_200]).all() and line["frames"] == "21600"
    expected = resampled(sound.mean(axis=0), rate)
    calm = slice(1000, 15_000)  # away from the clicks
    assert np.abs(mono[calm] - expected[calm]).max() <= near
    assert abs(len(mono) - 32_000) < 1500
    if shutil.which("ffmpeg"):
        theirs = np.frombuffer(by_ffmpeg(tmp_path / name, "-ac", "1", "-ar", "16000", "-f", "s16le"), "<i2").astype(int)
        count = min(len(theirs), len(mono)) - 50  # what follows is in reach of a filter
        assert abs(len(theirs) - len(mono)) < 400  # newer versions cut off what AAC pads its last packet with
        assert np.abs(theirs[:count] - mono[:count]).max() <= same


def test_channels(tmp_path):
    sound = tone(16_000, 1, 2)
    write_medium(tmp_path / "two.wav", sound=sound, rate=16_000, codecs=(None, "pcm_f32le"))
    wanted = {"left": sound[0], "right": sound[1], "0": sound[0], "1": sound[1], "mix": sound.mean(axis=0)}
    for channel, mono in read_sound(tmp_path / "two.wav", wanted).items():
        assert np.abs(mono - np.clip(wanted[channel] * 32768.0, -32768, 32767)).max() <= 1
    with pytest.raises(EmofuseError, match=r"two\.wav has 2 channels of sound, and no channel 2"):
        cut_one("audio", tmp_path, tmp_path, audio="two.wav", channel="2")


def test_sound_and_picture_agree_in_time_where_one_begins_late_or_pauses(tmp_path):
    for late, name in ((0.5, "sound.mkv"), (-0.25, "picture.mkv")):
        path = tmp_path / name
        base, sound = Fraction(1, 1000), tone(16_000, 2, 1)
        with av.open(str(path), "w") as container:
            video = container.add_stream("libx264", rate=25)
            video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            video.time_base = video.codec_context.time_base = base
            audio = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
            packets = []
            for number in range(50):
                frame = av.VideoFrame.from_ndarray(picture(number), format="yuv420p")
                frame.pts, frame.time_base = 1000 + 40 * number - min(0, round(1000 * late)), base
                packets += video.encode(frame)
            packets += video.encode(None)
            for number, block in enumerate(np.array_split(sound, 4, axis=1)):
                frame = av.AudioFrame.from_ndarray(np.rint(block * 32767).astype(np.int16), format="s16", layout="mono")
                pause = 0.3 if number == 3 else 0
                frame.sample_rate, frame.time_base = 16_000, Fraction(1, 16_000)
                frame.pts = round(16_000 * (1 + max(0, late) + 0.5 * number + pause))
                packets += audio.encode(frame)
            packets += audio.encode(None)
            for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
                container.mux(packet)
        mono = read_sound(path, ["mix"])["mix"]
        first = round(16_000 * max(0, late))
        assert len(mono) == first + round(2.3 * 16_000)
        assert not mono[:first].any() and mono[first : first + 60].min() > 25_000
        assert not mono[first + 24_000 : first + 28_800].any() and mono[first + 28_801 : first + 30_000].any()
        begins = next(float(begins) for _, begins, _ in shown(path))
        assert begins == pytest.approx(max(0, -late), abs=0.001)
    line, clip = cut_one("video", tmp_path, tmp_path, video="picture.mkv", start_s=0.0, end_s=0.5)
    assert line["note"] == "the picture begins 0.25 s after the turn"
    assert numbers_of(clip) == [0] * 9 + [1, 2, 2, 3, 4, 5]


# Words


def test_words_come_from_the_row_or_its_file(tmp_path):
    (tmp_path / "bom.txt").write_bytes("\ufeffI said\r\nno.\n".encode())
    (tmp_path / "windows.txt").write_bytes(b"don\x92t")
    (tmp_path / "blank.txt").write_text(" \n")
    rows = [
        Row("own", "A", text="  Well  then ", text_file="bom.txt"),
        Row("bom", "A", text_file="bom.txt"),
        Row("windows", "A", text_file="windows.txt"),
        Row("blank", "A", text_file="blank.txt"),
        Row("none", "A"),
    ]
    found = cut("text", rows, tmp_path, tmp_path)
    assert {turn: (row["status"], row["frames"]) for turn, row in found.items()} == {
        "own": ("ok", "2"),
        "bom": ("ok", "3"),
        "windows": ("ok", "1"),
        "blank": ("no_words", "0"),
        "none": ("missing", "0"),
    }
    assert (tmp_path / "text" / "bom.txt").read_bytes() == b"I said no.\n"
    assert (tmp_path / "text" / "windows.txt").read_text() == "don’t\n"
    assert "read as Windows-1252" in found["windows"]["note"] and found["none"]["note"] == "no words are named for it"


# What is wrong

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 123456\n"


def damages(media, folder):
    """{name: (status, sentence)} of files that are planted there; the status None: it cannot be used for either."""
    whole = {name: (media / name).read_bytes() for name in ("25.mp4", "25.webm", "25.flv", "25.avi")}
    write_medium(folder / "whole.flac", sound=tone(16_000, 2, 1), rate=16_000, codecs=(None, "flac"))
    write_medium(folder / "whole.mp3", sound=tone(16_000, 2, 1), rate=16_000, codecs=(None, "mp3"))
    flac, mp3 = ((folder / f"whole.{name}").read_bytes() for name in ("flac", "mp3"))
    middle = bytearray(whole["25.mp4"])
    at = bytes(middle).index(b"mdat") + 1500
    middle[at : at + 800] = np.random.default_rng(0).bytes(800)
    planted = {
        "pointer.mp4": (POINTER, "is a Git LFS pointer, not the medium: run `git lfs pull`"),
        "empty.mp4": (b"", "is empty"),
        "short.mp4": (whole["25.mp4"][:-100], f"holds {len(whole['25.mp4']) - 100} of {len(whole['25.mp4'])} bytes"),
        "short.webm": (whole["25.webm"][:-100], f"of {len(whole['25.webm'])} bytes"),
        "short.avi": (whole["25.avi"][:-100], f"of {len(whole['25.avi'])} bytes"),
        "short.flv": (whole["25.flv"][: len(whole["25.flv"]) * 3 // 4], "is damaged or cut short after 2."),
        "short.wav": (wav_bytes(np.ones(9000, np.int16))[:-2000], "holds 16000 of 18000 bytes of sound"),
        "short.flac": (flac[: len(flac) // 2], "of 2.00 s of sound"),
        "short.mp3": (mp3[: len(mp3) // 2], "of 2.00 s of sound"),
        "middle.mp4": (bytes(middle), "damaged"),
        "noise.mkv": (np.random.default_rng(1).bytes(5000), "cannot be opened"),
        "list.m3u8": (b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n", "is a playlist"),
    }
    for name, (data, _) in planted.items():
        (folder / name).write_bytes(data)
    return {name: sentence for name, (_, sentence) in planted.items()}


def test_damaged_files_are_refused_all_at_once_or_dropped_each_with_its_sentence(media, tmp_path):
    planted = damages(media, tmp_path)
    for modality, suffixes in (
        ("video", ("mp4", "webm", "avi", "flv", "mkv", "m3u8")),
        ("audio", ("wav", "flac", "mp3")),
    ):
        names = [name for name in planted if name.split(".")[1] in suffixes]
        rows = [Row(f"t-{name}", "A", **{modality: name}) for name in [*names, "gone.mp4"]]
        with pytest.raises(EmofuseError) as caught:
            cut(modality, rows, tmp_path, tmp_path)
        found = cut(modality, rows, tmp_path, tmp_path, "drop")
        for name in names:
            line = found[f"t-{name}"]
            assert (line["status"], planted[name] in line["note"]) == ("unreadable", True), line
            assert line["note"] in str(caught.value)
        assert found["t-gone.mp4"]["status"] == "missing" and "gone.mp4 is missing" in str(caught.value)


def test_a_row_may_lack_a_modality(media, tmp_path):
    write_medium(tmp_path / "heard.mp3", sound=tone(44_100, 1, 1), rate=44_100, codecs=(None, "mp3"))
    rows = [Row("none", "A"), Row("silent", "A", audio=str(media / "25.mp4")), Row("unseen", "A", video="heard.mp3")]
    heard, seen = cut("audio", rows, tmp_path, tmp_path), cut("video", rows, tmp_path, tmp_path)
    assert {row["status"] for row in (*heard.values(), *seen.values())} == {"missing"}
    assert heard["none"]["note"] == "no sound is named for it"
    assert heard["silent"]["note"].endswith("25.mp4 holds no sound")
    assert seen["unseen"]["note"].endswith("heard.mp3 holds no picture")


# The index


def index(listing, out, on_missing="error"):
    index_listing_media(listing, on_missing, out / "media.parquet", out / "problems.tsv", 2)
    media = {(row["kind"], row["path"]): row for row in store.read_parquet(out / "media.parquet").to_pylist()}
    return media, {row["subject"]: row for row in store.read_tsv(out / "problems.tsv")}


def test_the_index_tells_lengths_shared_files_and_spans_past_their_end(media, tmp_path):
    rows = [
        Row("a", "A", audio="25.mp4", video="25.mp4", start_s=0.5, end_s=1.0),
        Row("b", "A", video="25.mp4", start_s=2.0, end_s=4.0),
        Row("c", "A", video="25.mp4", start_s=5.0, end_s=6.0),
        Row("d", "B", video="29.97.mkv"),
    ]
    found, problems = index(Listing(media, rows), tmp_path)
    assert set(found) == {("sound", "25.mp4"), ("picture", "25.mp4"), ("picture", "29.97.mkv")}
    shared, alone = found["picture", "25.mp4"], found["picture", "29.97.mkv"]
    assert (shared["turn_id"], shared["status"], shared["seconds"]) == (None, "ok", pytest.approx(3))
    assert (alone["turn_id"], alone["seconds"]) == ("d", pytest.approx(3.003, abs=0.01))
    assert found["sound", "25.mp4"]["status"] == "missing"
    assert problems["25.mp4"]["severity"] == "warning" and "holds no sound" in problems["25.mp4"]["problem"]
    assert problems["b"]["problem"].startswith("partly past the end of the picture: it lasts from 2.00 to 4.00 s")
    assert problems["c"]["problem"].startswith("past the end of the picture")
    assert problems["."]["problem"] == "turns without sound: 3 of 4 (b, c, d)" and problems["."]["severity"] == "info"
    turns = [{"turn_id": row.turn_id, "session": 1, "label": "x", "start_s": None, "end_s": None} for row in rows]
    for name, content in (("turns", turns), ("words", [{"turn_id": "a"}])):
        store.write_parquet(tmp_path / f"{name}.parquet", pa.Table.from_pylist(content))
    paths = [tmp_path / f"{name}.parquet" for name in ("turns", "words", "media")]
    told = summary.summarise(*paths, [tmp_path / "problems.tsv"], [], {"x": ["x"]})
    assert told.startswith("2 files (0.00 h of sound, 0.00 h of picture), 4 turns")
    assert "  picture       2 ok\n" in told


def test_the_index_refuses_what_cannot_be_opened(media, tmp_path):
    planted = damages(media, tmp_path)
    told = ["pointer.mp4", "empty.mp4", "short.mp4", "short.webm", "short.avi", "noise.mkv"]
    rows = [Row(name, "A", video=name) for name in [*told, "gone.mp4"]]
    with pytest.raises(EmofuseError) as caught:
        index(Listing(tmp_path, rows), tmp_path)
    found, problems = index(Listing(tmp_path, rows), tmp_path, "drop")
    for name in told:
        assert planted[name] in problems[name]["problem"] and planted[name] in str(caught.value)
        assert found["picture", name]["status"] in ("unreadable", "truncated")
    assert found["picture", "gone.mp4"]["status"] == "missing"
