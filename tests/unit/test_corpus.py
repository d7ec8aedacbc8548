"""The index of a release: what is in it, what is wrong with it, and what is refused."""

from pathlib import Path

import pytest

import release_tree
from emofuse.clips import files as clip_files
from emofuse.clips import summary
from emofuse.clips import text as clip_text
from emofuse.clips import video as clip_video
from emofuse.corpora import labels as label_index
from emofuse.corpora import problems, recordings, words
from emofuse.corpora.iemocap import paths
from emofuse.corpora.iemocap.dialogs import read_dialog_list
from emofuse.corpora.iemocap.names import session_of
from emofuse.corpora.turns import TURNS_SCHEMA
from emofuse.runtime import store
from emofuse.runtime.errors import EmofuseError

DIALOG, OTHER = "Ses01F_impro01", "Ses02M_script01_1b"
TURNS = [f"{DIALOG}_{suffix}" for suffix, *_ in release_tree.TURNS]
CLASSES = {"ang": ["ang"], "hap": ["hap", "exc"], "neu": ["neu"], "sad": ["sad"]}


@pytest.fixture
def root(tmp_path):
    return release_tree.make_release(tmp_path / "release", [DIALOG, OTHER])


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def index_turns(root, out, on_missing="error", **options):
    label_index.index_turns(root, [DIALOG, OTHER], on_missing, out / "turns.parquet", out / "turns.tsv", **options)
    return store.read_parquet(out / "turns.parquet").to_pylist(), store.read_tsv(out / "turns.tsv")


def index_words(root, out, on_missing="error"):
    outputs = out / "turns.parquet", on_missing, out / "words.parquet", out / "words.tsv"
    words.index_words(root, [DIALOG, OTHER], *outputs)
    rows = store.read_parquet(out / "words.parquet").to_pylist()
    return {row["turn_id"]: row["text"] for row in rows}, store.read_tsv(out / "words.tsv")


def index_media(root, out, on_missing="error", threads=1):
    outputs = out / "turns.parquet", on_missing, out / "media.parquet", out / "media.tsv"
    recordings.index_media(root, [DIALOG, OTHER], *outputs, threads)
    return store.read_parquet(out / "media.parquet").to_pylist(), store.read_tsv(out / "media.tsv")


def kinds(problems):
    return {(row["subject"], row["severity"], row["problem"].split(":")[0]): row["action"] for row in problems}


# Turns


def test_turns_are_indexed_by_their_own_speaker(root, out):
    turns, problems = index_turns(root, out)
    assert problems == []
    assert [turn["turn_id"] for turn in turns] == sorted(
        f"{dialog}_{suffix}" for dialog in (DIALOG, OTHER) for suffix, *_ in release_tree.TURNS
    )
    assert turns[7] == {
        "turn_id": "Ses02M_script01_1b_M000",
        "session": 2,
        "dialog": OTHER,
        "scenario": "script01_1",
        "style": "scripted",
        "speaker": "Ses02_M",
        "gender": "M",
        "start_s": 1.2002,
        "end_s": 2.2,
        "label": "exc",
        "valence": 2.5,
        "arousal": 3.0,
        "dominance": 2.0,
    }
    assert store.read_parquet(out / "turns.parquet").schema.equals(TURNS_SCHEMA)


def test_quirks_of_label_files_are_read_and_listed(root, out):
    path = paths.label_path(root, DIALOG)
    text = path.read_bytes().replace(b"[2.5000, 3.0000, 2.0000]", b"[2.5000, 5.5000, ]", 1)
    path.write_bytes(b"\xef\xbb\xbf" + text.replace(b"any character", b"na\xefve").replace(b"\n", b"\r\n"))
    release_tree.write(path.with_name("Ses01F_impro1.txt"), "")
    release_tree.write(path.with_name(f"._{DIALOG}.txt"), b"\0")
    turns, problems = index_turns(root, out)
    assert len(turns) == 10
    assert (turns[0]["arousal"], turns[0]["dominance"]) == (5.5, None)
    assert kinds(problems).keys() == {
        ("Session1/dialog/EmoEvaluation/Ses01F_impro1.txt", "warning", "stray file"),
        (f"Session1/dialog/EmoEvaluation/{DIALOG}.txt", "info", "encoding"),
        (TURNS[0], "info", "rating outside 1 to 5"),
        (TURNS[0], "info", "rating not given"),
    }


