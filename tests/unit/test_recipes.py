"""Corpora that are not IEMOCAP: made trees with their quirks, and manifests with mistakes."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emofuse.corpora.recipes import crema_d, manifest, meld, ravdess
from emofuse.runtime import kinds
from emofuse.runtime.errors import EmofuseError

ANY = {"assert_counts": False}


def touch(root, *names, size=1000):
    """Files of no content that anything reads."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)


def by_id(listing):
    return {row.turn_id: row for row in listing.rows}


def told(listing):
    """The problems as lines of text."""
    return "\n".join(" | ".join(problem) for problem in listing.problems)


def test_each_recipe_says_what_the_snakefile_asks_of_it():
    found = kinds.constants("corpora/recipes")
    assert found.keys() == {"crema_d", "manifest", "meld", "ravdess"}
    for constants in found.values():
        assert constants["SENTENCE"]


# RAVDESS


def test_ravdess_makes_one_turn_of_the_files_of_a_take(tmp_path):
    touch(
        tmp_path,
        "Video_Speech_Actor_12/Actor_12/01-01-05-02-01-02-12.mp4",
        "Video_Speech_Actor_12/Actor_12/02-01-05-02-01-02-12.mp4",
        "Audio_Speech_Actors_01-24/Actor_12/03-01-05-02-01-02-12.wav",
        "Audio_Speech_Actors_01-24/Actor_01/03-01-01-01-02-01-01.WAV",
        "audio_speech_again/Actor_01/03-01-01-01-02-01-01.wav",
        "Audio_Song_Actors_01-24/Actor_01/03-02-01-01-02-01-01.wav",
        "Audio_Speech_Actors_01-24/Actor_01/03-01-01-02-02-01-01.wav",  # there is no strong neutral
        "Audio_Speech_Actors_01-24/Actor_01/03-01-01-01-02-01-25.wav",
        "Audio_Speech_Actors_01-24/Actor_01/._03-01-01-01-02-01-01.wav",
        "a/b/c/d/03-01-02-01-02-01-01.wav",  # too deep
    )
    listing = ravdess.read(tmp_path, ANY)
    assert list(by_id(listing)) == ["01-01-01-02-01-01", "01-05-02-01-02-12"]
    sound, both = listing.rows
    picture = "Video_Speech_Actor_12/Actor_12/01-01-05-02-01-02-12.mp4"
    assert (both.audio, both.video) == (picture, picture)
    assert (both.label, both.speaker, both.gender, both.scene) == ("angry", "Actor_12", "F", "statement1")
    assert sound.audio == "Audio_Speech_Actors_01-24/Actor_01/03-01-01-01-02-01-01.WAV" and sound.video is None
    assert (sound.label, sound.gender, sound.scene, sound.text) == ("neutral", "M", "statement2", None)
    assert set(listing.files(("audio", "video"))) == {tmp_path / sound.audio, tmp_path / picture}
    problems = told(listing)
    for name in (
        *("second files of a take: audio_speech_again", "songs: Audio_Song", "(02): Video_Speech"),
        *("02-02-01-01.wav", "01-25.wav", "without a picture: 01-01-01-02-01-01"),
    ):
        assert name in problems
    assert "._" not in problems


def test_counts_are_asserted_unless_told_not_to(tmp_path):
    touch(tmp_path, "03-01-02-01-01-01-01.wav")
    with pytest.raises(EmofuseError, match=r"assert_counts: false(.|\n)*calm: 1, but the release has 192\n") as error:
        ravdess.read(tmp_path, {"assert_counts": True})
    assert "turns: 1, but the release has 1440" in str(error.value)
    with pytest.raises(EmofuseError, match="no file up to three levels"):
        crema_d.read(tmp_path, ANY)
    with pytest.raises(EmofuseError, match="not there"):
        ravdess.read(tmp_path / "none", ANY)


