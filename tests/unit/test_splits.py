"""Splits: who is in which part, by every protocol and validation rule, and that each leak is refused."""

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from emofuse.configuration import meaning
from emofuse.corpora.iemocap.dialogs import read_dialog_list
from emofuse.corpora.iemocap.names import dialog_of, scenario_of, session_of, speaker_of, style_of
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_metadata, read_parquet, read_tsv, write_parquet
from emofuse.splits import folds
from emofuse.splits.parts import check_split, make_split, read_split, shared_dialogs, turns_digest
from emofuse.splits.plays import GROUPS, deal, play_of
from emofuse.splits.rules import Scheme

RESOURCES = Path(__file__).parents[2] / "resources"
SESSIONS = [1, 2, 3, 4, 5]
CLASSES = {"ang": ["ang"], "hap": ["hap", "exc"], "neu": ["neu"], "sad": ["sad"]}
LABELS = ["ang", "hap", "exc", "neu", "sad", "fru", "xxx"]


def write_turns(path, turns):
    """turns.parquet of (turn_id, label)."""
    rows = []
    for turn, label in turns:
        dialog = dialog_of(turn)
        scene = dialog, scenario_of(dialog), style_of(dialog)
        rows.append((turn, session_of(turn), *scene, speaker_of(turn), label))
    names = ("turn_id", "session", "dialog", "scenario", "style", "speaker", "label")
    table = pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
    write_parquet(path, table.set_column(1, "session", table["session"].cast(pa.int8())))
    return path


@pytest.fixture
def turns(tmp_path):
    """Three dialogs a session, each of a play of its own, in the groups a, b and c; fourteen turns a dialog."""
    return write_turns(
        tmp_path / "turns.parquet",
        [
            (f"Ses0{session}F_{scene}_{'FM'[i % 2]}{i:03d}", label)
            for session in SESSIONS
            for scene in ("impro01", "impro02", "script01_1")
            for i, label in enumerate(LABELS * 2)
        ],
    )


@pytest.fixture(scope="module")
def release_turns(tmp_path_factory):
    """The release's dialogs, and its turns by session and label; which dialog and speaker has which is drawn."""
    dialogs = read_dialog_list(RESOURCES / "iemocap_dialogs.txt")
    rng = np.random.default_rng(0)
    rows, number = [], Counter()
    for cell in read_tsv(RESOURCES / "iemocap_counts.tsv"):
        own = [dialog for dialog in dialogs if session_of(dialog) == int(cell["session"])]
        for dialog, letter in zip(
            rng.choice(own, int(cell["turns"])), rng.choice(["F", "M"], int(cell["turns"])), strict=True
        ):
            rows.append((f"{dialog}_{letter}{number[dialog]:03d}", cell["label"]))
            number[dialog] += 1
    assert len({turn for turn, _ in rows}) == 10039
    return write_turns(tmp_path_factory.mktemp("release") / "turns.parquet", rows)


def split(turns, name="session2", rule="previous_session", output=None, **options):
    """Make a split and read it: (DataFrame, classes)."""
    dialogs = sorted(set(read_parquet(turns)["dialog"].to_pylist()))
    scheme = {"sessions": SESSIONS, "rule": rule, "share": 0.3, "seed": 0}
    scheme["groups"] = folds.groups(folds.parse_split(name).protocol, dialogs)
    scheme |= {key: options.pop(key) for key in list(options) if key in scheme}
    output = output or turns.with_name(f"{name}.parquet")
    make_split(turns, name, scheme=Scheme(**scheme), output=output, **{"classes": CLASSES, "subset": "all"} | options)
    table, classes = read_split(output)
    return table.to_pandas(), classes


def names_of(turns, protocol):
    return folds.split_names(protocol, SESSIONS, sorted(set(read_parquet(turns)["dialog"].to_pylist())))


# The protocol session, and the rules


@pytest.mark.parametrize(("test", "validation"), [(1, 5), (2, 1), (5, 4)])
def test_validation_is_the_session_before_cyclic(turns, test, validation):
    table, classes = split(turns, f"session{test}")
    assert classes == ["ang", "hap", "neu", "sad"]
    assert set(table[table.part == "test"].session) == {test}
    assert set(table[table.part == "val"].session) == {validation}
    assert set(table[table.part == "train"].session) == set(SESSIONS) - {test, validation}


