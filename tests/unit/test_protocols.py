"""Protocols: the names of their splits, and what a name tells."""

import re
from itertools import product

import pytest

from emofuse.runtime.errors import EmofuseError
from emofuse.splits import folds
from emofuse.splits.folds import PROTOCOLS, SPLIT, Fold, parse_split, split_names
from emofuse.splits.plays import deal, play_of

DIALOGS = ["Ses01F_impro01", "Ses01M_script01_1", "Ses02F_impro01", "Ses02F_impro05", "Ses02M_script01_2"]


def test_names_of_each_protocol():
    assert split_names("session", [1, 2], DIALOGS) == ["session1", "session2"]
    assert split_names("speaker", [1, 2], DIALOGS) == ["speaker1F", "speaker1M", "speaker2F", "speaker2M"]
    # impro01 is group a, impro05 b, script01 c; session 1 has no impro05
    assert split_names("scenario", [1, 2], DIALOGS) == [
        "scenario1a",
        "scenario1c",
        "scenario2a",
        "scenario2b",
        "scenario2c",
    ]
    assert split_names("scenario_control", [2], DIALOGS[2:]) == ["control2a", "control2b", "control2c"]
    assert split_names("scenario", [1, 2], []) == []


def test_names_are_unique_over_protocols_and_read_back():
    names = {p: split_names(p, [1, 2], DIALOGS) for p in PROTOCOLS}
    every = [name for of_protocol in names.values() for name in of_protocol]
    assert len(set(every)) == len(every) == 2 + 4 + 5 + 5 + 2 + 1
    assert all(parse_split(name).protocol == protocol for protocol in PROTOCOLS for name in names[protocol])


@pytest.mark.parametrize(
    ("name", "fold"),
    [
        ("session3", Fold("session", 3, "", False, None, False)),
        ("session3-refit", Fold("session", 3, "", True, None, False)),
        ("session3-without2", Fold("session", 3, "", False, 2, False)),
        ("selection5", Fold("session", 5, "", False, None, True)),
        ("speaker3F", Fold("speaker", 3, "F", False, None, False)),
        ("speaker1M-without5", Fold("speaker", 1, "M", False, 5, False)),
        ("scenario3a", Fold("scenario", 3, "a", False, None, False)),
        ("fold12-without24", Fold("group", 12, "", False, 24, False)),
        ("official1-refit", Fold("official", 1, "", True, None, False)),
        ("official1-without1", Fold("official", 1, "", False, 1, False)),
        ("control3c-refit", Fold("scenario_control", 3, "c", True, None, False)),
    ],
)
def test_a_name_tells_its_fold(name, fold):
    assert parse_split(name) == fold


def test_the_pattern_matches_the_names_that_exist_and_no_others():
    heads = ["session", "speaker", "scenario", "control", "selection", "play", ""]
    letters = ["", "F", "M", "a", "b", "c", "d", "A"]
    ends = ["", "-refit", *(f"-without{k}" for k in range(7)), "-refit-without1", "-without1-refit", "-", "\n", "x"]
    fitting = {"session": [""], "speaker": ["F", "M"], "scenario": ["a", "b", "c"], "control": ["a", "b", "c"]}
    exist = {
        f"{head}{session}{letter}{end}"
        for head, session in product(fitting, range(1, 6))
        for letter in fitting[head]
        for end in ["", "-refit", *(f"-without{k}" for k in range(1, 6) if k != session)]
    } | {f"selection{session}" for session in range(1, 7)}  # six: of another corpus
    tried = {f"{h}{s}{x}{e}" for h, s, x, e in product(heads, ["", 0, 1, 2, 3, 4, 5, 6, 33], letters, ends)}
    assert exist < tried and {name for name in tried if re.fullmatch(SPLIT, name)} == exist
    for name in tried - exist:
        with pytest.raises(EmofuseError, match="is not the name of a split, such as session3"):
            parse_split(name)


def test_the_pattern_matches_the_folds_of_corpora_without_sessions():
    groups = {f"fold{k}{end}" for k in range(1, 25) for end in ("", "-refit")}
    groups |= {f"fold{k}-without{h}" for k in range(1, 25) for h in range(1, 25) if h != k}
    exist = groups | {"official1", "official1-refit", *(f"official1-without{k}" for k in range(1, 25))}
    exist |= {f"selection{k}" for k in range(1, 25)}
    ends = ("", "-refit", *(f"-without{k}" for k in range(27)), "a", "-refit-without1")
    tried = {f"{head}{k}{end}" for head in ("fold", "official", "selection") for k in range(27) for end in ends}
    assert exist < tried and {name for name in tried if re.fullmatch(SPLIT, name)} == exist


def test_the_pattern_has_no_groups_of_its_own():
    assert re.compile(SPLIT).groups == 0  # Snakemake sets it among those of other wildcards


def test_plays_are_dealt_to_the_groups_in_turn():
    assert [play_of(s) for s in ("script01_1", "script01_3", "impro05")] == ["script01", "script01", "impro05"]
    scenarios = ["script02_2", "impro03", "script01_1", "script01_2", "impro01", "impro03"]
    groups = deal([f"Ses01F_{scenario}" for scenario in scenarios])
    assert groups == {"impro01": "a", "impro03": "b", "script01": "c", "script02": "a"}


def test_a_protocol_that_there_is_not():
    with pytest.raises(KeyError):
        folds.split_names("scenarios", [1], DIALOGS)