def test_the_known_counts_are_those_of_the_releases():
    assert sum(ravdess.COUNTS[label] for label in ravdess.LABELS) == ravdess.COUNTS["turns"] == 1440
    assert sum(crema_d.COUNTS[label] for label in crema_d.LABELS) == crema_d.COUNTS["turns"] == 7442
    assert [sum(meld.COUNTS[part]) for part in ("train", "val", "test")] == [9989, 1109, 2610]


# CREMA-D


@pytest.fixture
def crema(tmp_path):
    turns = ("1001_IEO_ANG_HI", "1001_DFA_NEU_XX", "1002_TSI_SAD_XX", crema_d.SILENT)
    touch(tmp_path, *[f"VideoFlash/{turn}.flv" for turn in turns], *[f"AudioWAV/{turn}.wav" for turn in turns])
    return tmp_path


def test_crema_d_takes_intended_labels_from_names(crema):
    touch(crema, "AudioWAV/1092_IEO_ANG_HI.wav", "AudioWAV/notes.wav", "AudioMP3/1001_IEO_ANG_HI.mp3")
    touch(crema, "old/1001_IEO_ANG_HI.wav")
    (crema / "AudioWAV/1001_DFA_NEU_XX.wav").unlink()
    (crema / "VideoFlash/1002_TSI_SAD_XX.flv").unlink()
    (crema / "VideoDemographics.csv").write_text('"ActorID","Age","Sex"\n1001,51,"Male"\n1002,21,"Female"\n')
    listing = crema_d.read(crema, ANY)
    rows = by_id(listing)
    row = rows["1001_IEO_ANG_HI"]
    assert (row.speaker, row.scene, row.label, row.gender, row.text) == ("1001", "IEO", "ANG", "M", None)
    assert (row.audio, row.video) == ("AudioWAV/1001_IEO_ANG_HI.wav", "VideoFlash/1001_IEO_ANG_HI.flv")
    assert rows["1001_DFA_NEU_XX"].audio == "VideoFlash/1001_DFA_NEU_XX.flv"
    assert rows["1002_TSI_SAD_XX"].video is None and rows["1002_TSI_SAD_XX"].gender == "F"
    assert rows[crema_d.SILENT].audio is None and rows[crema_d.SILENT].video
    problems = told(listing)
    for name in (
        "1092_IEO",
        "notes.wav",
        "old/1001",
        "without a wav: 1001_DFA",
        "without a flv: 1002_TSI",
        "1076_MTI_SAD_XX |",
    ):
        assert name in problems


def test_crema_d_takes_perceived_labels_from_votes_by_voice_and_face(crema):
    with pytest.raises(EmofuseError, match=r"summaryTable\.csv is not below"):
        crema_d.read(crema, {**ANY, "labels": "perceived"})
    touch(crema, "processedResults/x")
    (crema / "processedResults/summaryTable.csv").write_text(
        '"","FileName","VoiceVote","VoiceLevel","FaceVote","FaceLevel","MultiModalVote","MultiModalLevel"\n'
        '"1","1001_IEO_ANG_HI","N","1","A","1","D","1"\n"2","1001_DFA_NEU_XX","N","1","N","1","A:D","1:2"\n'
        '"3","1002_TSI_SAD_XX","N","1","N","1","S","1"\n'
    )
    (crema / "finishedResponses.csv").write_text(
        '"X","localid","queryType","clipName","respEmo"\n"1","12",3,"1001_IEO_ANG_HI","D"\n"2","12",1,"1001_IEO_ANG_HI","N"\n'
        '"3","31",3,"1001_IEO_ANG_HI","A"\n"4","31",3,"ANG_HI_practice","A"\n"5","32",3,"1001_IEO_ANG_HI","?"\n'
    )
    listing = crema_d.read(crema, {**ANY, "labels": "perceived"})
    labels = {row.turn_id: row.label for row in listing.rows}
    assert labels == {"1001_DFA_NEU_XX": "", "1001_IEO_ANG_HI": "DIS", "1002_TSI_SAD_XX": "SAD", crema_d.SILENT: ""}
    assert by_id(listing)["1001_IEO_ANG_HI"].raters == {"12": "DIS", "31": "ANG"}
    assert "most votes by voice and face: 1001_DFA_NEU_XX |" in told(listing)
    assert f"without votes: {crema_d.SILENT} |" in told(listing) and "answers that are none" in told(listing)
    (crema / "finishedResponses.csv").write_text('"X","localid","queryType","clipName","respEmo"\n"1","12",3\n')
    with pytest.raises(EmofuseError, match="line 2: 3 fields, not 5"):
        crema_d.read(crema, ANY)


