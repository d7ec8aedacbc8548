"""The contact sheet: swapped halves are found, right ones not listed, and of a still or silent dialog nothing is said."""

import base64
import io
import re

import av
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import release_tree
from emofuse.clips import contact, stills
from emofuse.clips.files import COLUMNS, clip_path, manifest_path, save_clip
from emofuse.corpora import sheet
from emofuse.corpora.listing import Listing, Row
from emofuse.media.reading import Video
from emofuse.media.synchrony import Motion, agreement, loudness
from emofuse.media.wav import RATE, wav_bytes
from emofuse.report.contact import judge, make_contact_sheet
from emofuse.report.run import Run
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_parquet, read_tsv, write_parquet, write_tsv

DIALOG = "Ses01F_impro01"  # the woman is on the left
TURNS = [(f"{DIALOG}_{who}{n:03}", n + (0.2 if who == "F" else 5.2), 0.8) for who in "FM" for n in range(5)]
SIZE = 72, 48
LEFT, RIGHT = contact.HALVES["left"], contact.HALVES["right"]


def steps(seed, frames=24):
    """Loudness of each frame, 0 to 1, as speech has it: up and down, with pauses."""
    rng = np.random.default_rng(seed)
    return np.repeat(rng.random(frames // 2) ** 2, 2)


def sound_of(level):
    """int16 samples that are as loud as `level` (frames,) says."""
    noise = np.random.default_rng(0).normal(0, 1, int(len(level) / release_tree.FPS * RATE) + 1)
    frame = np.minimum((np.arange(len(noise)) / RATE * release_tree.FPS).astype(float).astype(int), len(level) - 1)
    return np.clip(6000 * level[frame] * noise, -32000, 32000).astype(np.int16)


def film(path, opening):
    """Write an avi in whose left and right half (opening: float (frames, 2)) a dark mouth opens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="avi") as out:
        stream = out.add_stream("mpeg4", rate=release_tree.FPS, options={"qmin": "1", "qmax": "3"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number, both in enumerate(opening):
            picture = np.full((SIZE[1] * 3 // 2, SIZE[0]), 128, np.uint8)
            picture[: SIZE[1]] = 180
            for side, height in enumerate(both):
                picture[28 : 28 + round(12 * height), 12 + 36 * side : 24 + 36 * side] = 20
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def dialog(folder, swapped=False, still=False, silent=False):
    """The table of a made-up dialog's turns, in which one half moves with each turn's sound and the other by chance."""
    opening, rows, turns = np.random.default_rng(9).random((320, 2)) ** 2, [], []
    for number, (turn, start, lasts) in enumerate(TURNS):
        level, side = steps(number), int(turn[-4] == "M") ^ swapped
        first = int(np.ceil(start * release_tree.FPS))
        opening[first : first + len(level), side] = level
        sound = sound_of(np.ones_like(level) if silent else level)
        path = clip_path(folder, "audio", turn)
        path.parent.mkdir(parents=True, exist_ok=True)
        sound = sound * 0 if silent else sound
        saved = save_clip(path, wav_bytes(sound))
        rows.append({"turn": turn, "status": "ok", "frames": len(sound), "note": ""} | saved)
        turns.append((turn[-4:], start, start + lasts, "neu", ""))
    manifest = manifest_path(folder, "audio", DIALOG)
    write_tsv(manifest, rows, COLUMNS)
    release_tree.write_labels(folder / "labels.txt", DIALOG, turns)
    avi = film(folder / "dialog.avi", opening * (not still))
    contact.watch_dialog(DIALOG, folder / "labels.txt", avi, folder, manifest, folder / "watched.parquet", "error")
    return folder / "watched.parquet"


def test_change_of_loudness_agrees_with_motion_and_nothing_is_said_of_few_frames_or_of_silence():
    loud = np.repeat(np.random.default_rng(1).random(20), 3)
    motion = np.abs(np.diff(loud, prepend=loud[0]))
    assert agreement(5 * motion + 2, loud) > 0.99
    assert abs(agreement(np.random.default_rng(2).random(60), loud)) < 0.5
    assert agreement(np.full(60, 2.0), loud) == 0
    assert np.isnan(agreement(motion, np.zeros(60)))
    assert np.isnan(agreement(motion[:14], loud[:14])) and not np.isnan(agreement(motion[:15], loud[:15]))


def test_loudness_is_the_root_mean_square_to_the_power_of_stevens():
    samples = np.array([3, -3, 3, 400, 0, 0, 0], np.int16)
    np.testing.assert_allclose(loudness(samples, np.array([0, 3, 4, 4, 7])), [3**0.6, 400**0.6, 0, 0])
    assert not len(loudness(samples, np.array([], int)))


def test_motion_is_seen_where_a_mouth_is_in_its_own_part_alone():
    motion, picture = Motion([LEFT, RIGHT]), np.zeros((480, 720), np.uint8)
    shown = lambda: av.VideoFrame.from_ndarray(picture, format="gray")  # noqa: E731
    assert motion.add(shown()) == [0, 0]
    picture[300:340, 160:200] = 255  # a mouth, left
    left, right = motion.add(shown())
    assert left > 5 and right == 0
    picture[:200] = picture[440:] = 90  # above and below
    assert motion.add(shown()) == [0, 0]


def test_swapped_halves_are_listed_and_right_ones_are_not(tmp_path):
    right = read_parquet(dialog(tmp_path / "right")).to_pandas()
    swapped = read_parquet(dialog(tmp_path / "swapped", swapped=True)).to_pandas()
    assert (right["own"] > right["other"]).mean() > 0.8
    assert (swapped["own"] < swapped["other"]).mean() > 0.8
    turns = {name: frame.assign(dialog=name) for name, frame in {"a": right, "b": swapped}.items()}
    tables = []
    for name, frame in turns.items():
        tables.append(tmp_path / f"{name}.parquet")
        write_parquet(tables[-1], pa.Table.from_pandas(frame, stills.WATCHED_SCHEMA, preserve_index=False))
    page, numbers, problems = (tmp_path / f"sheet.{kind}" for kind in ("html", "parquet", "tsv"))
    make_contact_sheet(Run("made", "", "not <real>", {"leaks": {}}), tables, page, numbers, problems)
    assert [row["subject"] for row in read_tsv(problems)] == ["b"]
    assert [row["severity"] for row in read_tsv(problems)] == ["warning"]
    rows = read_parquet(numbers).to_pandas()
    assert rows[["dialog", "speaker"]].to_numpy().tolist() == [[d, f"Ses01_{s}"] for d in "ba" for s in "FM"]
    assert rows["verdict"].tolist() == ["other part"] * 2 + ["crop"] * 2
    assert (rows["t"] < 0).tolist() == [True, True, False, False]
    html = page.read_text()
    assert "not &lt;real&gt;" in html and html.index('id="b"') < html.index('id="a"')
    assert html.count("data:image/jpeg") == 8 and "http" not in html.replace("http-equiv", "")
    assert len(re.findall(r"_[FM]\d{3}</code> (?:left|right) half", html)) == 8


@pytest.mark.parametrize("fault, verdict", [({"still": True}, "cannot tell"), ({"silent": True}, "no number")])
def test_nothing_is_said_of_a_still_or_a_silent_dialog(tmp_path, fault, verdict):
    turns = read_parquet(dialog(tmp_path, **fault)).to_pandas()
    judged = judge(turns)
    assert judged["verdict"].tolist() == [verdict]
    assert turns["still"].notna().sum() == 4


def test_a_still_is_taken_where_the_turn_is_loudest_with_the_whole_picture(tmp_path):
    avi = film(tmp_path / "a.avi", np.repeat([[0, 0], [1, 0], [0, 0]], [10, 5, 15], axis=0))
    sound = np.zeros(RATE, np.int16)
    sound[RATE // 10 * 4 : RATE // 10 * 5] = 9000
    turns = [
        contact.Spoken("a", 0.0, 1.0, LEFT, None, sound, True),
        contact.Spoken("b", 0.5, 9.0, LEFT, None, sound, False),
    ]
    with Video(avi) as video:
        found = contact.watch(video, turns)
    picture = np.asarray(Image.open(io.BytesIO(found["a"]["still"])).convert("L"))
    assert picture.shape == (160, 240)
    assert picture[110:125, 45:75].mean() < 60 < picture[110:125, 165:195].mean()
    assert found["a"]["own"] is None and found["b"]["still"] is None


def test_a_missing_avi_is_refused_or_said_on_the_page(tmp_path):
    dialog(tmp_path)
    where = DIALOG, tmp_path / "labels.txt", None, tmp_path, manifest_path(tmp_path, "audio", DIALOG)
    with pytest.raises(EmofuseError, match="the video of Ses01F_impro01 is missing"):
        contact.watch_dialog(*where, tmp_path / "w.parquet", "error")
    contact.watch_dialog(*where, tmp_path / "w.parquet", "drop")
    made = [tmp_path / f"sheet.{kind}" for kind in ("html", "parquet", "tsv")]
    make_contact_sheet(Run("made", "", "", {"leaks": {}}), [tmp_path / "w.parquet"], *made)
    html = made[0].read_text()
    assert "There is no number for this corpus" in html and html.count("the video of Ses01F_impro01 is missing") == 4
    assert read_tsv(made[2]) == []


def test_stills_of_the_whole_release_leave_the_page_under_10_mb():
    noise = np.random.default_rng(0).integers(0, 256, (480, 720, 3), dtype=np.uint8)
    still = stills.jpeg(av.VideoFrame.from_ndarray(noise, format="rgb24"))
    assert 604 * len(base64.b64encode(still)) < 9_500_000


def test_a_listing_gets_stills_with_their_crops_and_no_number(tmp_path):
    film(tmp_path / "long.avi", np.repeat([[0, 0], [1, 0], [0, 1]], 20, axis=0))
    crop = (0.0, 0.25, 0.5, 0.5)
    rows = [
        *(Row(f"t{n}", "ann", video="long.avi", start_s=n * 0.4, end_s=n * 0.4 + 0.6, crop=crop) for n in range(4)),
        Row("t9", "bob", video="long.avi"),
        Row("u", "bob", text="no picture"),
        Row("x", "cy", video="gone.mp4"),
    ]
    listing, tables = Listing(tmp_path, rows), []
    for unit in listing.units:
        tables.append(tmp_path / f"{unit}.parquet")
        if any(row.turn_id == "x" for row in listing.by_unit[unit]):
            with pytest.raises(EmofuseError, match=r"gone\.mp4 is missing"):
                stills.watch_rows(listing, unit, tables[-1], "error")
        stills.watch_rows(listing, unit, tables[-1], "drop")
    found = {row["turn_id"]: row for path in tables for row in read_parquet(path).to_pylist()}
    assert sorted(found) == ["t0", "t1", "t2", "t3", "t9", "x"]
    assert [name for name, row in sorted(found.items()) if row["shown"]] == ["t0", "t3", "t9", "x"]
    mouths = {}
    for name in ("t0", "t3", "t9"):
        picture = np.asarray(Image.open(io.BytesIO(found[name]["still"])).convert("L"))
        mouths[name] = [picture[110:125, x : x + 30].mean() < 60 for x in (45, 165)]
    assert mouths == {"t0": [False, False], "t3": [False, True], "t9": [True, False]}
    made = [tmp_path / f"sheet.{kind}" for kind in ("html", "parquet", "tsv")]
    make_contact_sheet(Run("made", "", "", {"leaks": {}}), tables, *made)
    html = made[0].read_text()
    assert html.count("data:image") == 3 and "gone.mp4 is missing" in html and "There is no number" in html
    assert html.count("x 0.00, y 0.25, 0.50 wide, 0.50 high") == 2 and html.count("all of it") == 2
    assert 'style="left: 0.0%; top: 25.0%; width: 50.0%; height: 50.0%"' in html


def test_a_corpus_without_pictures_has_no_contact_sheet(tmp_path):
    listing = Listing(tmp_path, [Row("a", "ann", text="hello")])
    stills.watch_rows(listing, listing.units[0], tmp_path / "w.parquet", "error")
    with pytest.raises(EmofuseError, match="no turn with a picture"):
        make_contact_sheet(Run("made", "", "", {"leaks": {}}), [tmp_path / "w.parquet"], *[tmp_path / "x"] * 3)


def test_where_dialogs_are_many_a_card_is_a_speaker_and_where_speakers_are_some_are_left_out():
    few = [Row(f"{d}-{n}", "ab"[n % 2], video="v", dialog=f"d{d}") for d in range(160) for n in range(6)]
    cards, shown = sheet.chosen(few)
    assert cards["7-3"] == "d7" and len(shown) == 640
    assert {turn for turn in shown if turn.startswith("7-")} == {"7-0", "7-1", "7-4", "7-5"}
    cards, shown = sheet.chosen([*few, Row("e", "c", video="v", dialog="e")])
    assert cards["7-3"] == "b" and len(shown) == 5
    many = [Row(f"{s}-{n}", f"s{s}", video="v", dialog=f"d{s}") for s in range(700) for n in range(3)]
    cards, shown = sheet.chosen(many)
    assert 400 < len(shown) <= 640 and {row.turn_id for row in many if f"s{row.turn_id[:-2]}" in cards.values()} == set(
        cards
    )