def test_errors_in_all_label_files_are_listed_at_once_even_where_files_may_be_dropped(root, out):
    for dialog in (DIALOG, OTHER):
        path = paths.label_path(root, dialog)
        path.write_bytes(path.read_bytes().replace(f"{dialog}_F000".encode(), b"../../x"))
    path.write_bytes(path.read_bytes().replace(b"1.9000 - 2.6000", b"2.6000 - 1.9000"))
    with pytest.raises(EmofuseError) as caught:
        index_turns(root, out, "drop")
    message = str(caught.value)
    assert f"{paths.label_path(root, DIALOG)}:3: '../../x'" in message
    assert f"{path}:3: '../../x'" in message
    assert f"{path}:7: turn {OTHER}_F001 lasts from 2.6000 to 1.9000" in message
    assert not (out / "turns.parquet").exists()


def test_missing_and_empty_label_files_are_refused_together_or_dropped(root, out):
    paths.label_path(root, DIALOG).unlink()
    paths.label_path(root, OTHER).write_bytes(bytes(1000))
    with pytest.raises(EmofuseError) as caught:
        index_turns(root, out)
    assert f"{paths.label_path(root, DIALOG)}: missing file" in str(caught.value)
    assert f"{paths.label_path(root, OTHER)}: unreadable file" in str(caught.value)
    turns, problems = index_turns(root, out, "drop")
    assert turns == []
    assert [row["severity"] for row in problems] == ["error", "error"]


def test_the_counts_of_the_whole_release_are_asserted(root, out, tmp_path):
    lists = {"counts_path": tmp_path / "counts.tsv", "dialog_list_path": tmp_path / "dialogs.txt"}
    lists["dialog_list_path"].write_text(f"{DIALOG}\n{OTHER}\n")
    counts = [
        {"session": s, "label": label, "turns": 1} for s in (1, 2) for label in ("neu", "ang", "exc", "sad", "xxx")
    ]
    store.write_tsv(lists["counts_path"], counts, ["session", "label", "turns"])
    index_turns(root, out, **lists)
    path = paths.label_path(root, OTHER)
    path.write_bytes(path.read_bytes().replace(b"\tneu\t", b"\tfea\t"))
    with pytest.raises(EmofuseError) as caught:
        index_turns(root, out, **lists)
    assert "session 2, label fea: 1 turns, but the release has 0" in str(caught.value)
    assert "session 2, label neu: 0 turns, but the release has 1" in str(caught.value)
    assert "session 1" not in str(caught.value)
    path.unlink()
    index_turns(root, out, "drop", **lists)  # the session of a dropped file cannot be counted
    lists["dialog_list_path"].write_text(f"{DIALOG}\n")
    path.write_bytes(paths.label_path(root, DIALOG).read_bytes().replace(DIALOG.encode(), OTHER.encode())[:-200])
    index_turns(root, out, **lists)  # not the whole release


def test_a_release_with_the_known_counts_passes(out, tmp_path):
    resources = Path(__file__).parents[2] / "resources"
    dialogs = read_dialog_list(resources / "iemocap_dialogs.txt")
    turns = {dialog: [] for dialog in dialogs}
    for cell in store.read_tsv(resources / "iemocap_counts.tsv"):
        session = [dialog for dialog in dialogs if session_of(dialog) == int(cell["session"])]
        for number in range(int(cell["turns"])):
            mine = turns[session[number % len(session)]]
            mine.append((f"F{len(mine):03d}", len(mine), len(mine) + 1, cell["label"], ""))
    for dialog, mine in turns.items():
        release_tree.write_labels(paths.label_path(tmp_path, dialog), dialog, mine)
    outputs = out / "turns.parquet", out / "turns.tsv"
    lists = resources / "iemocap_counts.tsv", resources / "iemocap_dialogs.txt"
    label_index.index_turns(tmp_path, dialogs, "error", *outputs, *lists)
    assert len(store.read_parquet(out / "turns.parquet")) == 10039


# Words