def test_pointers_of_git_lfs_are_refused(crema):
    touch(crema, "AudioWAV/1001_IEO_ANG_HI.wav", "VideoFlash/1001_IEO_ANG_HI.flv", size=130)
    with pytest.raises(
        EmofuseError, match=r"^2 of the recordings .* AudioWAV/1001_IEO_ANG_HI\.wav\. Run `git lfs pull`"
    ):
        crema_d.read(crema, ANY)


# MELD

HEAD = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"


def line(words, speaker="Ross", emotion="joy", dialog=0, utterance=0, end="00:16:21,31"):
    return f'1,"{words}",{speaker},{emotion},positive,{dialog},{utterance},8,21,"0:16:16,059","{end}"\n'


@pytest.fixture
def meld_tree(tmp_path):
    """Three tables and clips of the release's kind."""
    train = [line("a", dialog=d, utterance=u) for d in (0, 3) for u in (0, 2, 10)]
    root = tmp_path / "MELD.Raw"
    touch(
        root,
        *[f"train/train_splits/dia{d}_utt{u}.mp4" for d in (0, 3) for u in (0, 2, 10)],
        *["dev/dev_splits_complete/dia110_utt6.mp4", "dev/dev_splits_complete/dia66_utt9.mp4"],
        *["output_repeated_splits_test/dia0_utt0.mp4", "output_repeated_splits_test/._dia0_utt0.mp4"],
        "output_repeated_splits_test/final_videos_testdia0_utt0.mp4",
    )
    (root / "train_sent_emo.csv").write_text(HEAD + "".join(train))
    (root / "dev_sent_emo.csv").write_text(
        HEAD + line("b", "Mr. Treeger", "anger", 110, 6) + line("c", "Mr Treeger", "fear", 110, 7, "00:17:10,000")
    )
    (root / "test_sent_emo.csv").write_bytes(
        (HEAD + line("It’s “so”", "Richard’s Date") + line("Don't", dialog=1).replace("'", "\x92")).encode()
        # a byte of Windows-1252 among lines that are UTF-8
        + line("Don't", dialog=2).replace("'", "\x92").encode("latin-1")
    )  # fmt: skip
    return tmp_path


def test_meld_is_found_by_names_and_repaired(meld_tree):
    listing = meld.read(meld_tree, ANY)
    rows = by_id(listing)
    assert [turn for turn in rows if turn.startswith("train")] == [
        f"train_dia{d}_utt{u}" for d in (0, 3) for u in ("00", "02", "10")
    ]
    assert [rows[f"test_dia{d}_utt00"].text for d in range(3)] == ["It’s “so”", "Don’t", "Don’t"]
    test = rows["test_dia0_utt00"]
    clip = "MELD.Raw/output_repeated_splits_test/dia0_utt0.mp4"
    assert (test.audio, test.video, test.start_s, test.part, test.dialog) == (clip, clip, None, "test", "test_dia0")
    assert (test.speaker, test.label, test.group) == ("Richards_Date", "joy", "s08e21")
    assert {rows[f"val_dia110_utt0{u}"].speaker for u in (6, 7)} == {"Mr_Treeger", "Mr_Treeger_2"}
    assert rows["val_dia110_utt07"].audio is None  # not in the release
    assert rows["test_dia1_utt00"].audio == "MELD.Raw/output_repeated_splits_test/dia1_utt0.mp4"  # the index misses it
    problems = told(listing)
    for name in (
        *("macOS left (._*): MELD.Raw/output_repeated_splits_test/._dia0", "final_videos_testdia0_utt0.mp4"),
        *(
            "without a line in dev_sent_emo.csv: MELD.Raw/dev/dev_splits_complete/dia66_utt9.mp4",
            "val_dia110_utt07 | info",
            "over 30 s by their tables: val_dia110_utt07 |",
        ),
    ):
        assert name in problems


