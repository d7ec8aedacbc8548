"""Names, tree layout and file formats of the release."""

import ast
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import release_tree
from another_user import as_another_user
from emofuse.corpora.iemocap import paths
from emofuse.corpora.iemocap.dialogs import read_dialog_list, scan_dialogs, stray_files
from emofuse.corpora.iemocap.labels import Turn, parse_labels, times_digest
from emofuse.corpora.iemocap.names import scenario_of, side_of, speaker_of, style_of
from emofuse.corpora.iemocap.text import read_text
from emofuse.corpora.iemocap.transcripts import parse_transcript
from emofuse.corpora.iemocap.tree import find_root, require_files
from emofuse.runtime.errors import EmofuseError

RESOURCES = Path(__file__).parents[2] / "resources"
DIALOG = "Ses01F_impro01"


def test_the_speaker_is_the_letter_of_the_turn_and_sits_left_if_it_is_also_the_dialogs():
    assert speaker_of("Ses01F_impro01_M003") == "Ses01_M"
    assert side_of("Ses01F_impro01_F003", "speaker") == "left"
    assert side_of("Ses01F_impro01_M003", "speaker") == "right"
    assert side_of("Ses01M_impro01_M003", "speaker") == "left"
    assert side_of("Ses01M_impro01_M003", "partner") == "right"
    assert side_of("Ses01F_impro01_M003", "partner") == "left"
    assert side_of("Ses01F_impro01_M003", "full") == "full"


def test_scenarios_and_plays_are_the_same_in_every_session():
    assert scenario_of("Ses03M_impro05a") == "impro05"
    assert scenario_of("Ses05M_script01_1b") == "script01_1"
    assert style_of("Ses05M_script01_1b") == "scripted"
    assert style_of("Ses03M_impro05a") == "improvised"
    dialogs = read_dialog_list(RESOURCES / "iemocap_dialogs.txt")
    assert len(dialogs) == 151


def test_the_parse_of_a_snakefile_loads_no_third_party_module():
    code = (
        "import sys; before = set(sys.modules); import emofuse.clips.files;"
        "from emofuse.corpora.iemocap import dialogs, labels, names, paths, tree;"
        "new = {name.split('.')[0] for name in set(sys.modules) - before} - {'emofuse'};"
        "print(sorted(new - sys.stdlib_module_names))"
    )
    folder = Path(paths.__file__).parents[3]
    out = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True).stdout
    assert ast.literal_eval(out) == []


@pytest.mark.parametrize("given", ["IEMOCAP_full_release", ".", "IEMOCAP_full_release/Session2", ".."])
def test_the_root_is_found_from_a_level_too_high_or_too_low(tmp_path, given):
    root = tmp_path / "data" / "IEMOCAP_full_release"
    (root / "Session2").mkdir(parents=True)
    found = find_root(tmp_path / "data" / given)
    assert found.resolve() == root


def test_a_relative_root_stays_relative(tmp_path, monkeypatch):
    (tmp_path / "demo" / "Session1").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert str(find_root("demo")) == "demo"
    monkeypatch.chdir(tmp_path / "demo" / "Session1")
    assert find_root(".") == tmp_path / "demo"


def test_roots_that_lead_nowhere(tmp_path):
    for unset in (None, "", " "):
        with pytest.raises(EmofuseError, match=r"(?s)corpus.root is not set.*--config.*make demo"):
            find_root(unset)
    with pytest.raises(EmofuseError, match="does not exist"):
        find_root(tmp_path / "nowhere")
    with pytest.raises(EmofuseError, match="holds Session1"):
        find_root(tmp_path)
    for copy in ("a", "b"):
        (tmp_path / copy / "Session1").mkdir(parents=True)
    with pytest.raises(EmofuseError, match="several"):
        find_root(tmp_path)


