"""Listings: how a corpus that a recipe lists is dealt to folds, indexed, and what its jobs depend on."""

import numpy as np
import pandas as pd
import pytest

from emofuse.corpora.listing import Listing, Row
from emofuse.corpora.listing_index import deal, index_turns, index_votes, index_words
from emofuse.corpora.units import unit_of
from emofuse.evaluation.folds import strata
from emofuse.media.wav import wav_bytes
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_parquet, read_tsv
from emofuse.splits.parts import make_split
from emofuse.splits.rules import Scheme

LABELS = ("happy", "sad", "angry")
FOLDS = {"by": "speaker", "number": 3, "seed": 0}


def rows(speakers=6, turns=9, **of_row):
    return [
        Row(f"s{s}-{t}", f"s{s}", LABELS[t % 3], **{key: make(s, t) for key, make in of_row.items()})
        for s in range(speakers)
        for t in range(turns)
    ]


def test_whole_speakers_are_dealt_evenly_and_alike_each_time():
    listed = rows()
    dealt = deal(listed, FOLDS)
    of_speaker = pd.Series(dealt).groupby([row.speaker for row in listed]).nunique()
    assert (of_speaker == 1).all() and np.bincount(dealt).tolist() == [0, 18, 18, 18]
    assert np.array_equal(dealt, deal(listed, FOLDS))
    assert any(not np.array_equal(dealt, deal(listed, FOLDS | {"seed": seed})) for seed in range(1, 6))


def test_speakers_of_one_dialog_stay_together_and_too_few_wholes_are_refused():
    listed = rows(dialog=lambda s, t: f"d{s // 2}")
    dealt = pd.Series(deal(listed, FOLDS)).groupby([row.dialog for row in listed]).nunique()
    assert (dealt == 1).all()
    with pytest.raises(EmofuseError, match=r"4 folds of whole speakers .* has 3 such wholes"):
        deal(listed, FOLDS | {"number": 4})
    with pytest.raises(EmofuseError, match="turn s0-0 is of none"):
        deal(listed, FOLDS | {"by": "group"})
    groups = rows(group=lambda s, t: f"g{s // 2}")
    assert (pd.Series(deal(groups, FOLDS | {"by": "group"})).groupby([r.group for r in groups]).nunique() == 1).all()


def test_index_of_whole_files_and_spans(tmp_path):
    (tmp_path / "a.wav").write_bytes(wav_bytes(np.zeros(16_000, np.int16)))
    (tmp_path / "words.txt").write_text("I know\n it.\n")
    listed = rows(audio=lambda s, t: "a.wav", dialog=lambda s, t: f"d{s}", scene=lambda s, t: f"x{t}")
    listed[0] = Row(
        "s0-0", "s0", "", "a.wav", start_s=0.25, end_s=0.5, text_file="words.txt", raters={"r1": "sad"}, dialog="d0"
    )
    listed[1] = Row("s0-1", "s0", "sad", None, dialog="d0")
    listing = Listing(tmp_path, listed, [(".", "warning", "odd: very", "kept")])
    index_turns(listing, FOLDS, "error", tmp_path / "turns.parquet", tmp_path / "problems.tsv")
    turns = read_parquet(tmp_path / "turns.parquet").to_pandas().set_index("turn_id")
    assert turns.loc["s0-0", ["start_s", "end_s"]].tolist() == [0.25, 0.5] and turns.loc["s0-1", "end_s"] == 0
    assert turns.loc[["s1-0", "s1-1", "s1-2"], ["start_s", "end_s"]].to_numpy().tolist() == [[0, 1], [1, 2], [2, 3]]
    assert turns.loc["s2-1", "scenario"] == "x1" and turns["session"].between(1, 3).all()
    told = [row["problem"] for row in read_tsv(tmp_path / "problems.tsv")]
    assert "odd: very" in told and "turns without a label: 1" in told
    index_words(listing, "error", tmp_path / "words.parquet", tmp_path / "problems.tsv")
    assert read_parquet(tmp_path / "words.parquet").to_pylist() == [{"turn_id": "s0-0", "text": "I know it."}]
    index_votes(listing, tmp_path / "votes.parquet", tmp_path / "problems.tsv")
    assert read_parquet(tmp_path / "votes.parquet").to_pylist() == [
        {"turn_id": "s0-0", "annotator": "r1", "self": False, "labels": ["sad"]}
    ]