def test_cyclic_over_the_sessions_of_the_corpus(turns, tmp_path):
    rows = read_parquet(turns).to_pandas().query("session in (2, 4, 5)")
    some = write_turns(tmp_path / "some.parquet", zip(rows.turn_id, rows.label, strict=True))
    table, _ = split(some, "session2", sessions=[2, 4, 5])
    assert set(table[table.part == "val"].session) == {5}
    table, _ = split(some, "scenario4a", sessions=[2, 4, 5])
    assert set(table[table.part == "val"].session) == {2}


def test_labels_are_mapped_and_others_left_out(turns):
    table, _ = split(turns)
    assert len(table) == 5 * 3 * 10 and table["class"].value_counts().to_dict() == {
        "hap": 60,
        "ang": 30,
        "neu": 30,
        "sad": 30,
    }


def test_columns_and_metadata(turns):
    table, _ = split(turns, "scenario3b", subset="improvised")
    columns = ["turn_id", "part", "class", "session", "dialog", "scenario", "speaker", "style"]
    assert list(table) == columns and table.turn_id.is_monotonic_increasing
    assert np.all(table.speaker == table.turn_id.str[:5] + "_" + table.turn_id.str[-4])
    metadata = read_metadata(turns.with_name("scenario3b.parquet"))
    assert json.loads(metadata.pop("groups")) == {"impro01": "a", "impro02": "b", "script01": "c"}
    assert metadata == {
        "split": "scenario3b",
        "protocol": "scenario",
        "validation": "previous_session",
        "subset": "improvised",
        "classes": '["ang", "hap", "neu", "sad"]',
    }
    split(turns, "speaker3F")
    metadata = read_metadata(turns.with_name("speaker3F.parquet"))
    assert metadata["protocol"] == "speaker" and metadata["validation"] == "partner" and "groups" not in metadata


def test_share_takes_whole_dialogs(turns):
    table, _ = split(turns, rule="share")
    dialogs = table.groupby("dialog").part.nunique()
    assert (dialogs == 1).all()
    outside = table[table.part != "test"]
    assert 0.3 <= (outside.part == "val").mean() <= 0.3 + 1 / 12  # at most one dialog more
    again, _ = split(turns, rule="share")
    other, _ = split(turns, rule="share", seed=1)
    assert (again.part == table.part).all() and (other.part != table.part).any()
    assert read_metadata(turns.with_name("session2.parquet"))["validation"] == "share 0.3, seed 1"


@pytest.mark.parametrize("rule", ["none", "test"])
def test_rules_without_a_validation_part_train_on_all_other_sessions(turns, rule):
    table, _ = split(turns, "session2", rule)
    assert set(table.part) == {"train", "test"} and set(table[table.part == "train"].session) == {1, 3, 4, 5}
    assert read_metadata(turns.with_name("session2.parquet"))["validation"] == rule


def test_selection_split_tests_the_session_of_its_name(turns):
    table, _ = split(turns, "selection5")
    assert table.groupby("part").session.unique().map(sorted).to_dict() == {"test": [5], "train": [1, 2, 3], "val": [4]}


# The other protocols


def test_speaker_is_validated_on_the_partner(turns):
    table, _ = split(turns, "speaker3F")
    speakers = table.groupby("part").speaker.unique().map(set).to_dict()
    others = {f"Ses0{session}_{letter}" for session in (1, 2, 4, 5) for letter in "FM"}
    assert speakers == {"test": {"Ses03_F"}, "val": {"Ses03_M"}, "train": others}
    assert shared_dialogs(read_split(turns.with_name("speaker3F.parquet"))[0]) == 3
    split(turns, "session3")
    assert shared_dialogs(read_split(turns.with_name("session3.parquet"))[0]) == 0


def test_scenario_tests_plays_and_speakers_that_are_in_no_other_part(turns):
    table, _ = split(turns, "scenario3b")
    parts = {part: (set(t.session), set(t.scenario)) for part, t in table.groupby("part")}
    others = {"impro01", "script01_1"}
    assert parts == {"test": ({3}, {"impro02"}), "val": ({2}, others), "train": ({1, 4, 5}, others)}


def test_control_draws_as_many_turns_from_all_plays(turns):
    table, scenario = split(turns, "control3b")[0], split(turns, "scenario3b")[0]
    assert table[table.part == "test"].equals(scenario[scenario.part == "test"])
    count = ["part", "session"]
    assert table.groupby(count).size().equals(scenario.groupby(count).size())
    assert set(table[table.part == "train"].scenario) == {"impro01", "impro02", "script01_1"}
    assert table.equals(split(turns, "control3b")[0])
    other = split(turns, "control3b", seed=1)[0]
    assert set(other.turn_id) != set(table.turn_id)