def test_quirks_of_transcripts_are_read_and_listed(root, out):
    index_turns(root, out)
    path = paths.transcript_path(root, DIALOG)
    lines = path.read_bytes().splitlines()[1:]
    lines += [
        b"M: Yeah.",
        f"{DIALOG}_MXX0 [001.0000-002.0000]: [LAUGHTER]".encode(),
        f"{DIALOG}_M009 [001.0000-002.0000]: caf\xe9".encode("cp1252"),
        b"../../x [001.0000-002.0000]: words",
    ]
    path.write_bytes(b"\r\n".join(lines))
    words, problems = index_words(root, out)
    assert len(words) == 9
    assert words[f"{OTHER}_F000"] == "Did you get the mail: today?"
    relative = f"Session1/dialog/transcriptions/{DIALOG}.txt"
    assert kinds(problems) == {
        (TURNS[0], "warning", "labelled turn without words"): "it has no text clip",
        (f"{DIALOG}_M009", "info", "words without a label"): "not used",
        (relative, "info", "lines of unlabelled turns"): "not used",
        (relative, "info", "lines without a turn id"): "not used",
        (relative, "warning", "line not understood"): "not used",
        (relative, "info", "encoding"): "kept",
    }


def test_missing_transcripts_are_refused_together_or_dropped(root, out):
    index_turns(root, out)
    paths.transcript_path(root, DIALOG).unlink()
    paths.transcript_path(root, OTHER).write_bytes(b"")
    with pytest.raises(EmofuseError, match=rf"(?s)release: 2 .*{DIALOG}\.txt: missing.*{OTHER}\.txt: unreadable"):
        index_words(root, out)
    words, problems = index_words(root, out, "drop")
    assert words == {}
    assert {row["action"] for row in problems} == {"its 5 turns have no words"}


# Media


def test_every_medium_is_opened(root, out):
    index_turns(root, out)
    files, problems = index_media(root, out)
    assert problems == []
    assert len(files) == 2 * (1 + 1 + 5)
    assert {row["status"] for row in files} == {"ok"}
    by_path = {row["path"]: row for row in files}
    assert by_path[f"Session1/dialog/wav/{DIALOG}.wav"]["seconds"] == 4.0
    assert by_path[f"Session1/dialog/avi/DivX/{DIALOG}.avi"]["seconds"] == pytest.approx(119 * 1001 / 30000)
    own = by_path[f"Session1/sentences/wav/{DIALOG}/{TURNS[0]}.wav"]
    assert (own["dialog"], own["turn_id"], own["kind"], own["seconds"]) == (DIALOG, TURNS[0], "sentence_wav", 1.0)


def test_several_threads_find_the_same(root, out):
    index_turns(root, out)
    paths.avi_path(root, OTHER).unlink()
    one, several = (index_media(root, out, "drop", threads=threads) for threads in (1, 4))
    assert one == several


def test_damaged_and_missing_media_are_refused_together_or_dropped(root, out):
    index_turns(root, out)
    damaged = [
        paths.avi_path(root, DIALOG),
        paths.dialog_wav_path(root, OTHER),
        paths.sentence_wav_path(root, TURNS[0]),
    ]
    for path in damaged:
        path.write_bytes(path.read_bytes()[:-1000])
    paths.avi_path(root, OTHER).unlink()
    paths.dialog_wav_path(root, DIALOG).write_bytes(b"")
    with pytest.raises(EmofuseError) as caught:
        index_media(root, out)
    for path in damaged:
        assert f"{path}: truncated file: it holds" in str(caught.value)
    assert f"{paths.avi_path(root, OTHER)}: missing file" in str(caught.value)
    assert f"{paths.dialog_wav_path(root, DIALOG)}: unreadable file" in str(caught.value)
    assert not (out / "media.parquet").exists()
    files, problems = index_media(root, out, "drop")
    statuses = {(row["dialog"], row["kind"]): row["status"] for row in files if row["kind"] != "sentence_wav"}
    assert statuses == {
        (DIALOG, "avi"): "truncated",
        (DIALOG, "dialog_wav"): "unreadable",
        (OTHER, "avi"): "missing",
        (OTHER, "dialog_wav"): "truncated",
    }
    actions = {row["subject"].split("/")[-1]: row["action"] for row in problems}
    assert actions == {
        f"{DIALOG}.avi": "its 5 turns have no video clip",
        f"{DIALOG}.wav": "1 turns have no audio clip",
        f"{OTHER}.avi": "its 5 turns have no video clip",
        f"{OTHER}.wav": "not needed: each turn has its own wav",
        f"{TURNS[0]}.wav": "it has no audio clip",
    }