def test_meld_without_clips_has_words_alone(meld_tree):
    for path in meld_tree.rglob("*.mp4"):
        path.unlink()
    listing = meld.read(meld_tree, ANY)
    assert not listing.files() and "no clips of its 6 utterances" in told(listing)


def test_meld_refuses_what_it_cannot_understand(meld_tree):
    root = meld_tree / "MELD.Raw"
    with pytest.raises(EmofuseError, match="train joy: 6, but the release has 1743"):
        meld.read(meld_tree, {})
    touch(root, "clips/dia0_utt0.mp4")
    with pytest.raises(EmofuseError, match=r"of which part of MELD(.|\n)*  MELD.Raw/clips$"):
        meld.read(meld_tree, ANY)
    (root / "dev_sent_emo.csv").write_text(HEAD + line("a", "", "glee") + line("a", dialog="x") + "1,2\n" + line("a"))
    with pytest.raises(EmofuseError) as error:
        meld.read(meld_tree, ANY)
    assert [text.split(": ", 1)[0][-6:] + text.split(": ", 1)[1][:9] for text in str(error.value).splitlines()[1:]] == [
        *("line 2'glee' is", "line 2no speake", "line 3no number", "line 4more or f", "line 5a second "),
    ]
    (meld_tree / "copy").mkdir()
    (meld_tree / "copy/test_sent_emo.csv").write_text(HEAD)
    (root / "train_sent_emo.csv").unlink()
    with pytest.raises(
        EmofuseError, match=r"train_sent_emo.csv is not there\n.*test_sent_emo.csv is there several times"
    ):
        meld.read(meld_tree, ANY)


# The manifest

COLUMNS = "turn_id,speaker,label,media,start_s,end_s,channel,crop,text,text_file,dialog,part,gender,rater_a"


def write(path, *lines, columns=COLUMNS):
    """A manifest whose columns are `columns`; a line is its cells by column, or bytes as they stand."""
    names = columns.split(",")
    text = [columns.encode()]
    for cells in lines:
        if isinstance(cells, bytes):
            text.append(cells)
        else:
            values = {"speaker": "ann", "label": "joy", "media": "a.mp4", "part": "train", **cells}
            text.append(",".join(f'"{values[name]}"' if name in values else "" for name in names).encode())
    path.write_bytes(b"\n".join(text) + b"\n")
    return path


def faults(path):
    """The lines of the one error."""
    with pytest.raises(EmofuseError) as error:
        manifest.read(path, {})
    return [text.strip() for text in str(error.value).splitlines()[1:]]


def test_a_manifest_of_all_columns(tmp_path):
    (tmp_path / "words.txt").write_text("so it is")
    path = tmp_path / "turns.csv"
    columns = f"{COLUMNS},audio,video,scene,group"
    cells = {"start_s": "1.5", "end_s": "2", "channel": "left", "crop": "0,0,.5,1", "dialog": "d1", "gender": "F"}
    more = {"text": "no, \n not ’now’", "rater_a": "joy", "scene": "s", "group": "g"}
    other = {"turn_id": "a.1-x", "media": "", "audio": "/elsewhere/a.wav", "video": "sub/../v.mkv"}
    words = {"text_file": "words.txt", "label": "", "group": "g"}
    sound = {"turn_id": "c", "media": "c.WAV", "group": "g", "speaker": " bob "}
    write(path, {"turn_id": "b", **cells, **more}, {**other, **words}, sound, columns=columns)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    listing = manifest.read(path, {})
    assert listing.base == tmp_path
    first, second, third = listing.rows
    assert (first.audio, first.video, first.text_file, first.label) == ("/elsewhere/a.wav", "v.mkv", "words.txt", "")
    assert (second.audio, second.video, second.start_s, second.end_s) == ("a.mp4", "a.mp4", 1.5, 2.0)
    assert (second.channel, second.crop, second.dialog, second.gender) == ("left", (0, 0, 0.5, 1), "d1", "F")
    assert (second.raters, second.scene, second.group, second.part) == ({"a": "joy"}, "s", "g", "train")
    assert second.text.split() == ["no,", "not", "’now’"] and second.text_file is None
    assert (third.audio, third.video, third.speaker) == ("c.WAV", None, "bob")
    assert listing.files(("audio", "video"))[0] == Path("/elsewhere/a.wav")