def test_a_scan_finds_a_dialog_by_any_of_its_files_and_no_others(tmp_path):
    root = release_tree.make_release(tmp_path, [DIALOG])
    release_tree.write(paths.transcript_path(root, "Ses01M_impro02"), "only a transcript")
    release_tree.write(paths.avi_path(root, "Ses02F_script01_1b"), b"only a video")
    labels = paths.label_path(root, DIALOG).parent
    release_tree.write(labels / "Attribute" / "Ses01F_impro09.txt", "votes")
    release_tree.write(labels / "._Ses01F_impro08.txt", b"\0")
    release_tree.write(labels / "Ses02F_impro03.txt", "of another session")
    release_tree.write(labels / "notes.txt", "")
    assert scan_dialogs(root, [1, 2]) == [DIALOG, "Ses01M_impro02", "Ses02F_script01_1b"]
    assert [path.name for path in stray_files(root, [1])] == ["Ses02F_impro03.txt", "notes.txt"]


def test_a_missing_and_an_empty_session_are_named_together(tmp_path):
    root = release_tree.make_release(tmp_path, [DIALOG])
    (root / "Session2").mkdir()
    with pytest.raises(EmofuseError, match=r"(?s)Session2: no dialog/EmoEvaluation.*Session3: no such folder"):
        scan_dialogs(root, [1, 2, 3])


def test_sentence_wavs_are_those_of_the_dialog_alone(tmp_path):
    root = release_tree.make_release(tmp_path, [DIALOG])
    folder = paths.sentence_wav_path(root, f"{DIALOG}_F000").parent
    for name in (f"._{DIALOG}_F000.wav", "Ses01F_impro02_F000.wav", "x.wav", f"{DIALOG}_F000.txt"):
        (folder / name).write_bytes(b"")
    assert [path.stem for path in paths.sentence_wavs(root, DIALOG)] == sorted(
        f"{DIALOG}_{suffix}" for suffix, *_ in release_tree.TURNS
    )
    assert paths.sentence_wavs(root, "Ses04F_impro01") == []


def test_a_list_of_dialogs_names_its_bad_lines(tmp_path):
    path = tmp_path / "dialogs.txt"
    path.write_bytes(b"\xef\xbb\xbfSes01F_impro01\r\n\r\n# comment\r\nSes02M_script01_1b  # why\r\n")
    assert read_dialog_list(path, [1, 2]) == ["Ses01F_impro01", "Ses02M_script01_1b"]
    with pytest.raises(EmofuseError, match=r"(?s):4: Ses02M_script01_1b is of a session that .*no dialog of session 3"):
        read_dialog_list(path, [1, 3])
    path.write_text("Ses01F_impro01\n../x\nSes06F_impro01\nSes01F_impro01\n")
    with pytest.raises(EmofuseError, match=r"(?s):2: .*:3: .*:4: .* twice"):
        read_dialog_list(path)
    path.write_text("\n")
    with pytest.raises(EmofuseError, match="is empty"):
        read_dialog_list(path)
    with pytest.raises(EmofuseError, match="cannot be read"):
        read_dialog_list(tmp_path / "none.txt")


@pytest.mark.parametrize(
    ("data", "text", "noted"),
    [
        (b"a\r\nb\rc", "a\nb\nc", False),
        (b"\xef\xbb\xbfcaf\xc3\xa9", "café", False),
        (b"caf\xe9 \x96", "café –", True),
        (b"\x81", "�", True),
        ("\ufeffcafé\r\n".encode("utf-16-le"), "café\n", True),
    ],
)
def test_text_is_read_tolerantly(tmp_path, data, text, noted):
    path = tmp_path / "x.txt"
    path.write_bytes(data)
    found, note = read_text(path)
    assert found == text
    assert (note is not None) == noted


def label_line(turn="Ses01F_impro01_F000", times="6.2901 - 8.2357", ratings="2.5000, 2.5000, 2.5000"):
    return f"[{times}]\t{turn}\tneu\t[{ratings}]"