def test_wavs_of_turns_that_are_not_there_are_replaced_and_listed(root, out):
    index_turns(root, out)
    paths.sentence_wav_path(root, TURNS[1]).unlink()
    for suffix, *_ in release_tree.TURNS:
        paths.sentence_wav_path(root, f"{OTHER}_{suffix}").unlink()
    _, problems = index_media(root, out)
    assert [(row["subject"], row["severity"], row["action"]) for row in problems] == [
        (f"Session1/sentences/wav/{DIALOG}/{TURNS[1]}.wav", "warning", "cut from the dialog's wav"),
        (f"Session2/sentences/wav/{OTHER}", "warning", "cut from the dialog's wav"),
    ]


def test_turns_beyond_their_media_are_listed_as_the_clips_treat_them(root, out):
    times = (("F000", 0.5, 1.5), ("F001", 1.9, 2.9), ("F005", 3.5, 4.5), ("F006", 4.5, 5.0), ("F007", 3.9, 4.01))
    times += (("F008", 1.00001, 1.00002),)
    turns = [(*turn, "neu", "Words.") for turn in times]
    release_tree.write_labels(paths.label_path(root, DIALOG), DIALOG, turns)
    index_turns(root, out)
    _, problems = index_media(root, out)
    found = kinds(row for row in problems if DIALOG in row["subject"])
    assert found == {
        (TURNS[1], "warning", "length differs"): "kept as it is",
        (f"{DIALOG}_F005", "warning", "partly past the end of the video"): "kept, cut short",
        (f"{DIALOG}_F006", "warning", "past the end of the video"): "it has no video clip",
        (f"{DIALOG}_F005", "warning", "partly past the end of the dialog's wav"): "kept, cut short",
        (f"{DIALOG}_F008", "warning", "nothing in its time"): "it has no audio clip",  # nor a video clip
        (f"{DIALOG}_F006", "warning", "past the end of the dialog's wav"): "it has no audio clip",
        **{
            (f"Session1/sentences/wav/{DIALOG}/{DIALOG}_{suffix}.wav", "warning", kind): "cut from the dialog's wav"
            for suffix in ("F005", "F006", "F007", "F008")
            for kind in ["missing wav of a turn, or a dialog's folder of them"]
        },
    }
    manifest = out / "video.tsv"
    labels, avi = paths.label_path(root, DIALOG), paths.avi_path(root, DIALOG)
    clip_video.cut_video(DIALOG, labels, avi, out / "video", manifest, "speaker", "error")
    statuses = {turn[-4:]: row["status"] for turn, row in clip_files.read_manifests([manifest]).items()}
    assert statuses == dict.fromkeys(("F000", "F001", "F005", "F007"), "ok") | {"F006": "past_end", "F008": "missing"}


# Summary


def test_the_summary_tells_turns_classes_problems_and_clips(root, out):
    paths.sentence_wav_path(root, TURNS[1]).unlink()
    path = paths.transcript_path(root, OTHER)
    path.write_bytes(path.read_bytes() + b"M: Yeah.\n")
    index_turns(root, out)
    index_words(root, out)
    index_media(root, out)
    problems.merge_problems([out / f"{name}.tsv" for name in ("turns", "words", "media")], out / "problems.tsv")
    assert [row["severity"] for row in store.read_tsv(out / "problems.tsv")] == ["warning", "info"]
    folder, manifest = out / "text" / DIALOG, clip_files.manifest_path(out, "text", DIALOG)
    labels, transcript = paths.label_path(root, DIALOG), paths.transcript_path(root, DIALOG)
    clip_text.cut_text(DIALOG, labels, transcript, folder, manifest, "error")
    (folder / f"{TURNS[0]}.txt").unlink()
    outputs = [out / name for name in ("turns.parquet", "words.parquet", "media.parquet")]
    text = summary.summarise(*outputs, [out / "problems.tsv"], [str(out)], CLASSES)
    assert "2 dialogs" in text
    assert "10 turns" in text
    assert [line.split()[:7] for line in text.splitlines() if line.startswith("all")] == [["all", *"2222", "2", "10"]]
    assert "problems: 2\n       1  warning  missing wav of a turn" in text
    assert f"4 ok, 1 missing\n    missing: {TURNS[0]}\n" in text