def test_the_control_is_drawn_alike_whatever_the_order_of_the_turns(turns, tmp_path):
    rows = read_parquet(turns)
    write_parquet(tmp_path / "shuffled.parquet", rows.take(np.random.default_rng(0).permutation(len(rows))))
    assert split(turns, "control3b")[0].equals(split(tmp_path / "shuffled.parquet", "control3b")[0])


def test_each_session_of_each_control_is_drawn_anew(turns):
    """20 of the 30 turns of a session, which are alike in every session but for their session."""
    drawn = set()
    for name in ("control3a", "control3b", "control3c"):
        table, _ = split(turns, name)
        for _, rows in table[table.part != "test"].groupby("session"):
            drawn.add(tuple(rows.turn_id.str[6:]))
    assert len(drawn) == 3 * 4


@pytest.mark.parametrize("fold", ["session3", "scenario3b", "control3b"])
def test_refit_trains_on_the_validation_part_too(turns, fold):
    first, refit = split(turns, fold)[0], split(turns, f"{fold}-refit", "none")[0]
    assert refit.equals(first.assign(part=first.part.replace("val", "train")))


def test_refit_of_a_speaker_leaves_the_partner_out(turns):
    first, refit = split(turns, "speaker3F")[0], split(turns, "speaker3F-refit", "none")[0]
    assert refit.equals(first[first.part != "val"].reset_index(drop=True))
    assert read_metadata(turns.with_name("speaker3F-refit.parquet"))["validation"] == "none"


@pytest.mark.parametrize("fold", ["session3", "speaker3M", "scenario3b", "control3b"])
def test_a_session_is_held_out_of_training(turns, fold):
    first, without = split(turns, fold)[0], split(turns, f"{fold}-without1")[0]
    held = (first.part == "train") & (first.session == 1)
    assert held.any() and without.equals(first.assign(part=first.part.mask(held, "held")))


def test_held_turns_where_validation_is_a_share(turns):
    first, without = split(turns, rule="share")[0], split(turns, "session2-without4", "share")[0]
    held = (first.part == "train") & (first.session == 4)
    assert held.any() and without.equals(first.assign(part=first.part.mask(held, "held")))


@pytest.mark.parametrize("name", ["session2-without1", "scenario2a-without1"])
def test_the_validation_session_cannot_be_held_out(turns, name):
    with pytest.raises(EmofuseError, match=f"{name} is not sound:\n  the held part is empty"):
        split(turns, name)


@pytest.mark.parametrize("rule", ["share", "none", "test"])
@pytest.mark.parametrize("name", ["speaker3F", "scenario3a", "control3a"])
def test_a_rule_that_is_not_the_protocols_is_refused(turns, name, rule):
    with pytest.raises(EmofuseError, match=rf"split {name}: .*'{rule}'; set validation\.rule: previous_session"):
        split(turns, name, rule)


@pytest.mark.parametrize(
    ("subset", "scenarios"), [("improvised", {"impro01", "impro02"}), ("scripted", {"script01_1"})]
)
def test_subsets(turns, subset, scenarios):
    table, _ = split(turns, subset=subset)
    assert set(table["style"]) == {subset} and set(table["scenario"]) == scenarios and len(table) == 50 * len(scenarios)


# Leaks


def test_a_class_that_training_lacks_is_an_error(turns):
    with pytest.raises(EmofuseError, match="split session2 is not sound:\n  classes without a training turn: fear"):
        split(turns, classes=CLASSES | {"fear": ["fea"]})


def test_a_group_without_a_turn_of_the_subset_is_an_error(turns):
    with pytest.raises(EmofuseError, match="split scenario2a is not sound:\n  the test part is empty"):
        split(turns, "scenario2a", subset="scripted")


def move(part, to, where="turn_id == turn_id", count=None):
    """A leak: the first `count` turns of a part, or all, that meet a condition are in another part."""

    def planted(table):
        index = table[table.part == part].query(where).index[:count]
        assert len(index)
        return table.assign(part=table.part.mask(table.index.isin(index), to))

    return planted


def repeat(part, to, count):
    """A leak: the first turns of a part are in another part as well."""
    return lambda table: pd.concat([table, table[table.part == part].head(count).assign(part=to)], ignore_index=True)


def relabel(part, column, value):
    """A leak: one turn of a part has a value of another part's."""

    def planted(table):
        first = table.index[table.part == part][0]
        return table.assign(**{column: table[column].mask(table.index == first, value)})

    return planted