@pytest.mark.parametrize("with_part", [0, 1])
def test_parts_of_some_turns_alone_are_refused(tmp_path, with_part):
    listed = rows(part=lambda s, t: "train" if (s == 0 and t == 0) == with_part else None)
    with pytest.raises(EmofuseError, match="some turns of the corpus have a part"):
        index_turns(Listing(tmp_path, listed), FOLDS, "error", tmp_path / "t.parquet", tmp_path / "p.tsv")


def test_a_job_depends_on_its_own_turns_and_files_alone(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.wav").write_bytes(wav_bytes(np.zeros(100, np.int16)))
    listed = rows(audio=lambda s, t: "ab"[s % 2] + ".wav")
    before, unit = Listing(tmp_path, listed), unit_of(listed[0].turn_id)
    other = next(name for name in before.units if name != unit)
    listed = [Row("s0-0", "s0", "angry", "a.wav", text="Yes"), *listed[1:]]
    after = Listing(tmp_path, listed)
    changed = {job for job in ("turns", "votes", "text", "audio", "video") if before.digest(job) != after.digest(job)}
    assert changed == {"turns", "text"}  # a label; words
    assert before.digest("text", unit) != after.digest("text", unit) and before.digest("text", other) == after.digest(
        "text", other
    )
    assert before.digest("audio", unit) == after.digest("audio", unit)
    known = after.digest("audio", unit)
    (tmp_path / "a.wav").write_bytes(wav_bytes(np.zeros(101, np.int16)))
    assert after.digest("audio", unit) != known and after.digest("text") == Listing(tmp_path, listed).digest("text")


def test_what_is_not_there_is_told_before_anything_runs(tmp_path):
    listing = Listing(tmp_path, rows(2, 3, audio=lambda s, t: f"{s}.wav"))
    with pytest.raises(EmofuseError, match=r"Missing files of the corpus: 2 (.|\n)*1\.wav"):
        listing.require({"sad": ["sad"]}, drop=False)
    listing.require({"sad": ["sad"]}, drop=True)
    with pytest.raises(EmofuseError, match=r"classes: no turn .* label of fear; its labels are happy \(2\), sad \(2\)"):
        listing.require({"sad": ["sad"], "fear": ["fearful"]}, drop=True)


@pytest.mark.parametrize("split", ["official1", "official1-refit", "official1-without2", "fold2", "selection2"])
def test_splits_of_a_corpus_without_sessions(tmp_path, split):
    listed = rows(9, part=lambda s, t: ("train", "val", "test")[max(0, t - 6)])
    index_turns(Listing(tmp_path, listed), FOLDS, "error", tmp_path / "t.parquet", tmp_path / "p.tsv")
    rule = "none" if split.endswith("-refit") else "previous_session"
    classes = {label: [label] for label in LABELS}
    if not split.startswith("official"):
        make_split(tmp_path / "t.parquet", split, classes, "all", Scheme([1, 2, 3], rule), tmp_path / "s.parquet")
        found = read_parquet(tmp_path / "s.parquet").to_pandas()
        assert found.groupby("speaker")["part"].nunique().eq(1).all()
        assert found.groupby("part")["session"].unique().map(list).to_dict() == {"train": [3], "val": [1], "test": [2]}
        assert strata(found).tolist() == [0] * len(found)
        assert strata(found.assign(dialog="d")).tolist() == found["session"].tolist()
        return
    with pytest.raises(EmofuseError, match="dialogs in the train and the test part"):
        make_split(tmp_path / "t.parquet", split, classes, "all", Scheme([1, 2, 3], rule), tmp_path / "s.parquet")
    listed = [Row(r.turn_id, r.speaker, r.label, part=r.part, dialog=f"{r.speaker}{r.part}") for r in listed]
    folds = FOLDS | {"by": "dialog"}
    index_turns(Listing(tmp_path, listed), folds, "error", tmp_path / "t.parquet", tmp_path / "p.tsv")
    make_split(tmp_path / "t.parquet", split, classes, "all", Scheme([1, 2, 3], rule), tmp_path / "s.parquet")
    found = read_parquet(tmp_path / "s.parquet").to_pandas().set_index("turn_id")["part"].to_dict()
    told = {row.turn_id: row.part for row in listed}
    if split.endswith("-refit"):
        told = {turn: "train" if part == "val" else part for turn, part in told.items()}
    if split.endswith("-without2"):
        assert set(found.values()) == {"train", "held", "val", "test"}
        found = {turn: "train" if part == "held" else part for turn, part in found.items()}
    assert found == told
