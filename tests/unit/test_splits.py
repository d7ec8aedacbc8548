"""Splits: who is in which part, by every validation rule, and that each leak is refused."""

import numpy as np
import pyarrow as pa
import pytest

from emofuse.errors import EmofuseError
from emofuse.splits import check_split, make_split, read_split
from emofuse.store import read_metadata, write_parquet

SESSIONS = [1, 2, 3, 4, 5]
CLASSES = {"ang": ["ang"], "hap": ["hap", "exc"], "neu": ["neu"], "sad": ["sad"]}
LABELS = ["ang", "hap", "exc", "neu", "sad", "fru", "xxx"]


@pytest.fixture
def turns(tmp_path):
    rows = []
    for session in SESSIONS:
        for scene in ("impro01", "impro02", "script01_1"):
            dialog = f"Ses0{session}F_{scene}"
            for i, label in enumerate(LABELS * 2):
                letter = "FM"[i % 2]
                rows.append(
                    (f"{dialog}_{letter}{i:03d}", session, dialog, f"Ses0{session}_{letter}", "improvised", label)
                )
    columns = zip(*rows, strict=True)
    table = pa.table(dict(zip(("turn_id", "session", "dialog", "speaker", "style", "label"), columns, strict=True)))
    write_parquet(tmp_path / "turns.parquet", table)
    return tmp_path / "turns.parquet"


def split(turns, name="session2", rule="previous_session", **options):
    settings = {"sessions": SESSIONS, "classes": CLASSES, "share": 0.3, "seed": 0} | options
    output = turns.with_name(f"{name}.parquet")
    make_split(turns, name, rule=rule, output=output, **settings)
    table, classes = read_split(output)
    return table.to_pandas(), classes


@pytest.mark.parametrize(("test", "validation"), [(1, 5), (2, 1), (5, 4)])
def test_validation_is_the_session_before_cyclic(turns, test, validation):
    table, classes = split(turns, f"session{test}")
    assert classes == ["ang", "hap", "neu", "sad"]
    assert set(table[table.part == "test"].session) == {test}
    assert set(table[table.part == "val"].session) == {validation}
    assert set(table[table.part == "train"].session) == set(SESSIONS) - {test, validation}


def test_cyclic_over_the_sessions_of_the_corpus(turns):
    table, _ = split(turns, "session2", sessions=[2, 4, 5])
    assert set(table[table.part == "val"].session) == {5}


def test_labels_are_mapped_and_others_left_out(turns):
    table, _ = split(turns)
    assert len(table) == 5 * 3 * 10 and table["class"].value_counts().to_dict() == {
        "hap": 60,
        "ang": 30,
        "neu": 30,
        "sad": 30,
    }


def test_share_takes_whole_dialogs(turns):
    table, _ = split(turns, rule="share")
    dialogs = table.groupby("dialog").part.nunique()
    assert (dialogs == 1).all()
    outside = table[table.part != "test"]
    assert 0.3 <= (outside.part == "val").mean() <= 0.3 + 1 / 12  # at most one dialog more
    again, _ = split(turns, rule="share")
    other, _ = split(turns, rule="share", seed=1)
    assert (again.part == table.part).all() and (other.part != table.part).any()


def test_no_validation_part(turns):
    table, _ = split(turns, rule="none")
    assert set(table.part) == {"train", "test"}


def test_a_class_that_training_lacks_is_an_error(turns):
    with pytest.raises(EmofuseError, match="no turn of the classes fear"):
        split(turns, classes=CLASSES | {"fear": ["fea"]})


def planted(turns, column, row, value):
    """A sound split with one value changed."""
    table, classes = split(turns)
    table.loc[row(table), column] = value(table)
    return pa.Table.from_pandas(table), classes


def first(part):
    return lambda table: table.index[table.part == part][0]


def test_planted_leaks_are_refused(turns):
    cases = {
        "speaker": ("speaker", first("train"), lambda t: t[t.part == "test"].speaker.iloc[0]),
        "dialog Ses02F_impro01 is in the test and the val": ("dialog", first("val"), lambda t: "Ses02F_impro01"),
        "is in the train and the val part": ("dialog", first("val"), lambda t: t[t.part == "train"].dialog.iloc[0]),
        "stands in it 2 times": ("turn_id", first("train"), lambda t: t[t.part == "test"].turn_id.iloc[0]),
    }
    for expected, (column, row, value) in cases.items():
        table, classes = planted(turns, column, row, value)
        with pytest.raises(EmofuseError, match=expected):
            check_split(table, "session2", classes, validated=True)


def test_empty_part_is_refused(turns):
    table, classes = split(turns)
    table.loc[table.part == "val", "part"] = "train"
    with pytest.raises(EmofuseError, match="the val part is empty"):
        check_split(pa.Table.from_pandas(table), "session2", classes, validated=True)


def test_speakers_are_told_by_the_letter_of_the_turn(turns):
    table, _ = split(turns)
    assert np.all(table.speaker == table.turn_id.str[:5] + "_" + table.turn_id.str[-4])


@pytest.mark.parametrize("rule", ["none", "test"])
def test_rules_without_a_validation_part_train_on_all_other_sessions(turns, rule):
    table, _ = split(turns, "session2", rule)
    assert set(table.part) == {"train", "test"} and set(table[table.part == "train"].session) == {1, 3, 4, 5}
    assert read_metadata(turns.with_name("session2.parquet"))["validation"] == rule


def test_selection_split_tests_the_session_of_its_name(turns):
    table, _ = split(turns, "selection5")
    assert table.groupby("part").session.unique().map(sorted).to_dict() == {"test": [5], "train": [1, 2, 3], "val": [4]}
