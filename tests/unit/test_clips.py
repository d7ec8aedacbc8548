"""Clips are cut at the right frames and samples, and damaged sources are refused or dropped as asked."""

import hashlib
import struct
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest

import release_tree
from emofuse.clips import audio as clip_audio
from emofuse.clips import files as clip_files
from emofuse.clips import text as clip_text
from emofuse.clips import video as clip_video
from emofuse.corpora.iemocap import paths
from emofuse.encoders.inputs import AudioInputs, TextInputs
from emofuse.media import reading as media
from emofuse.media.wav import MediaError, WavHeader
from emofuse.runtime import store
from emofuse.runtime.errors import EmofuseError

DIALOG = "Ses01F_impro01"
TURNS = [f"{DIALOG}_{suffix}" for suffix, *_ in release_tree.TURNS]


@pytest.fixture
def root(tmp_path):
    return release_tree.make_release(tmp_path / "release", [DIALOG])


def text(root, out, on_missing="error"):
    manifest = clip_files.manifest_path(out, "text", DIALOG)
    transcript = paths.transcript_path(root, DIALOG)
    clip_text.cut_text(DIALOG, paths.label_path(root, DIALOG), transcript, out / "text" / DIALOG, manifest, on_missing)
    return clip_files.read_manifests([manifest])


def audio(root, out, on_missing="error"):
    manifest = clip_files.manifest_path(out, "audio", DIALOG)
    sentences, whole = paths.sentence_wavs(root, DIALOG), paths.dialog_wav_path(root, DIALOG)
    folder = out / "audio" / DIALOG
    clip_audio.cut_audio(DIALOG, paths.label_path(root, DIALOG), sentences, whole, folder, manifest, on_missing)
    return clip_files.read_manifests([manifest])


def video(root, out, crop="speaker", on_missing="error"):
    manifest = clip_files.manifest_path(out, "video", DIALOG)
    folder, avi = out / "video" / DIALOG, paths.avi_path(root, DIALOG)
    clip_video.cut_video(DIALOG, paths.label_path(root, DIALOG), avi, folder, manifest, crop, on_missing)
    return clip_files.read_manifests([manifest])


def relabel(root, *turns):
    """Give the dialog these turns: suffix, start, end."""
    release_tree.write_labels(paths.label_path(root, DIALOG), DIALOG, [(*turn, "neu", "") for turn in turns])


def cut_short(path, share=0.5):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def expected_frames(start, end, count=119):
    """The numbers of the frames shown in [start, end), by exact arithmetic on decimals."""
    start, end = Fraction(str(start)), Fraction(str(end))
    return [number for number in range(count) if start <= number / release_tree.FPS < end]


# Words


def test_words_become_one_file_a_turn(root, tmp_path):
    transcript = paths.transcript_path(root, DIALOG)
    lines = transcript.read_text().splitlines()
    release_tree.write(transcript, "\ufeff" + "\r\n".join([*lines[1:], "M: Yeah."]))
    rows = text(root, tmp_path)
    assert list(rows) == sorted(TURNS)
    assert rows[TURNS[0]]["status"] == "no_words"
    assert clip_files.clip_path(tmp_path, "text", TURNS[1]).read_bytes() == b"I said no.\n"
    assert (rows[TURNS[1]]["status"], rows[TURNS[1]]["frames"], rows[TURNS[1]]["bytes"]) == ("ok", "3", "11")
    assert not clip_files.clip_path(tmp_path, "text", TURNS[0]).exists()


def test_clips_and_manifest_of_an_earlier_cut_do_not_stay(root, tmp_path):
    text(root, tmp_path)
    relabel(root, ("F000", 0.5, 1.5))
    assert list(text(root, tmp_path)) == [f"{DIALOG}_F000"]
    assert [path.name for path in (tmp_path / "text" / DIALOG).iterdir()] == [f"{DIALOG}_F000.txt"]
    paths.transcript_path(root, DIALOG).unlink()
    with pytest.raises(EmofuseError, match="missing"):
        text(root, tmp_path)
    assert not clip_files.manifest_path(tmp_path, "text", DIALOG).exists()
    assert {row["status"] for row in text(root, tmp_path, "drop").values()} == {"missing"}


