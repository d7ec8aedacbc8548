"""Motion: tables with all their faults, 200 equal parts, what is missing, signs of motion vectors, the demo's tables."""

import json

import av
import numpy as np
import pyarrow as pa
import pytest

from emofuse.clips.files import COLUMNS, clip_path, save_clip
from emofuse.corpora.iemocap.motion import WIDTHS, parse_motion
from emofuse.corpora.iemocap.paths import MOTION, dialog_motion_paths, sentence_motion_path
from emofuse.corpora.iemocap.tree import motion_digest
from emofuse.demo import motion as demo
from emofuse.demo import plan as demo_plan
from emofuse.demo.chance import CLASSES
from emofuse.demo.turns import direct
from emofuse.encoders.motion import PARTS, filled, parts, read_motion_capture, read_motion_vectors
from emofuse.encoders.sequences import Sequences
from emofuse.encoders.settings import Data
from emofuse.fusion.dialogs import Turns
from emofuse.fusion.models import convolution
from emofuse.fusion.networks import Task
from emofuse.media.motion import motion_on_grid
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_metadata, read_parquet, read_tsv, write_parquet, write_tsv

HEADER = "Frame# Time A\nX Y\n"
ROWS = [f"{n} {n / 120:.5f} {n}.5 -{n}" for n in range(1, 6)]
VALUES = [[n + 0.5, -n] for n in range(1, 6)]
DIALOG = "Ses01F_impro01"


@pytest.mark.parametrize(
    "text, kept, said",
    [
        (HEADER + "\n".join(ROWS) + "\n", [0, 1, 2, 3, 4], []),
        (HEADER + "\n".join(row.replace(" ", "\t ") + "  " for row in ROWS), [0, 1, 2, 3, 4], []),
        ("\n".join(ROWS), [0, 1, 2, 3, 4], ["header missing: 0 of 2 lines"]),
        ("X\n" + "\n".join(ROWS), [0, 1, 2, 3, 4], ["header missing: 1 of 2 lines"]),
        (HEADER + "\n".join([*ROWS[:2], "3 0.02 3.5", *ROWS[3:]]), [0, 1, 3, 4], ["(line 5: 3 numbers and not 4)"]),
        # One number too few and one too many: as many as there should be in all.
        (
            HEADER + "\n".join([*ROWS[:3], "4 0.03 4.5", "5 0.04 5.5 -5 7"]),
            [0, 1, 2],
            ["odd rows: 2 (line 6: 3 numbers"],
        ),
        (HEADER + "\n".join([*ROWS, "6 0.05 x -6"]), [0, 1, 2, 3, 4], ["(line 8: no numbers, '6 0.05 x -6')"]),
        (HEADER + "\n".join([*ROWS, "6 NaN 6.5 -6"]), [0, 1, 2, 3, 4], ["(line 8: no frame number or no time)"]),
        (HEADER + "\n".join([*ROWS, "6 0.05 6.5 -1e9"]), [0, 1, 2, 3, 4], ["(line 8: a marker beyond 60 m)"]),
        (HEADER + "\n".join([*ROWS, "6 0.05 null 6"]), [0, 1, 2, 3, 4], ["no numbers"]),
        (HEADER + "\n".join([ROWS[0], ROWS[2], ROWS[1]]), [0, 1, 2], ["times go back: from 0.025 s, 1 times"]),
        ("", [], []),
    ],
)
def test_tables_with_all_their_faults(text, kept, said):
    motion = parse_motion(text, 2)
    assert motion.values.tolist() == [VALUES[number] for number in kept]
    np.testing.assert_allclose(motion.times, [(number + 1) / 120 for number in kept], atol=1e-5)
    assert len(motion.faults) == len(said)
    assert all(part in fault for part, (fault, _) in zip(said, motion.faults, strict=True))


def test_hidden_markers_are_not_numbers_read_fast_and_slow():
    rows = [*ROWS[:2], ROWS[2].replace("3.5", "NaN")]
    fast, slow = (parse_motion(HEADER + "\n".join(some), 2).values for some in (rows, [*rows, "odd"]))
    np.testing.assert_array_equal(fast, [VALUES[0], VALUES[1], [np.nan, -3]])
    np.testing.assert_array_equal(fast, slow)


