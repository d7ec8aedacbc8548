"""The annotators' votes: read with their quirks, listed where they cannot be, and no part of the index of turns."""

import pytest

import release_tree
from emofuse.corpora import labels as label_index
from emofuse.corpora.iemocap import labels, paths
from emofuse.corpora.iemocap.votes import parse_votes
from emofuse.corpora.votes import VOTES_SCHEMA, contradiction, index_votes
from emofuse.runtime import store

DIALOG, OTHER = "Ses01F_impro01", "Ses02M_script01_1b"
LINE = "[1.0000 - 2.0000]\t{}\tneu\t[2.5000, 2.5000, 2.5000]\n"
ONE, TWO = f"{DIALOG}_F000", f"{DIALOG}_F001"


@pytest.mark.parametrize(
    ("line", "labels", "fault"),
    [
        ("C-E2:\tNeutral;\t()", ["neu"], None),
        ("C-E2:\tFrustration; Sadness;\t(it is (very); sad: 'Anger;')", ["fru", "sad"], None),
        ("C-E2:  excited ;Excited;;", ["exc"], None),
        ("C-E2:\tSurprise; Bored;\t()", ["sur"], "unknown word in a vote: E2: Bored"),
        ("C-E2:\tNeutral state;\t()", None, "unknown word in a vote: E2: Neutral state"),
        ("C-E2:\t;\t(half)", None, "vote without a label: E2, line 2"),
        ("C-X2:\tNeutral;\t()", None, "vote not understood: line 2: C-X2:\tNeutral;\t()"),
        ("and a comment on two lines)", None, "vote not understood: line 2: and a comment"),
        ("A-E3:\tval 3; act 2; dom  2;\t()", None, None),
    ],
)
def test_quirks_of_a_vote(line, labels, fault):
    votes, faults = parse_votes(LINE.format(ONE) + line)
    assert [vote.labels for vote in votes] == ([labels] if labels else [])
    assert [(turn, what[: len(fault)]) for turn, what, _ in faults] == ([(ONE, fault)] if fault else [])


def test_votes_belong_to_the_turn_above_and_actors_are_kept_apart():
    text = "C-E1:\tAnger;\t()\n" + LINE.format(ONE) + "C-E2:\tAnger;\t()\nC-F1:\tFear;\t()\nC-E2:\tOther;\t()\n\n"
    votes, faults = parse_votes(text + LINE.format(TWO) + "C-E2:\tDisgust;\t()\n")
    assert [tuple(vote) for vote in votes] == [
        (ONE, "E2", False, ["ang"]),
        (ONE, "F1", True, ["fea"]),
        (TWO, "E2", False, ["dis"]),
    ]
    assert [(turn, what.split(":")[0]) for turn, what, _ in faults] == [
        ("", "vote not understood"),
        (ONE, "second vote of an annotator"),
    ]


@pytest.mark.parametrize(
    ("label", "votes", "heard"),
    [
        ("ang", [["ang"], ["ang"], ["neu"]], ""),
        ("neu", [["ang"], ["ang"], ["neu"]], "ang 2, neu 1"),
        ("xxx", [["ang"], ["ang"], ["neu"]], "ang 2, neu 1"),
        ("xxx", [["ang"], ["ang", "fru"], ["neu"], ["sad"]], ""),
        ("neu", [["ang"], ["neu"]], ""),
        ("sur", [["ang"], ["neu"]], "ang 1, neu 1"),
    ],
)
def test_a_planted_wrong_label_is_seen(label, votes, heard):
    assert contradiction(label, votes) == heard


def test_the_index_lists_what_it_cannot_count_and_a_vote_is_no_part_of_the_index_of_turns(tmp_path):
    root, dialogs = tmp_path / "release", [DIALOG, OTHER]
    for dialog in dialogs:
        release_tree.write_labels(paths.label_path(root, dialog), dialog)
    turns, out, listed = (tmp_path / name for name in ("turns.parquet", "votes.parquet", "votes.tsv"))

    def index():
        label_index.index_turns(root, dialogs, "error", turns, tmp_path / "turns.tsv")
        index_votes(root, dialogs, turns, out, listed)
        problems = {(row["subject"], row["problem"].split(":")[0]) for row in store.read_tsv(listed)}
        return turns.read_bytes(), labels.labels_digest(root, dialogs), problems

    before, digest, problems = index()
    assert store.read_parquet(out).schema.equals(VOTES_SCHEMA)
    assert store.read_parquet(out).to_pylist()[0] == {
        "turn_id": ONE,
        "annotator": "E2",
        "self": False,
        "labels": ["neu", "ang"],
    }
    wrong = "label is not what evaluators say"
    assert problems == {(f"{d}_{turn}", wrong) for d in dialogs for turn in ("M000", "M001")}  # exc and sad

    path = paths.label_path(root, DIALOG)
    text = path.read_text()
    path.write_text(text.replace("C-E2:", "C-F1:", 1).replace("Neutral; Anger;", "Sadness;"))
    again, same, problems = index()
    assert (again, same) == (before, digest)
    assert {(ONE, "turn without an evaluator's vote"), (f"{DIALOG}_M000", wrong)} <= problems
    assert (f"{DIALOG}_M001", wrong) not in problems
    path.write_text(text.replace("\tneu\t", "\tang\t"))
    again, other, _ = index()
    assert again != before and other != digest

    for dialog in dialogs:
        path = paths.label_path(root, dialog)
        path.write_text("\n".join(line for line in path.read_text().split("\n") if not line.startswith("C-")))
    *_, problems = index()
    assert store.read_parquet(out).num_rows == 0
    assert {what for _, what in problems} == {"no evaluator's vote of any turn"} and len(problems) == 2