LEAKS = {
    "turn in training and test": (
        "session2",
        repeat("test", "train", 5),
        r"turns in the train and the test part: Ses02F_impro01_F000, .*_F002, .*_F004, \.\.\. \(5 in all\)",
    ),
    "turn in a part twice": (
        "session2",
        repeat("train", "train", 1),
        "turns more than once in the train part: Ses03F_impro01_F000$",
    ),
    "validation is the test part": (
        "session2",
        lambda table: pd.concat([table[table.part != "val"], table[table.part == "test"].assign(part="val")]),
        r"turns in the val and the test part: .*\(30 in all\)(.|\n)*dialogs in the val and the test part: .*script01_1$",
    ),
    "speaker in training": (
        "session2",
        relabel("train", "speaker", "Ses02_M"),
        "speakers in the train and the test part: Ses02_M$",
    ),
    "speaker in validation": (
        "speaker2F",
        move("test", "val", count=2),
        "speakers in the val and the test part: Ses02_F$",
    ),
    "speaker held": (
        "session2-without4",
        relabel("held", "speaker", "Ses02_F"),
        "speakers in the test and the held part: Ses02_F",
    ),
    "dialog in training and test": (
        "session2",
        relabel("train", "dialog", "Ses02F_impro01"),
        "dialogs in the train and the test part: Ses02F_impro01$",
    ),
    "dialog in validation and test": (
        "session2",
        relabel("val", "dialog", "Ses02F_impro01"),
        "dialogs in the val and the test part: Ses02F_impro01$",
    ),
    "dialog in training and validation": (
        "session2",
        relabel("val", "dialog", "Ses03F_impro01"),
        "dialogs in the train and the val part: Ses03F_impro01$",
    ),
    "partner in training": (
        "speaker2F",
        move("val", "train", "dialog == 'Ses02F_impro01'"),
        "dialogs in the train and the test part: Ses02F_impro01$",
    ),
    "play in training": (
        "scenario2c",
        relabel("train", "scenario", "script01_3"),
        "plays in the train and the test part: script01$",
    ),
    "play in validation": (
        "scenario2a",
        relabel("val", "scenario", "impro01"),
        "plays in the val and the test part: impro01$",
    ),
    "play held": (
        "scenario2a-without4",
        relabel("held", "scenario", "impro01"),
        "plays in the test and the held part: impro01$",
    ),
    "held turn in test": (
        "session2-without4",
        move("held", "test", count=1),
        r"dialogs in the test and the held part: Ses04F_impro01$",
    ),
    "held turn twice": (
        "session2-without4",
        repeat("held", "test", 1),
        "turns in the test and the held part: Ses04F_impro01_F000$",
    ),
    "held turn in validation": (
        "session2-without4",
        move("held", "val", count=1),
        "dialogs in the val and the held part: Ses04F",
    ),
    "held session in training": (
        "session2-without4",
        move("held", "train", "dialog == 'Ses04F_impro01'"),
        "sessions in the train and the held part: 4$",
    ),
    "training lacks a class": (
        "session2",
        move("train", "val", "`class` == 'sad'"),
        "classes without a training turn: sad$",
    ),
    "no validation part": ("session2", lambda table: table[table.part != "val"], "the val part is empty$"),
    "no test part": ("scenario2a", lambda table: table[table.part != "test"], "the test part is empty$"),
    "nothing held": ("session2-without4", lambda table: table[table.part != "held"], "the held part is empty$"),
    "another part": (
        "session2",
        move("train", "training", count=1),
        "turns in a part that there is not: Ses03F_impro01_F000$",
    ),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_planted_leaks_are_refused(turns, leak):
    name, plant, expected = LEAKS[leak]
    table, classes = split(turns, name)
    planted = pa.Table.from_pandas(plant(table), preserve_index=False)
    with pytest.raises(EmofuseError, match=rf"(?m)^split {name} is not sound:\n(.*\n)*  ({expected})"):
        check_split(planted, name, classes, validated=True)
    path = turns.with_name(f"{name}.parquet")
    write_parquet(path, planted, read_metadata(path))
    with pytest.raises(
        EmofuseError, match=rf"(?m){re.escape(str(path))}: split {name} is not sound:\n(.*\n)*  ({expected})"
    ) as caught:
        read_split(path)
    assert str(caught.value).endswith("Delete it and run again.")


def test_only_the_protocol_speaker_may_share_dialogs(turns):
    """The same parts under the name of another protocol."""
    table, classes = split(turns, "speaker2F")
    with pytest.raises(EmofuseError, match="dialogs in the val and the test part: Ses02F_impro01"):
        check_split(pa.Table.from_pandas(table), "session2", classes, validated=True)


def test_only_the_protocol_scenario_forbids_plays_on_two_sides(turns):
    table, classes = split(turns, "control2a")
    check_split(pa.Table.from_pandas(table), "control2a", classes, validated=True)
    with pytest.raises(EmofuseError, match="plays in the train and the test part: impro01"):
        check_split(pa.Table.from_pandas(table), "scenario2a", classes, validated=True)


def test_digest_of_turns_knows_no_order():
    assert turns_digest(["b", "a"]) == turns_digest(iter(["a", "b"])) != turns_digest(["a"])


# The release's dialogs and counts


TESTED = [1085, 1023, 1151, 1031, 1241]  # turns of the four classes, by session


def sizes(turns, name, output, **options):
    """{(part, session): number of turns}, and the split."""
    table, _ = split(turns, name, output=output, **options)
    return table.groupby(["part", "session"]).size().to_dict(), table


def test_five_folds_of_the_release(release_turns, tmp_path):
    names = names_of(release_turns, "session")
    for k, name in enumerate(names):
        found, _ = sizes(release_turns, name, tmp_path / "split.parquet")
        before = (k - 1) % 5
        role = {k: "test", before: "val"}
        assert found == {(role.get(s, "train"), s + 1): TESTED[s] for s in range(5)}
    assert len(names) == 5 and sum(TESTED) == 5531


def test_ten_folds_of_the_releases_speakers(release_turns, tmp_path):
    tested = []
    for name in names_of(release_turns, "speaker"):
        found, table = sizes(release_turns, name, tmp_path / "split.parquet")
        session = int(name[7])
        assert found["test", session] + found["val", session] == TESTED[session - 1] and len(table) == 5531
        assert set(table[table.part == "test"].speaker) == {f"Ses0{session}_{name[8]}"}
        tested += table[table.part == "test"].turn_id.tolist()
    assert len(tested) == len(set(tested)) == 5531


@pytest.mark.parametrize(
    ("subset", "classes"),
    [("all", "four"), ("improvised", "four"), ("scripted", "four"), ("all", "six"), ("all", "four_without_excited")],
)
def test_fifteen_folds_of_the_releases_scenarios(release_turns, tmp_path, subset, classes):
    options = {"subset": subset, "classes": meaning.classes({"classes": classes})}
    labels = [label for raw in options["classes"].values() for label in raw]
    corpus = read_parquet(release_turns).to_pandas()
    wanted = corpus[corpus.label.isin(labels) & ((subset == "all") | (corpus["style"] == subset))]
    if subset == "all":
        assert len(wanted) == {"four": 5531, "six": 7380, "four_without_excited": 4490}[classes]
    names, tested = names_of(release_turns, "scenario"), []
    assert len(names) == 15
    for name in names:
        found, table = sizes(release_turns, name, tmp_path / "split.parquet", **options)
        assert {part for part, _ in found} == {"train", "val", "test"} and len(found) == 5
        plays = {part: set(of_part.scenario.map(play_of)) for part, of_part in table.groupby("part")}
        assert not plays["test"] & (plays["train"] | plays["val"])
        tested += table[table.part == "test"].turn_id.tolist()
        control = name.replace("scenario", "control")
        same, drawn = sizes(release_turns, control, tmp_path / "control.parquet", **options)
        assert same == found and drawn[drawn.part == "test"].equals(table[table.part == "test"])
        assert set(drawn[drawn.part == "train"].scenario.map(play_of)) > plays["train"]
    assert sorted(tested) == sorted(wanted.turn_id)


def test_groups_of_the_release():
    """Of one size nearly, in dialogs, in every session."""
    dialogs = read_dialog_list(RESOURCES / "iemocap_dialogs.txt")
    groups = deal(dialogs)
    a, b, c = ({play for play in groups if groups[play] == letter} for letter in GROUPS)
    assert a == {"impro01", "impro04", "impro07", "script02"}
    assert b == {"impro02", "impro05", "impro08", "script03"}
    assert c == {"impro03", "impro06", "script01"}
    of_dialog = [(session_of(d), groups[play_of(scenario_of(d))]) for d in dialogs]
    counts = {session: [of_dialog.count((session, letter)) for letter in "abc"] for session in SESSIONS}
    assert counts == {1: [10, 8, 10], 2: [10, 10, 10], 3: [10, 12, 10], 4: [10, 10, 10], 5: [10, 10, 11]}