def test_bad_ids_never_reach_the_file_system(root, tmp_path):
    labels = paths.label_path(root, DIALOG)
    labels.write_bytes(labels.read_bytes().replace(f"{DIALOG}_F000".encode(), b"../../x"))
    for cut in (text, audio, video):
        with pytest.raises(EmofuseError, match=r"'\.\./\.\./x' is not a turn id"):
            cut(root, tmp_path, on_missing="drop")
    assert not list(tmp_path.glob("**/x.*"))


# Sound


def test_a_turns_own_wav_is_copied_byte_for_byte(root, tmp_path):
    rows = audio(root, tmp_path)
    for turn in TURNS:
        data = clip_files.clip_path(tmp_path, "audio", turn).read_bytes()
        assert data == paths.sentence_wav_path(root, turn).read_bytes()
        assert rows[turn]["checksum"] == hashlib.sha256(data).hexdigest()
        assert int(rows[turn]["frames"]) == (len(data) - 44) // 2


def test_a_turn_without_its_own_wav_is_cut_from_the_dialogs(root, tmp_path):
    own = paths.sentence_wav_path(root, TURNS[2])
    expected = own.read_bytes()
    own.unlink()
    rows = audio(root, tmp_path)
    assert rows[TURNS[2]]["status"] == "ok"
    assert "cut from the dialog's wav" in rows[TURNS[2]]["note"]
    assert clip_files.clip_path(tmp_path, "audio", TURNS[2]).read_bytes() == expected


def test_turns_past_the_end_of_the_dialogs_wav(root, tmp_path):
    relabel(root, ("F007", 3.5, 4.5), ("F008", 3.8, 4.05), ("F009", 4.0, 4.5))
    rows = audio(root, tmp_path)
    assert [(row["status"], row["frames"]) for row in rows.values()] == [
        ("ok", "8000"),
        ("ok", "3200"),
        ("past_end", "0"),
    ]
    notes = [row["note"] for row in rows.values()]
    assert "ends 0.50 s before the turn" in notes[0]
    assert notes[1] == "cut from the dialog's wav"
    assert "ends at 4.00 s" in notes[2]