def test_twenty_mistakes_are_told_at_once_each_with_line_and_column(tmp_path):
    path = write(
        tmp_path / "turns.csv",
        {"turn_id": "fine", "gender": "F", "dialog": "d1"},
        {"turn_id": ""},
        {"turn_id": "fine"},
        {"turn_id": "Fine"},
        {"turn_id": "../up"},
        {"turn_id": "x" * 101},
        {"turn_id": "t7", "speaker": ""},
        {"turn_id": "t8", "start_s": "-1", "end_s": "2"},
        {"turn_id": "t9", "start_s": "3", "end_s": "2"},
        {"turn_id": "t10", "start_s": "3"},
        {"turn_id": "t11", "start_s": "1,5", "end_s": "nan"},
        {"turn_id": "t12", "channel": "middle"},
        {"turn_id": "t13", "crop": "0.6,0,0.5,1"},
        {"turn_id": "t14", "crop": "0 0 1 1"},
        {"turn_id": "t15", "part": "dev"},
        {"turn_id": "t16", "text": "yes", "text_file": "turns.csv"},
        {"turn_id": "t17", "text_file": "gone.txt"},
        {"turn_id": "t18", "media": ""},
        {"turn_id": "t19", "media": "../other/a.mp4"},
        b"t20,ann,joy",
        b"t21,ann,joy,caf\xe9.mp4,,,,,,,,train,,",
        {"turn_id": "t22", "part": ""},
        {"turn_id": "t23", "gender": "M"},
        {"turn_id": "t24", "dialog": "D1"},
        {"turn_id": "t25", "dialog": "a/b"},
        b't26,ann,joy,"a"b.mp4,,,,,,,,train,,',
        {"turn_id": "t27", "media": "https://x.org/a.mp4"},
        columns=COLUMNS.replace("rater_a", "raters_a"),
    )
    assert [text.split(": ")[0] for text in faults(path)] == [
        *("line 1, raters_a", "line 3, turn_id", "line 4, turn_id", "line 5, turn_id", "line 6, turn_id"),
        *("line 7, turn_id", "line 8, speaker", "line 9, start_s", "line 10, end_s", "line 11, end_s"),
        *("line 12, start_s", "line 12, end_s", "line 13, channel", "line 14, crop", "line 15, crop", "line 16, part"),
        *("line 17, text_file", "line 18, text_file", "line 19, media", "line 20, media", "line 21", "line 22, media"),
        *("line 23, part", "line 24, gender", "line 25, dialog", "line 26, dialog", "line 27", "line 28, media"),
    ]
    assert "line 1, raters_a: unknown column; is rater_ meant?" in faults(path)
    assert "line 5, turn_id: 'Fine' differs from 'fine' of line 2 only by capitals" in faults(path)


@pytest.mark.parametrize("name", ["a/b", "..", "a\\b", "-a", ".a", "a.", "a b", "é", "a\tb", "a\x00", "a:b", "a*"])
def test_names_that_cannot_be_names_of_files_are_refused(tmp_path, name):
    for column in ("turn_id", "speaker", "dialog"):
        found = faults(write(tmp_path / "m.csv", {"turn_id": "t", column: name}))
        assert [text.split(": ")[0] for text in found] == [f"line 2, {column}"]