def test_labels_are_read_past_votes_and_odd_ratings():
    text = "\n".join(
        [
            "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]",
            "",
            label_line("Ses01F_impro01_M000", ratings="0.5000, 5.5000, 2.5000"),
            "C-E2:\tNeutral; Anger;\t([1.0 - 2.0]\tSes01F_impro01_F009\tang\t[1, 1, 1])",
            "",
            label_line(),
        ]
    )
    turns, errors = parse_labels(text, DIALOG, "x.txt")
    assert errors == []
    assert turns == [
        Turn("Ses01F_impro01_F000", 6.2901, 8.2357, "neu", 2.5, 2.5, 2.5),
        Turn("Ses01F_impro01_M000", 6.2901, 8.2357, "neu", 0.5, 5.5, 2.5),
    ]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (label_line("../../x"), "not a turn id"),
        (label_line("Ses01F_impro01_F000/../x"), "not a turn id"),
        (label_line("Ses01F_impro01_F٠٠٠"), "not a turn id"),
        (label_line("Ses01F_impro01_FXX0"), "not a turn id"),
        (label_line("Ses01F_impro02_F000"), "another dialog"),
        (label_line(times="8.0 - 8.0"), "no interval"),
        (label_line(times="-1.0 - 8.0"), "no interval"),
        (label_line(times="nan - 8.0"), "no interval"),
        (label_line(times="1.0 - inf"), "no interval"),
        (label_line(times="1,0 - 2,0"), "no interval"),
        (label_line()[:-30], "not a label line"),
        (label_line()[1:], "not a label line"),
        (f"{label_line()}\n{label_line()}", "line 2 already"),
    ],
)
def test_errors_in_labels_name_file_and_line(line, says):
    text = f"\n{line}\n"
    _, errors = parse_labels(text, DIALOG, "x.txt")
    assert len(errors) == 1
    assert says in errors[0]
    assert errors[0].startswith(f"x.txt:{line.count(chr(10)) + 2}: ")


def test_transcripts_keep_colons_and_list_what_has_no_label():
    text = "\n".join(
        [
            "Ses01F_impro01_F000 [007.2688-016.6000]: Did you: get it? [LAUGHTER]",
            "M: Yeah.",
            "Ses01F_impro01_MXX0 [151.2551-153.4251]: [LAUGHTER], That's what they say.",
            "Ses01F_impro01_M000 [001.0000-002.0000]:",
            "Ses01F_impro01_F000 [007.2688-016.6000]: again",
            "Ses01F_impro02_F000 [007.2688-016.6000]: elsewhere",
            "",
        ]
    )
    found = parse_transcript(text, DIALOG)
    assert found.words == {
        "Ses01F_impro01_F000": "Did you: get it? [LAUGHTER]",
        "Ses01F_impro01_M000": "",
    }
    assert found.without_id == [2]
    assert found.unlabelled == ["Ses01F_impro01_MXX0"]
    assert [line.split(":")[0] for line in found.strange] == ["line 5", "line 6"]


def test_the_digest_of_times_ignores_emotions_and_votes(tmp_path):
    path = tmp_path / "x.txt"
    release_tree.write_labels(path, DIALOG)
    before = times_digest(path, DIALOG)
    path.write_bytes(
        path.read_bytes().replace(b"\tneu\t", b"\thap\t").replace(b"Anger", b"Fear").replace(b"\n", b"\r\n")
    )
    assert times_digest(path, DIALOG) == before
    path.write_bytes(path.read_bytes().replace(b"1.5000", b"1.5001"))
    assert times_digest(path, DIALOG) != before
    with pytest.raises(FileNotFoundError):
        times_digest(tmp_path / "none.txt", DIALOG)


def test_what_may_not_be_read_is_not_called_missing():
    dialog = "Ses01F_impro01"
    with tempfile.TemporaryDirectory() as folder:
        root = release_tree.make_release(Path(folder) / "release", [dialog])
        closed = [paths.avi_path(root, dialog), paths.dialog_wav_path(root, dialog).parent]
        paths.transcript_path(root, dialog).unlink()
        for path in closed:
            path.chmod(0o000)
        with as_another_user(folder):
            with pytest.raises(EmofuseError) as caught:
                require_files(root, [dialog])
            with pytest.raises(PermissionError):
                scan_dialogs(root, [1])
        root.chmod(0o000)
        refused = pytest.raises((EmofuseError, PermissionError), match=r"may not be read|Permission denied")
        with as_another_user(folder), refused:
            find_root(root.parent)
        root.chmod(0o755)
        closed[1].chmod(0o755)
    missing, hidden = str(caught.value).split("Files of the release that this user may not read: 2")
    assert "Missing files of the release: 1" in missing and f"{dialog}.txt (transcript)" in missing
    assert f"{dialog}.avi (video)" in hidden and f"{dialog}.wav (sound)" in hidden