@pytest.mark.parametrize(("rate", "channels"), [(16000, 2), (48000, 1), (8000, 2)])
def test_other_formats_are_converted(root, tmp_path, rate, channels):
    times = np.arange(rate) / rate
    tone = (8000 * np.sin(2 * np.pi * 440 * times)).astype(np.int16)
    own = paths.sentence_wav_path(root, TURNS[0])
    release_tree.write_wav(own, tone if channels == 1 else np.stack([tone, -tone // 2], 1), rate)
    row = audio(root, tmp_path)[TURNS[0]]
    path = clip_files.clip_path(tmp_path, "audio", TURNS[0])
    header = media.wav_header(path)
    assert header == WavHeader(1, 1, 16000, 16, 2, int(row["frames"]), 44)
    assert abs(header.samples - 16000) < 40
    expected = 8000 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000) / (1 if channels == 1 else 4)
    mono = media.read_mono(path)[1000:15000]
    shift = min(np.abs(mono - expected[1000 + lag : 15000 + lag]).max() for lag in range(-20, 21))
    assert shift < 800
    assert f"{channels} channels, {rate} Hz" in row["note"]


def test_a_wav_that_does_not_state_its_length_is_made_whole(root, tmp_path):
    own = paths.sentence_wav_path(root, TURNS[0])
    data = own.read_bytes()
    own.write_bytes(data[:4] + b"\0\0\0\0" + data[8:40] + b"\0\0\0\0" + data[44:])
    audio(root, tmp_path)
    assert clip_files.clip_path(tmp_path, "audio", TURNS[0]).read_bytes() == data


def chunks(*parts):
    """A wav of these chunks, (name, content) or (name, content, size that it states)."""
    body = b"".join(
        name + struct.pack("<I", size[0] if size else len(data)) + data + b"\0" * (len(data) % 2)
        for name, data, *size in parts
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


SOUND = (9000 * np.sin(np.arange(16_000) / 9)).astype("<i2")
RAW, FORM = SOUND.tobytes(), struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)
GUID = bytes.fromhex("000000001000800000aa00389b71")
EXTENSIBLE = struct.pack("<HHIIHHHHIH", 0xFFFE, 1, 16_000, 32_000, 2, 16, 22, 16, 4, 1) + GUID
GOOD = chunks((b"fmt ", FORM), (b"data", RAW))
HEARD = {  # all of the sound is there
    "RIFF size of an empty file": GOOD[:4] + struct.pack("<I", 36) + GOOD[8:],
    "RIFF size of half the file, odd": GOOD[:4] + struct.pack("<I", 16_037) + GOOD[8:],
    "RIFF size too large": GOOD[:4] + struct.pack("<I", 10**6) + GOOD[8:],
    "RIFF size not stated": GOOD[:4] + b"\xff" * 4 + GOOD[8:],
    "a list before the sound": chunks((b"fmt ", FORM), (b"LIST", b"INFO" + b"x" * 401), (b"data", RAW)),
    "a list after the sound": chunks((b"fmt ", FORM), (b"data", RAW), (b"LIST", b"INFO" + b"x" * 401)),
    "a longer format": chunks((b"fmt ", FORM + b"\0\0"), (b"data", RAW)),
    "extensible": chunks((b"fmt ", EXTENSIBLE), (b"data", RAW)),
    "sound's size not stated": chunks((b"fmt ", FORM), (b"data", RAW, 0xFFFFFFFF)),
    "sound's size 0, to the end of the file": chunks((b"fmt ", FORM), (b"data", RAW, 0)),
    "half a sample more": chunks((b"fmt ", FORM), (b"data", RAW + b"x")),
    "two channels": chunks(
        (b"fmt ", struct.pack("<HHIIHH", 1, 2, 16_000, 64_000, 4, 16)), (b"data", SOUND.repeat(2).tobytes())
    ),
    "float": chunks(
        (b"fmt ", struct.pack("<HHIIHH", 3, 1, 16_000, 64_000, 4, 32)),
        (b"data", (SOUND / 32768).astype("<f4").tobytes()),
    ),
    "24 bits": chunks(
        (b"fmt ", struct.pack("<HHIIHH", 1, 1, 16_000, 48_000, 3, 24)),
        (b"data", (SOUND.astype("<i4") << 8).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()),
    ),
}
REFUSED = {
    "no sound": chunks((b"fmt ", FORM)),
    "sound of no bytes, then a list": chunks((b"fmt ", FORM), (b"data", b""), (b"LIST", b"INFO")),
    "cut short": GOOD[:20_000],
    "no format": chunks((b"data", RAW)),
    "no channel": chunks((b"fmt ", struct.pack("<HHIIHH", 1, 0, 16_000, 0, 0, 16)), (b"data", RAW)),
    "no rate": chunks((b"fmt ", struct.pack("<HHIIHH", 1, 1, 0, 0, 2, 16)), (b"data", RAW)),
    "blocks that do not fit the channels": chunks(
        (b"fmt ", struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 6, 16)), (b"data", RAW)
    ),
    "an unknown format": chunks((b"fmt ", struct.pack("<HHIIHH", 0x9999, 1, 16_000, 32_000, 2, 16)), (b"data", RAW)),
    "empty": b"",
    "no wav": b"\0" * 100,
}


class Waveforms:
    """Stands for a feature extractor of waveforms."""


@pytest.mark.parametrize("kind", HEARD)
def test_what_is_counted_when_cutting_is_what_training_reads(root, tmp_path, kind):
    own = paths.sentence_wav_path(root, TURNS[0])
    own.write_bytes(HEARD[kind])
    row = audio(root, tmp_path)[TURNS[0]]
    clip, samples = clip_files.clip_path(tmp_path, "audio", TURNS[0]), int(row["frames"])
    assert row["status"] == "ok" and samples == 16_000 == round(media.wav_seconds(own) * 16_000)
    [window] = AudioInputs(Waveforms(), 10).windows(clip, samples)
    np.testing.assert_allclose(window, SOUND / np.float32(32768), atol=1.1 / 32768 if kind == "float" else 0)
    assert clip.read_bytes() == GOOD or kind == "float"


@pytest.mark.parametrize("kind", REFUSED)
def test_a_wav_that_cannot_be_read_whole_is_refused_alike_by_check_and_by_cutting(root, tmp_path, kind):
    own = paths.sentence_wav_path(root, TURNS[0])
    own.write_bytes(REFUSED[kind])
    with pytest.raises(MediaError) as caught:
        media.wav_seconds(own)
    with pytest.raises(EmofuseError) as refused:
        audio(root, tmp_path)
    assert f"{own} {caught.value}" in str(refused.value)


def test_a_clip_that_does_not_hold_what_was_counted_ends_the_job(root, tmp_path):
    samples = int(audio(root, tmp_path)[TURNS[0]]["frames"])
    clip, reader = clip_files.clip_path(tmp_path, "audio", TURNS[0]), AudioInputs(Waveforms(), 10)
    whole = clip.read_bytes()
    for data in (whole[:-2], whole + b"\0\0", b"X" + whole[1:], whole[:4] + struct.pack("<I", 36) + whole[8:], b""):
        clip.write_bytes(data)
        with pytest.raises(
            EmofuseError, match=rf"{clip} does not hold the {samples} samples .* delete it and run again"
        ):
            reader.windows(clip, samples)
    text(root, tmp_path)
    clip = clip_files.clip_path(tmp_path, "text", TURNS[1])
    with pytest.raises(EmofuseError, match="does not hold the 4 words"):
        TextInputs(SimpleNamespace(model_max_length=9), 9, "keep").windows(clip, 4)


def test_a_turn_shorter_than_a_sample_or_a_frame_says_so(root, tmp_path):
    relabel(root, ("F007", 1.00001, 1.00002), ("F008", 4.00001, 4.00002))
    rows = audio(root, tmp_path)
    assert [(row["status"], row["note"]) for row in rows.values()] == [
        ("missing", "the turn is shorter than one sample of sound"),
        ("past_end", "the dialog's wav ends at 4.00 s"),
    ]
    assert [row["status"] for row in video(root, tmp_path).values()] == ["missing", "past_end"]


def test_damaged_wavs_are_refused_all_at_once_or_dropped(root, tmp_path):
    for turn in TURNS[:2]:
        cut_short(paths.sentence_wav_path(root, turn))
    paths.sentence_wav_path(root, TURNS[2]).write_bytes(b"")
    with pytest.raises(EmofuseError) as caught:
        audio(root, tmp_path)
    assert all(f"{turn}.wav" in str(caught.value) for turn in TURNS[:3])
    assert {row["status"] for row in audio(root, tmp_path, "drop").values()} == {"ok"}
    paths.dialog_wav_path(root, DIALOG).unlink()
    statuses = [row["status"] for row in audio(root, tmp_path, "drop").values()]
    assert statuses == ["unreadable", "unreadable", "unreadable", "ok", "ok"]


# Picture


@pytest.mark.parametrize("b_frames", [0, 2])
def test_clips_begin_and_end_at_the_frames_of_their_times(tmp_path, b_frames):
    root = release_tree.make_release(tmp_path / "release", [DIALOG], b_frames=b_frames)
    rows = video(root, tmp_path)
    assert list(rows) == sorted(TURNS)
    for turn, (_, start, end, *_) in zip(TURNS, release_tree.TURNS, strict=True):
        path = clip_files.clip_path(tmp_path, "video", turn)
        pictures = release_tree.read_pictures(path)
        assert [number for _, _, number in pictures] == expected_frames(start, end)
        assert {side for _, side, _ in pictures} == {"left" if "_F" in turn else "right"}
        assert [time for time, _, _ in pictures] == pytest.approx([n * 1001 / 30000 for n in range(len(pictures))])
        assert (rows[turn]["status"], int(rows[turn]["frames"])) == ("ok", len(pictures))
        assert int(rows[turn]["bytes"]) == path.stat().st_size
        with av.open(str(path)) as container:
            assert [stream.codec_context.name for stream in container.streams] == ["h264"]


@pytest.mark.parametrize(("crop", "sides"), [("partner", ["right", "left"]), ("full", ["full", "full"])])
def test_other_crops(root, tmp_path, crop, sides):
    video(root, tmp_path, crop)
    for turn, side in zip([TURNS[0], TURNS[2]], sides, strict=True):
        pictures = release_tree.read_pictures(clip_files.clip_path(tmp_path, "video", turn))
        assert {found for _, found, _ in pictures} == {side}
    with pytest.raises(EmofuseError, match="crop"):
        video(root, tmp_path, "both")


def test_the_colours_are_those_of_the_half():
    wide = np.arange(8 * 6, dtype=np.uint8).reshape(6, 8)  # 8x4 in planar YUV 4:2:0: 4 rows of luma, 1 of U, 1 of V
    frame = av.VideoFrame.from_ndarray(wide, format="yuv420p")
    left, right = (clip_video._crop(frame, side) for side in ("left", "right"))
    assert left[:4].tolist() == wide[:4, :4].tolist()
    assert right[:4].tolist() == wide[:4, 4:].tolist()
    assert left[4:].ravel().tolist() == [32, 33, 36, 37, 40, 41, 44, 45]
    assert right[4:].ravel().tolist() == [34, 35, 38, 39, 42, 43, 46, 47]


def test_clips_of_one_frame_on_exact_borders_and_past_the_end(root, tmp_path):
    turns = [
        ("F000", 1.001, 1.002),  # frame 30 is shown at 1.001 s exactly
        ("F001", 1.0, 1.001),  # the last instant before it: no frame begins in this turn
        ("F002", 0.0, 0.0333),
        ("M000", 3.9, 4.2),
        ("M001", 3.97, 4.3),
        ("M002", 3.9, 4.0),
    ]
    relabel(root, *turns)
    rows = video(root, tmp_path)
    statuses = {turn[-4:]: (row["status"], int(row["frames"])) for turn, row in rows.items()}
    assert statuses == {
        "F000": ("ok", 1),
        "F001": ("missing", 0),
        "F002": ("ok", 1),
        "M000": ("ok", 2),
        "M001": ("past_end", 0),
        "M002": ("ok", 2),
    }
    assert "ends 0.23 s before the turn" in rows[f"{DIALOG}_M000"]["note"]
    assert rows[f"{DIALOG}_M002"]["note"] == ""
    for suffix, number in (("F000", 30), ("F002", 0)):
        path = clip_files.clip_path(tmp_path, "video", f"{DIALOG}_{suffix}")
        assert [found for _, _, found in release_tree.read_pictures(path)] == [number]


def test_the_video_is_decoded_once_and_gives_the_same_bytes_again(root, tmp_path, monkeypatch):
    opened, frames = [], media.Video.frames
    monkeypatch.setattr(media.Video, "frames", lambda self: opened.append(1) or frames(self))
    first, second = video(root, tmp_path / "a"), video(root, tmp_path / "b")
    assert len(opened) == 2
    assert first == second


def test_damaged_videos_are_refused_or_dropped(root, tmp_path):
    avi = paths.avi_path(root, DIALOG)
    whole = avi.read_bytes()
    cut_short(avi)
    unreadable = dict.fromkeys(sorted(TURNS), "unreadable")
    with pytest.raises(EmofuseError, match=rf"{DIALOG}\.avi holds \d+ of {len(whole)} bytes"):
        video(root, tmp_path)
    assert not clip_files.manifest_path(tmp_path, "video", DIALOG).exists()
    assert {turn: row["status"] for turn, row in video(root, tmp_path, on_missing="drop").items()} == unreadable
    avi.write_bytes(b"")
    with pytest.raises(EmofuseError, match="is no AVI file"):
        video(root, tmp_path)
    avi.write_bytes(whole[:12] + bytes(len(whole) - 12))
    with pytest.raises(EmofuseError, match=f"{DIALOG}.avi"):
        video(root, tmp_path)
    avi.unlink()
    with pytest.raises(EmofuseError, match="missing"):
        video(root, tmp_path)
    assert {row["status"] for row in video(root, tmp_path, on_missing="drop").values()} == {"missing"}


def test_damage_in_the_middle_of_a_video_leaves_no_clips(root, tmp_path):
    avi = paths.avi_path(root, DIALOG)
    data = bytearray(avi.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = np.random.default_rng(0).bytes(3000)
    avi.write_bytes(data)
    with pytest.raises(EmofuseError, match=f"{DIALOG}.avi"):
        video(root, tmp_path)
    rows = video(root, tmp_path, on_missing="drop")
    assert {row["status"] for row in rows.values()} == {"unreadable"}
    assert not list((tmp_path / "video" / DIALOG).iterdir())


def times(stated, step=1):
    """What `in_order` makes of stated times; the frame that cannot be placed where it refuses them."""
    try:
        return [ticks for ticks, _ in media.in_order(((ticks, None) for ticks in stated), step, 3 * step)]
    except media.Disorder as error:
        return error.args[0]


@pytest.mark.parametrize(
    ("stated", "mended"),
    [
        ([0, 2, 1, 4, 3, 6, 5], [0, 1, 2, 3, 4, 5, 6]),  # packed
        ([0, 1, 1, 3, 4], [0, 1, 2, 3, 4]),  # doubled
        ([0, None, None, 3], [0, 1, 2, 3]),
        ([None, None, 2], [0, 1, 2]),
        ([-2, -1, 0], [-2, -1, 0]),
        ([0, 1, 9, 10, 40], [0, 1, 9, 10, 40]),  # a variable rate
        ([0, 1, 2, 30, 31, 5, 6], 30),
        ([0] * 6, 0),
    ],
)
def test_times_out_of_order_are_mended_within_bounds(stated, mended):
    assert times(stated) == mended


def test_a_time_that_is_given_twice_is_put_in_between():
    assert times([0, 1001, 1001, 3003, None, 5005], step=1001) == [0, 1001, 2002, 3003, 4004, 5005]


def avi_chunks(data):
    """(where the first chunk of an avi's movie list begins, its chunks)."""
    at = start = data.find(b"movi") + 4
    found = []
    while data[at : at + 4] == b"00dc":
        size = struct.unpack("<I", data[at + 4 : at + 8])[0]
        found.append(data[at + 8 : at + 8 + size])
        at += 8 + size + size % 2
    return start, found


def rewritten(data, found):
    """An avi with other chunks, without an index."""
    start, _ = avi_chunks(data)
    movie = b"movi" + b"".join(b"00dc" + struct.pack("<I", len(c)) + c + b"\0" * (len(c) % 2) for c in found)
    body = bytearray(data[: start - 12] + b"LIST" + struct.pack("<I", len(movie)) + movie)
    body[4:8] = struct.pack("<I", len(body) - 8)
    return bytes(body)


def packed(found):
    """The chunks as DivX writes them: a P- and a B-frame in one, and then one that shows nothing new."""
    mark = b"\0\0\1\xb6"
    kinds = ["IPBS"[chunk[chunk.find(mark) + 4] >> 6] for chunk in found]
    bits = "01" + "0" + "1" + "0" * 15 + "1" + "0"
    bits += "0" + "1" * (-(len(bits) + 1) % 8)
    empty, made, n = mark + int(bits, 2).to_bytes(len(bits) // 8, "big"), [], 0
    first = found[0].find(mark)  # where DivX says that it packs
    found = [found[0][:first] + b"\0\0\1\xb2DivX503b1393p\0" + found[0][first:], *found[1:]]
    while n < len(found):
        pair = kinds[n : n + 2] == ["P", "B"]
        made += [found[n] + found[n + 1], empty] if pair else [found[n]]
        n += 1 + pair
    assert len(made) == len(found) and empty in made
    return made


@pytest.mark.parametrize("kind", ["packed", "dropped", "header"])
def test_odd_avis_are_cut_at_the_frames_that_they_show(tmp_path, kind):
    """Packed B-frames; frames that were never written, which later ones must not move up for; a header of too few frames."""
    root = release_tree.make_release(tmp_path / "release", [DIALOG], b_frames=1 if kind == "packed" else 0)
    avi = paths.avi_path(root, DIALOG)
    data, gone = avi.read_bytes(), set()
    _, found = avi_chunks(data)
    if kind == "packed":
        data = rewritten(data, packed(found))
    elif kind == "dropped":
        gone = {40, 41, 42}
        data = rewritten(data, [b"" if n in gone else chunk for n, chunk in enumerate(found)])
    else:
        for name, at in ((b"avih", 24), (b"strh", 40)):
            place = data.find(name) + at
            data = data[:place] + struct.pack("<I", 10) + data[place + 4 :]
    avi.write_bytes(data)
    assert media.avi_seconds(avi) == pytest.approx(119 * 1001 / 30000)
    rows = video(root, tmp_path)
    assert {row["status"] for row in rows.values()} == {"ok"}
    for turn, (_, start, end, *_) in zip(TURNS, release_tree.TURNS, strict=True):
        pictures = release_tree.read_pictures(clip_files.clip_path(tmp_path, "video", turn))
        shown = [number for _, _, number in pictures]
        # A dropped frame breaks the chain of differences, so what is shown after it may be blurred; times are exact.
        expected = [n for n in expected_frames(start, end) if n not in gone]
        assert len(shown) == len(expected) and (kind == "dropped" or shown == expected)
        assert [time for time, _, _ in pictures] == pytest.approx([(n - expected[0]) * 1001 / 30000 for n in expected])


def test_a_broken_last_frame_is_found_by_check_as_by_cutting(root, tmp_path):
    avi = paths.avi_path(root, DIALOG)
    data = bytearray(avi.read_bytes())
    _, found = avi_chunks(bytes(data))
    at = bytes(data).rfind(found[-1])
    data[at : at + len(found[-1])] = np.random.default_rng(1).bytes(len(found[-1]))
    avi.write_bytes(data)
    with pytest.raises(MediaError) as caught:
        media.avi_seconds(avi)
    with pytest.raises(EmofuseError) as refused:
        video(root, tmp_path)
    assert f"{avi} {caught.value}" in str(refused.value)


def test_a_picture_that_changes_its_size_is_refused_with_the_time(root, tmp_path):
    avi = paths.avi_path(root, DIALOG)
    with av.open(str(avi), "w", format="avi") as out:
        stream = out.add_stream("mjpeg", rate=release_tree.FPS)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuvj420p"
        for n in range(90):
            other = av.CodecContext.create("mjpeg", "w")
            other.width, other.height = (128, 96) if n < 60 else (64, 96)
            other.pix_fmt, other.time_base = "yuvj420p", 1 / release_tree.FPS
            frame = av.VideoFrame(other.width, other.height, "yuvj420p")
            frame.pts = 0
            [packet] = [*other.encode(frame), *other.encode(None)]
            packet.stream, packet.pts, packet.dts = stream, n, n
            out.mux(packet)
    with pytest.raises(EmofuseError, match=rf"{avi.name} changes its size from 128x96 to 64x96 at 2\.0 s"):
        video(root, tmp_path)
    with pytest.raises(MediaError, match="changes its size"):
        media.avi_seconds(avi)


def test_what_cannot_be_encoded_names_file_turn_and_time(root, tmp_path, monkeypatch):
    original = clip_video.Encoder._add

    def refuse(self, picture, ticks):
        if ticks == 20:
            raise av.error.ArgumentError(22, "Invalid argument")
        original(self, picture, ticks)

    monkeypatch.setattr(clip_video.Encoder, "_add", refuse)
    said = rf"{DIALOG}\.avi cannot be encoded for {DIALOG}_F000 at 0\.7 s .*Invalid argument"
    with pytest.raises(EmofuseError, match=said):
        video(root, tmp_path)
    rows = video(root, tmp_path, on_missing="drop")
    assert {row["status"] for row in rows.values()} == {"unreadable"} and "cannot be encoded" in rows[TURNS[0]]["note"]


# Manifests


def test_deleted_and_damaged_clips_are_found(root, tmp_path):
    assert clip_files.missing_clips(tmp_path, "audio", DIALOG) == []
    assert clip_files.verify_clips(tmp_path) == {}
    audio(root, tmp_path)
    assert clip_files.missing_clips(tmp_path, "audio", DIALOG) == []
    clip_files.clip_path(tmp_path, "audio", TURNS[0]).unlink()
    clip_files.clip_path(tmp_path, "audio", TURNS[1]).write_bytes(b"other")
    assert clip_files.missing_clips(tmp_path, "audio", DIALOG) == [TURNS[0]]
    assert clip_files.verify_clips(tmp_path) == {
        "audio": {"ok": sorted(TURNS[2:]), "missing": [TURNS[0]], "damaged": [TURNS[1]]}
    }


def test_a_dialog_whose_labels_are_dropped_has_an_empty_manifest(root, tmp_path):
    paths.label_path(root, DIALOG).unlink()
    for cut in (text, audio, video):
        with pytest.raises(EmofuseError, match="missing"):
            cut(root, tmp_path)
        assert cut(root, tmp_path, on_missing="drop") == {}
    assert store.read_tsv(clip_files.manifest_path(tmp_path, "text", DIALOG)) == []