def test_headers_and_files_that_are_no_manifest(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("turn_id,speaker,Speaker,speaker,,media\n")
    assert faults(path) == [
        "line 1, label: this column is missing",
        "line 1, Speaker: unknown column; is speaker meant?",
        "line 1, speaker: this column is there twice",
        "line 1: column 5 has no name",
    ]
    path.write_text("turn_id,speaker,label,text\n")
    assert faults(path) == ["it holds no turn"]
    for text, told in ((b"turn_id;speaker\n", "semicolons"), (b"\xff\xfet\0", "UTF-16"), (b"", "empty")):
        path.write_bytes(text)
        with pytest.raises(EmofuseError, match=told):
            manifest.read(path, {})
    for root, told in ((tmp_path, "a folder"), (tmp_path / "x.csv", "not there")):
        with pytest.raises(EmofuseError, match=told):
            manifest.read(root, {})
    path.rename(tmp_path / "m.xlsx")
    with pytest.raises(EmofuseError, match="ends in none"):
        manifest.read(tmp_path / "m.xlsx", {})


def test_a_quote_without_end_takes_no_line_in_silence(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text('turn_id,speaker,label,text\nt1,ann,joy,"so\nt2,ann,joy,no\n')
    assert len(found := faults(path)) == 1 and found[0].startswith(
        "line 2: quotes that do not fit, or a cell without end"
    )


def test_more_than_two_hundred_mistakes_are_counted(tmp_path):
    path = write(tmp_path / "m.csv", *[{"turn_id": f"t{n}", "channel": "up"} for n in range(250)])
    assert len(found := faults(path)) == 201 and found[-1] == "... and 50 more"


def test_a_manifest_in_parquet_and_tsv_is_that_in_csv(tmp_path):
    turns = {
        "turn_id": ["a", "b"],
        "speaker": ["ann", "bob"],
        "label": ["joy", None],
        "media": ["x.mp4", "x.mp4"],
        "start_s": [0.0, 1.25],
        "end_s": [1.25, 2.0],
        "channel": [0, 1],
    }
    pq.write_table(pa.table(turns), tmp_path / "m.parquet")
    csv_text = "\n".join(
        ",".join("" if v is None else str(v) for v in line) for line in zip(*turns.values(), strict=True)
    )
    (tmp_path / "m.csv").write_text(",".join(turns) + "\n" + csv_text)
    (tmp_path / "m.tsv").write_text((tmp_path / "m.csv").read_text().replace(",", "\t"))
    first = manifest.read(tmp_path / "m.csv", {})
    assert first == manifest.read(tmp_path / "m.parquet", {}) == manifest.read(tmp_path / "m.tsv", {})
    assert first.rows[1].start_s == 1.25 and first.rows[1].channel == "1"
    bad = pa.table({**turns, "label": [1, 2], "end_s": [[1.0], [2.0]], "start_s": [0.0, float("nan")]})
    pq.write_table(bad, tmp_path / "m.parquet")
    assert [text.split(": ")[0] for text in faults(tmp_path / "m.parquet")] == ["label", "end_s", "row 2, start_s"]
    (tmp_path / "m.parquet").write_bytes(b"PAR1")
    with pytest.raises(EmofuseError, match="not Parquet"):
        manifest.read(tmp_path / "m.parquet", {})


def test_what_is_odd_in_a_manifest_is_a_problem(tmp_path):
    path = write(
        tmp_path / "m.csv",
        {"turn_id": "b", "dialog": "d", "media": "b.mp4"},
        {"turn_id": "a", "dialog": "d", "media": "a.mp4", "label": "Joy"},
        {"turn_id": "c", "media": "a.mp4"},
        {"turn_id": "e", "media": "a.mp4", "start_s": "0", "end_s": "1"},
    )
    listing = manifest.read(path, {})
    assert Counter(problem[1] for problem in listing.problems) == {"warning": 3}
    for name in ("only by capitals: Joy, joy", "one span of one file: a = c |", "order of their ids: d |"):
        assert name in told(listing)