@pytest.mark.parametrize("length", [1, 3, 199, 200, 201, 540])
def test_two_hundred_equal_parts_against_a_loop(length):
    frames = np.random.default_rng(length).standard_normal((length, 4))
    frames[:, 1] = np.where(np.random.default_rng(1).random(length) < 0.7, np.nan, frames[:, 1])
    made = parts(frames)
    assert made.shape == (PARTS, 4)
    for number in range(PARTS):
        if length < PARTS:  # the frame that is on the screen in the middle of the part
            some = frames[[int((number + 0.5) / PARTS * length)]]
        else:
            some = frames[int(number * length / PARTS) : int((number + 1) * length / PARTS)]
        for column in range(4):
            seen = some[~np.isnan(some[:, column]), column]
            expected = seen.mean() if len(seen) else np.nan
            np.testing.assert_allclose(made[number, column], expected, atol=1e-12)


def test_what_is_hidden_is_interpolated_and_told():
    nan = np.nan
    states, hidden = filled(np.array([[nan, 1, nan], [2, 1, nan], [nan, 1, nan], [4, nan, nan]]))
    np.testing.assert_array_equal(states, [[2, 1, 0], [2, 1, 0], [3, 1, 0], [4, 1, 0]])
    assert hidden == 1


def write_tables(root, turn, frames, kinds=WIDTHS, first=0, value=None):
    """A turn's tables, whose numbers are the frame's, or `value`."""
    for kind in kinds:
        path = sentence_motion_path(root, turn, kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(table(kind, frames, first, value))


def table(kind, frames, first=0, value=None):
    rows = [
        [n, f"{n / 120:.5f}", *[n if value is None else value] * WIDTHS[kind]] for n in range(first, first + frames)
    ]
    return HEADER + "\n".join(" ".join(map(str, row)) for row in rows) + "\n"


def write_turns(path, turns):
    columns = zip(*turns, strict=True)
    write_parquet(path, pa.table(dict(zip(("turn_id", "dialog", "start_s", "end_s"), columns, strict=True))))
    return path


def test_a_release_with_everything_wrong(tmp_path):
    """F000 whole, F001 without its hand's table, F002 empty, F003 seen by nobody, F004 half as long; M000 cut from the dialog's
    face; M001 lies past its end."""
    names = [f"{DIALOG}_{name}" for name in ("F000", "F001", "F002", "F003", "F004", "M000", "M001")]
    starts = [0.0, 3.0, 6.0, 9.0, 12.0, 5.0, 99.0]
    turns = write_turns(tmp_path / "t.parquet", [(n, DIALOG, s, s + 2.5) for n, s in zip(names, starts, strict=True)])
    root = tmp_path / "release"
    for number, name in enumerate(names):
        kinds = {1: ("face", "head"), 5: ("head", "hand"), 6: ("head", "hand")}.get(number, WIDTHS)
        write_tables(root, name, 150 if number == 4 else 300, kinds, value="NaN" if number == 3 else None)
    sentence_motion_path(root, names[2], "head").write_text(HEADER)
    dialogs_face = dialog_motion_paths(root, DIALOG, "face")[0]
    dialogs_face.parent.mkdir(parents=True)
    dialogs_face.write_text(table("face", 2200))
    output, problems = tmp_path / "out.parquet", tmp_path / "problems.tsv"

    with pytest.raises(EmofuseError, match="Missing or damaged files of the release: 2 ") as told:
        read_motion_capture(root, turns, [DIALOG], "face", "error", output, problems)
    assert f"{names[1]}.txt: missing file" in str(told.value) and "holds no row of motion" in str(told.value)
    assert not output.exists() and not problems.exists() and not list(tmp_path.glob(".*"))

    read_motion_capture(root, turns, [DIALOG], "face", "drop", output, problems)
    assert [(turn, states.shape) for turn, states, _ in Sequences(output)] == [
        (names[number], (PARTS, 189)) for number in (0, 4, 5)
    ]
    found = {turn: states for turn, states, _ in Sequences(output)}
    np.testing.assert_allclose(found[names[0]], parts(np.arange(300.0)[:, None]).repeat(189, axis=1))
    np.testing.assert_allclose(found[names[5]][:, 0], parts(np.arange(600.0, 900)[:, None])[:, 0])  # from 5 s on
    stored = read_parquet(output)
    assert stored["shows"].to_pylist() == ["speaker", "speaker", "listener"] and stored["hidden"].to_pylist() == [0] * 3
    np.testing.assert_allclose(stored["seconds"][0].as_py(), (np.arange(200) + 0.5) / 80, rtol=1e-6)
    assert json.loads(read_metadata(output)["left_out"]) == {
        names[1]: "missing: no motion of hand",
        names[2]: "missing: no motion of head",
        names[3]: "missing: no marker seen",
        names[6]: "missing: no motion of face",
    }
    listed = [
        (row["severity"], row["subject"].split("/")[-1].removesuffix(".txt"), row["problem"])
        for row in read_tsv(problems)
    ]
    kinds = {(severity, subject, problem.split(":")[0]) for severity, subject, problem in listed}
    assert {("error", names[1], "missing file"), ("error", names[2], "unreadable file")} <= kinds
    assert ("warning", names[3], "no marker seen") in kinds
    assert ("warning", names[5], "missing motion of a turn, or a dialog's folder of it") in kinds
    assert ("warning", names[6], "past the end of the dialog's motion") in kinds
    assert any("differs: 1 of 7 turns, such as" in problem and names[4] in problem for *_, problem in listed)


def test_a_dialog_whose_name_has_a_letter_more_than_its_table(tmp_path):
    assert [path.stem for path in dialog_motion_paths(tmp_path, "Ses05M_script01_1b", "head")] == [
        *("Ses05M_script01_1b", "Ses05M_script01_1"),
    ]


def test_a_number_that_changes_is_noticed(tmp_path):
    write_tables(tmp_path, f"{DIALOG}_F000", 3)
    before, path = motion_digest(tmp_path, [DIALOG]), sentence_motion_path(tmp_path, f"{DIALOG}_F000", "hand")
    assert before == motion_digest(tmp_path, [DIALOG]) == motion_digest(tmp_path, [DIALOG, "Ses02F_impro01"])
    path.write_text(path.read_text()[:-2] + "3\n")
    assert motion_digest(tmp_path, [DIALOG]) != before


def write_clip(path, frames, step):
    """A clip, encoded as they are cut, whose left half moves by `step` = (right, down) pixels a frame, and no other."""
    grain = np.random.default_rng(0).integers(0, 256, (120, 120, 3), np.uint8).repeat(4, axis=0).repeat(4, axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast", "crf": "17", "threads": "1"})
        stream.height, stream.width, stream.pix_fmt = 192, 256, "yuv420p"
        for number in range(frames):
            x, y = 100 - step[0] * number, 100 - step[1] * number
            left, right = grain[y : y + 192, x : x + 128], grain[50:242, 50:178]
            picture = np.ascontiguousarray(np.hstack([left, right]))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("step", [(3, 2), (-5, 0)])
def test_motion_vectors_have_the_sign_and_scale_of_what_moves(tmp_path, step):
    motion = motion_on_grid(write_clip(tmp_path / "clip.mp4", 12, step), 12).reshape(12, 2, 8, 8)
    assert not motion[0].any()
    for axis in (0, 1):
        np.testing.assert_allclose(motion[1:, axis, 1:7, 1:3], step[axis], atol=0.25)
        np.testing.assert_allclose(motion[1:, axis, :, 5:], 0, atol=0.25)
    with pytest.raises(EmofuseError, match="has 12 frames, and its manifest says 13"):
        motion_on_grid(tmp_path / "clip.mp4", 13)


def test_motion_of_clips_is_stored(tmp_path):
    names = [f"{DIALOG}_F000", f"{DIALOG}_M000", f"{DIALOG}_M001"]
    turns = write_turns(tmp_path / "t.parquet", [(name, DIALOG, 1.0, 1.4) for name in names])
    rows = [dict.fromkeys(COLUMNS, "") | {"turn": names[2], "status": "past_end"}]
    for name in names[:2]:
        data = write_clip(tmp_path / "made.mp4", 12, (3, 2)).read_bytes()
        path = clip_path(tmp_path / "clips", "video", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        rows.append({"turn": name, "status": "ok", "frames": 12, "note": ""} | save_clip(path, data))
    write_tsv(tmp_path / "manifest.tsv", rows, COLUMNS)
    data = Data(None, [tmp_path / "manifest.tsv"], tmp_path / "clips")
    read_motion_vectors(turns, [DIALOG], data, "partner", "flow", 2, tmp_path / "out.parquet")
    found = list(Sequences(tmp_path / "out.parquet"))
    expected = parts(motion_on_grid(path, 12))
    assert [turn for turn, _, _ in found] == names[:2]
    np.testing.assert_allclose(found[0][1], expected, atol=1e-2)
    assert read_parquet(tmp_path / "out.parquet")["shows"].to_pylist() == ["listener", "listener"]
    assert json.loads(read_metadata(tmp_path / "out.parquet")["left_out"]) == {names[2]: "past_end"}


def test_the_demos_motion_is_read_and_its_quirks_are_listed(tmp_path):
    dialogs = sorted([*demo.WITHOUT_TABLE, *demo.ODD_ROW, *demo.HIDDEN_MARKER])
    own = []
    for dialog in dialogs:
        demo.write_motion(tmp_path / "release", dialog, 0)
        assert all((tmp_path / "release" / path).exists() for path in demo_plan.motion_outputs(dialog))
        own += sorted((turn.turn_id, dialog, turn.start, turn.end) for turn in direct(dialog, 0))
    turns, output = write_turns(tmp_path / "t.parquet", own), tmp_path / "out.parquet"
    read_motion_capture(tmp_path / "release", turns, dialogs, "face", "error", output, tmp_path / "problems.tsv")
    stored = read_parquet(output)
    assert stored["turn_id"].to_pylist() == [turn for turn, *_ in own]
    by_dialog = dict(zip(stored["turn_id"].to_pylist(), stored["hidden"].to_pylist(), strict=True))
    assert {turn[:14] for turn, hidden in by_dialog.items() if hidden == 3} == set(demo.HIDDEN_MARKER)
    kinds = sorted(row["problem"].split(":")[0] for row in read_tsv(tmp_path / "problems.tsv"))
    assert kinds == ["hidden all turn long", "missing motion of a turn, or a dialog's folder of it", "odd rows"]
    assert set(demo_plan.MOTION_FOLDERS) == set(MOTION)


def test_the_wearer_moves_by_the_class_and_the_listener_by_none():
    turns = [
        (turn, dialog) for dialog in demo_plan.DIALOGS for turn in direct(dialog, 0) if turn.label in demo.CLASS_OF
    ]
    for wears, low, high in ((True, 0.77, 0.93), (False, 0.13, 0.37)):
        some = [(turn, dialog) for turn, dialog in turns if (turn.gender == dialog[5]) == wears]
        shown = [demo._manner(turn, dialog, 0) == demo.CLASS_OF[turn.label] for turn, dialog in some]
        assert low < np.mean(shown) < high and len(shown) > 100


def test_the_motion_network_learns_how_wearers_move_that_it_has_never_seen():
    """The manner itself, of the wearers' own turns in the demo: session 5 is tested, and 4 validates."""
    wearers = [(turn, dialog) for dialog in demo_plan.DIALOGS for turn in direct(dialog, 0) if turn.gender == dialog[5]]
    shown = [demo._manner(turn, dialog, 0) for turn, dialog in wearers]
    steps = []
    for (turn, dialog), manner in zip(wearers, shown, strict=True):
        moves = demo._moves(dialog, turn.turn_id, manner, turn.end - turn.start, 0)
        steps.append(filled(np.hstack([parts(moves[kind]) for kind in WIDTHS]))[0].astype(np.float16))
    dialogs, labels = np.array([dialog for _, dialog in wearers]), np.array([CLASSES.index(name) for name in shown])
    part = np.array(["", "train", "train", "train", "val", "test"])[[demo_plan.session_of(name) for name in dialogs]]
    ids, everybody = np.array([turn.turn_id for turn, _ in wearers]), np.ones(len(wearers), bool)
    turns = Turns(
        "session5", list(CLASSES), ids, dialogs, dialogs, part, labels, {}, {"motion": steps}, {"motion": everybody}
    )
    settings = convolution.TRAINS | {"width": 128, "members": 1, "epochs": 14}
    [model] = convolution.train(Task(turns, part == "train", part == "val", [settings], 0, 1))
    test = np.flatnonzero(part == "test")
    assert np.mean(model.ask(test).argmax(1) == labels[test]) > 0.6
