"""Clips are cut at the right frames and samples, and damaged sources are refused or dropped as asked."""

import hashlib
from fractions import Fraction

import av
import numpy as np
import pytest

import release_tree
from emofuse import clip_audio, clip_files, clip_text, clip_video, media, release, store
from emofuse.errors import EmofuseError

DIALOG = "Ses01F_impro01"
TURNS = [f"{DIALOG}_{suffix}" for suffix, *_ in release_tree.TURNS]


@pytest.fixture
def root(tmp_path):
    return release_tree.make_release(tmp_path / "release", [DIALOG])


def text(root, out, on_missing="error"):
    manifest = clip_files.manifest_path(out, "text", DIALOG)
    transcript = release.transcript_path(root, DIALOG)
    clip_text.cut_text(
        DIALOG, release.label_path(root, DIALOG), transcript, out / "text" / DIALOG, manifest, on_missing
    )
    return clip_files.read_manifests([manifest])


def audio(root, out, on_missing="error"):
    manifest = clip_files.manifest_path(out, "audio", DIALOG)
    sentences, whole = release.sentence_wavs(root, DIALOG), release.dialog_wav_path(root, DIALOG)
    folder = out / "audio" / DIALOG
    clip_audio.cut_audio(DIALOG, release.label_path(root, DIALOG), sentences, whole, folder, manifest, on_missing)
    return clip_files.read_manifests([manifest])


def video(root, out, crop="speaker", on_missing="error"):
    manifest = clip_files.manifest_path(out, "video", DIALOG)
    folder, avi = out / "video" / DIALOG, release.avi_path(root, DIALOG)
    clip_video.cut_video(DIALOG, release.label_path(root, DIALOG), avi, folder, manifest, crop, on_missing)
    return clip_files.read_manifests([manifest])


def relabel(root, *turns):
    """Give the dialog these turns: suffix, start, end."""
    release_tree.write_labels(release.label_path(root, DIALOG), DIALOG, [(*turn, "neu", "") for turn in turns])


def cut_short(path, share=0.5):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def expected_frames(start, end, count=119):
    """The numbers of the frames shown in [start, end), by exact arithmetic on decimals."""
    start, end = Fraction(str(start)), Fraction(str(end))
    return [number for number in range(count) if start <= number / release_tree.FPS < end]


# Words


def test_words_become_one_file_a_turn(root, tmp_path):
    transcript = release.transcript_path(root, DIALOG)
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
    release.transcript_path(root, DIALOG).unlink()
    with pytest.raises(EmofuseError, match="missing"):
        text(root, tmp_path)
    assert not clip_files.manifest_path(tmp_path, "text", DIALOG).exists()
    assert {row["status"] for row in text(root, tmp_path, "drop").values()} == {"missing"}


def test_bad_ids_never_reach_the_file_system(root, tmp_path):
    labels = release.label_path(root, DIALOG)
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
        assert data == release.sentence_wav_path(root, turn).read_bytes()
        assert rows[turn]["checksum"] == hashlib.sha256(data).hexdigest()
        assert int(rows[turn]["frames"]) == (len(data) - 44) // 2


def test_a_turn_without_its_own_wav_is_cut_from_the_dialogs(root, tmp_path):
    own = release.sentence_wav_path(root, TURNS[2])
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
    own = release.sentence_wav_path(root, TURNS[0])
    release_tree.write_wav(own, tone if channels == 1 else np.stack([tone, -tone // 2], 1), rate)
    row = audio(root, tmp_path)[TURNS[0]]
    path = clip_files.clip_path(tmp_path, "audio", TURNS[0])
    header = media.wav_header(path)
    assert header == media.WavHeader(1, 1, 16000, 16, int(row["frames"]), True)
    assert abs(header.samples - 16000) < 40
    expected = 8000 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000) / (1 if channels == 1 else 4)
    mono = media.read_mono(path)[1000:15000]
    shift = min(np.abs(mono - expected[1000 + lag : 15000 + lag]).max() for lag in range(-20, 21))
    assert shift < 800
    assert f"{channels} channels, {rate} Hz" in row["note"]


def test_a_wav_that_does_not_state_its_length_is_made_whole(root, tmp_path):
    own = release.sentence_wav_path(root, TURNS[0])
    data = own.read_bytes()
    own.write_bytes(data[:4] + b"\0\0\0\0" + data[8:40] + b"\0\0\0\0" + data[44:])
    audio(root, tmp_path)
    assert clip_files.clip_path(tmp_path, "audio", TURNS[0]).read_bytes() == data


def test_damaged_wavs_are_refused_all_at_once_or_dropped(root, tmp_path):
    for turn in TURNS[:2]:
        cut_short(release.sentence_wav_path(root, turn))
    release.sentence_wav_path(root, TURNS[2]).write_bytes(b"")
    with pytest.raises(EmofuseError) as caught:
        audio(root, tmp_path)
    assert all(f"{turn}.wav" in str(caught.value) for turn in TURNS[:3])
    assert {row["status"] for row in audio(root, tmp_path, "drop").values()} == {"ok"}
    release.dialog_wav_path(root, DIALOG).unlink()
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
    avi = release.avi_path(root, DIALOG)
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
    avi = release.avi_path(root, DIALOG)
    data = bytearray(avi.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = np.random.default_rng(0).bytes(3000)
    avi.write_bytes(data)
    with pytest.raises(EmofuseError, match=f"{DIALOG}.avi"):
        video(root, tmp_path)
    rows = video(root, tmp_path, on_missing="drop")
    assert {row["status"] for row in rows.values()} == {"unreadable"}
    assert not list((tmp_path / "video" / DIALOG).iterdir())


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
    release.label_path(root, DIALOG).unlink()
    for cut in (text, audio, video):
        with pytest.raises(EmofuseError, match="missing"):
            cut(root, tmp_path)
        assert cut(root, tmp_path, on_missing="drop") == {}
    assert store.read_tsv(clip_files.manifest_path(tmp_path, "text", DIALOG)) == []
