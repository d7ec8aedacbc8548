"""How well annotators agree and what systems say of their spread, against the same counted by plain loops."""

import itertools
import math
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from evaluation_inputs import Run
from fusion_inputs import CLASSES

from emofuse.corpora.iemocap.labels import parse_labels
from emofuse.corpora.iemocap.names import speaker_of, style_of
from emofuse.corpora.iemocap.votes import parse_votes
from emofuse.corpora.turns import TURNS_SCHEMA
from emofuse.corpora.votes import VOTES_SCHEMA
from emofuse.demo import plan as demo_plan
from emofuse.demo.annotations import label_file, votes_file
from emofuse.demo.turns import direct
from emofuse.evaluation import statistics
from emofuse.evaluation.ceiling import SCHEMA, measure_ceiling
from emofuse.evaluation.folds import Fold
from emofuse.evaluation.spread import of_fold
from emofuse.evaluation.votes import OUTSIDE, TIE, agreement, others_majority, read_shares
from emofuse.fusion.systems import CHOSEN
from emofuse.report.tables import ceiling
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_parquet, write_parquet

MAPPING = {"ang": ["ang"], "hap": ["hap", "exc"], "neu": ["neu"], "sad": ["sad"]}
CLASS_OF = {label: name for name, labels in MAPPING.items() for label in labels}
KEY = ["target", "grouping", "group", "who", "measure"]


def write_votes(path, votes):
    """votes: {turn: {annotator: labels}}."""
    rows = [(turn, name, name[0] != "E", labels) for turn, of in votes.items() for name, labels in of.items()]
    write_parquet(
        path, pa.Table.from_pylist([dict(zip(VOTES_SCHEMA.names, r, strict=True)) for r in rows], VOTES_SCHEMA)
    )
    return path


def write_turns(path, labels):
    """labels: {turn: raw label}."""
    rows = [
        {"turn_id": turn, "session": int(turn[4]), "dialog": turn[:-5], "speaker": speaker_of(turn), "label": label}
        | {"scenario": turn[7:-5], "style": style_of(turn[:-5]), "gender": turn[-4], "start_s": 0.0, "end_s": 1.0}
        for turn, label in labels.items()
    ]
    write_parquet(path, pa.Table.from_pylist(rows, TURNS_SCHEMA))
    return path


def share(labels):
    """{class, or the raw label outside of them: its part of a vote}."""
    parts = Counter()
    for label in labels:
        parts[CLASS_OF.get(label, f"outside {label}")] += 1 / len(labels)
    return parts


def evaluators(of_turn):
    return {name: share(labels) for name, labels in of_turn.items() if name[0] == "E"}


def majority(votes):
    """The one thing that most of some votes name; None for a tie."""
    total = sum(votes, Counter())
    best = [name for name, value in total.items() if abs(value - max(total.values())) < 1e-6]
    return best[0] if len(best) == 1 else None


def held(votes):
    """[(turn, its part of each class, what the others say)] of the votes that can be compared, and why the rest cannot."""
    found, why = [], Counter()
    for turn, of_turn in votes.items():
        said = evaluators(of_turn)
        for name, own in said.items():
            others = [vote for other, vote in said.items() if other != name]
            best = majority(others) if others else None
            if best in CLASSES:
                found.append((turn, own, best))
            else:
                why["alone" if not others else "tie" if best is None else "outside"] += 1
    return found, why


def scores(pairs):
    """WA and UA of (part that is right, what the right class is)."""
    by_class = {name: [part for part, truth in pairs if truth == name] for name in CLASSES}
    wa = sum(part for part, _ in pairs) / len(pairs)
    return wa, float(np.mean([np.mean(parts) for parts in by_class.values() if parts]))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of two seeds, three votes a turn (one turn has one, one has none), and its ceiling by the module."""
    folder = tmp_path_factory.mktemp("ceiling")
    run, rng = Run(folder, seeds=(1, 2)), np.random.default_rng(5)
    for session, number in itertools.product(
        run.sessions, range(2)
    ):  # beside those in dialogs in which nobody is tested
        run.corpus.turns.append(f"Ses0{session}F_impro01_F9{number:02}")
        run.corpus.session.append(session)
        run.corpus.label.append(None)
    raw = {"ang": "ang", "hap": "exc", "neu": "neu", "sad": "sad"}
    labels = {t: raw[c] if c else "xxx" for t, c in zip(run.corpus.turns, run.corpus.label, strict=True)}
    nothing = [turn for turn, label in labels.items() if label == "xxx"]
    beside = [turn for turn in nothing if "F_impro01_F9" in turn]
    labels[beside[1]] = labels[beside[2]] = "fru"
    votes = {}
    for turn, label in labels.items():
        words = [label] if label != "xxx" else []
        drawn = [words * 4 + ["hap", "fru", "sur", "sad"] for _ in range(3)]
        votes[turn] = {f"E{k}": list({str(w) for w in rng.choice(d, rng.integers(1, 3))}) for k, d in enumerate(drawn)}
        votes[turn][f"{turn[-4]}{turn[4]}"] = ["fea"]
    for turn in nothing:
        votes[turn]["E0"] = ["sad"]
    tested = sorted(turn for turn in run.truth if int(turn[4]) in run.sessions)
    votes[tested[0]] = {"E0": ["ang"]}
    votes[tested[1]] = {"F1": ["ang"]}
    votes[beside[0]] = {"E0": ["fru"], "E1": ["sur"], "E2": ["oth"]}
    corpus = {"turns": write_turns(folder / "turns.parquet", labels)}
    corpus["votes"] = write_votes(folder / "votes.parquet", votes)
    paths = run.write(unlabelled=nothing)
    output = folder / "ceiling.parquet"

    def measure(corpus=corpus, paths=paths, final="early-sum-svm"):
        measure_ceiling(paths, run.splits, corpus, MAPPING, final, output, resamples=50)
        return read_parquet(output).to_pandas()

    return run, labels, {turn: votes[turn] for turn in tested}, votes, measure


def test_annotators_and_systems_by_plain_loops(made):
    run, _, votes, _, measure = made
    table = measure()
    value = table.set_index(KEY)["value"]
    pairs, why = held(votes)
    assert len(set(why)) == 3 and {(truth, round(own[truth], 1)) for _, own, truth in pairs} >= {("hap", 0.5)}
    for reason, number in why.items():
        assert value["others", "skipped", reason, "", "count"] == number

    def of(group, name):
        subset = {
            "all": lambda p: True,
            "class": lambda p: p[2] == name,
            "style": lambda p: style_of(p[0][:-5]) == name,
        }
        return [pair for pair in pairs if subset[group](pair)]

    def guesses(system, turns):
        return [{turn: run.guess[system, f"session{turn[4]}", seed][turn] for turn in turns} for seed in run.seeds]

    groups = [("all", "all"), *(("class", name) for name in CLASSES), ("style", "improvised")]
    for grouping, name in groups:
        chosen = of(grouping, name)
        expected = scores([(own[truth], truth) for _, own, truth in chosen])
        key = ("others", grouping, name)
        assert value[(*key, "annotators", "wa")] == pytest.approx(expected[0])
        assert table.set_index(KEY).loc[(*key, "annotators", "wa"), "votes"] == len(chosen)
        if grouping != "class":
            assert value[(*key, "annotators", "ua")] == pytest.approx(expected[1])
        for who, system in (("audio-wav2vec2", "audio-wav2vec2"), ("chosen", "early-sum-svm")):
            said = guesses(system, votes)
            expected = [scores([(float(s[t] == truth), truth) for t, _, truth in chosen])[0] for s in said]
            assert value[(*key, who, "wa")] == pytest.approx(np.mean(expected))

    full = {
        t: len(of) > 1 and len({frozenset(v) for v in of.values()}) == 1 == len(next(iter(of.values())))
        for t, of in ((t, evaluators(v)) for t, v in votes.items())
    }
    several = {turn for turn, of_turn in votes.items() if len(evaluators(of_turn)) > 1}
    for group, turns in (("full", {t for t in several if full[t]}), ("partial", {t for t in several if not full[t]})):
        said = guesses("early-sum-svm", turns)
        expected = [scores([(float(s[t] == run.truth[t]), run.truth[t]) for t in turns]) for s in said]
        found = [value["label", "agreement", group, "chosen", measure] for measure in ("wa", "ua")]
        assert found == pytest.approx(np.mean(expected, axis=0)) and len(turns) > 3
    assert [value["label", "skipped", reason, "", "count"] for reason in ("alone", "unvoted")] == [1, 1]
    assert table[table["measure"] != "count"].eval("low <= value <= high").mean() > 0.9


def test_the_spread_of_votes_by_plain_loops(made):
    run, labels, _, votes, measure = made
    table = measure()
    value = table.set_index(KEY)["value"]
    nothing = [turn for turn, label in labels.items() if label in ("xxx", "fru")]
    beside = [turn for turn in nothing if "F_impro01_F9" in turn]
    for group, turns in (
        ("none", [turn for turn in beside if labels[turn] == "xxx"][1:]),
        ("outside", [turn for turn in beside if labels[turn] == "fru"]),
    ):
        expected, floor = [], []
        for turn, seed in itertools.product(turns, run.seeds):
            total = sum(evaluators(votes[turn]).values(), Counter())
            inside = sum(total[name] for name in CLASSES)
            said = run.of_no_class("early-sum-svm", f"session{turn[4]}", seed, turn)
            soft = [total[name] / inside for name in CLASSES]
            expected.append(-sum(q * math.log(p) for q, p in zip(soft, said, strict=True)))
            floor.append(-sum(q * math.log(q) for q in soft if q))
        key = ("spread", "agreement", group)
        assert value[(*key, "chosen", "cross_entropy")] == pytest.approx(np.mean(expected))
        assert value[(*key, "floor", "cross_entropy")] == pytest.approx(np.mean(floor))
        assert value[(*key, "uniform", "cross_entropy")] == pytest.approx(math.log(4))
        assert value[(*key, "training", "cross_entropy")] == pytest.approx(math.log(4))  # as many turns of each class
        assert value[(*key, "chosen", "gain")] == pytest.approx(math.log(4) - np.mean(expected))
        assert set(table[table["group"] == group]["turns"].dropna()) == {len(turns)}
    assert value["spread", "skipped", "unvoted", "", "count"] == 1
    assert value["spread", "skipped", "unspoken", "", "count"] == 0
    assert measure(paths=run.write()).set_index(KEY)["value"]["spread", "skipped", "unspoken", "", "count"] == 5
    run.write(unlabelled=nothing)


def test_training_shares_are_those_of_the_folds_training_part():
    frame = pd.DataFrame(
        {"part": ["train"] * 5 + ["test"], "class": ["a", "b", "a", "a", "b", "b"]}, index=list("uvwxyz")
    )
    fold = Fold(np.array(["z"]), np.array(["test"]), np.array([1]))
    fold.probabilities["after"][CHOSEN] = np.array([[0.9, 0.1]])
    soft = pd.DataFrame({"a": [0.25, 1.0], "b": [0.75, 0.0]}, index=["z", "q"])
    others = {("s", 1): pd.DataFrame({"a": [0.0, 0.5], "b": [1.0, 0.5]}, index=["q", "unvoted"])}
    found = of_fold(("s", 1), fold, {"s": frame}, others, soft)
    assert found.loc["z", "training"] == pytest.approx(-0.25 * math.log(0.6) - 0.75 * math.log(0.4))
    assert found.loc["z", "chosen"] == pytest.approx(-0.25 * math.log(0.9) - 0.75 * math.log(0.1))
    assert found.loc["q", "chosen"] == pytest.approx(-math.log(1e-6)) and list(found.index) == ["q", "z"]


def test_without_votes_there_is_nothing_to_say(made, tmp_path):
    _, labels, _, votes, measure = made
    turns = write_turns(tmp_path / "turns.parquet", labels)
    own = {turn: {name: said for name, said in of_turn.items() if name[0] != "E"} for turn, of_turn in votes.items()}
    for kept in ({}, own):
        table = measure({"turns": turns, "votes": write_votes(tmp_path / "votes.parquet", kept)})
        assert table.empty and list(table) == SCHEMA.names


def test_without_calibration_nothing_is_said_of_the_spread(made, tmp_path):
    _, labels, _, votes, _ = made
    run, output = Run(tmp_path, validation=False), tmp_path / "ceiling.parquet"
    corpus = {"turns": write_turns(tmp_path / "turns.parquet", labels)}
    corpus["votes"] = write_votes(tmp_path / "votes.parquet", votes)
    measure_ceiling(run.write(), run.splits, corpus, MAPPING, "text-bert", output, resamples=50)
    table = read_parquet(output).to_pandas()
    assert set(table[table["target"] == "spread"]["measure"]) == {"count"} and "others" in set(table["target"])
    assert "no calibrated probability" in ceiling.make("spread", SimpleNamespace(ceiling=table)).caption
    assert ceiling.make("ceiling", SimpleNamespace(ceiling=table)).values.shape[0] > 5


def test_turns_of_the_split_may_not_stand_among_those_of_no_class(made, tmp_path):
    run, *_, measure = made
    path = run.path("svm", "session1", 1)
    before, table = path.read_bytes(), read_parquet(path)
    for column, changed, message in (
        ("turn_id", table["turn_id"][0], "turns of the split stand among those of no class"),
        ("truth", "ang", "turns of no class have a class in it"),
    ):
        rows = table.to_pylist()
        for row in rows:
            row[column] = str(changed) if row["part"] == "unlabelled" else row[column]
        write_parquet(path, pa.Table.from_pylist(rows, table.schema))
        with pytest.raises(EmofuseError, match=message):
            measure()
    path.write_bytes(before)


def test_counting_parts_is_counting_where_there_are_none():
    rng = np.random.default_rng(3)
    dialogs = rng.choice(["a", "b", "c", "d"], 50)
    sessions, truth, said = np.char.add("s", np.char.replace(dialogs, "b", "a")), rng.integers(0, 3, 50), None
    said = rng.integers(0, 3, (2, 2, 50))
    one = statistics.count(dialogs, sessions, truth, said, 3)
    two = statistics.count_shares(dialogs, sessions, truth, np.eye(3)[said])
    for name in ("sessions", "support", "hits", "said"):
        assert np.array_equal(getattr(one, name), getattr(two, name))
    values = np.column_stack([said[0, 0] == truth, said[1, 0] == truth]).astype(float)
    drawn = statistics.resample_means(dialogs, sessions, values, 40)
    assert np.allclose(drawn, statistics.resample(statistics.count(dialogs, sessions, truth, said[:, :1], 3), 40)["wa"])


def test_the_demos_annotators(tmp_path):
    """The majority of their votes is the label, xxx has none; they disagree where modalities do; numbers by plain loops."""
    votes, label_of, shown = {}, {}, {}
    for dialog in demo_plan.DIALOGS:
        turns = sorted(direct(dialog, 0), key=lambda turn: turn.turn_id)
        data = label_file(dialog, turns, 0)
        text = data.decode("utf-8-sig", errors="replace").replace("\r\n", "\n")
        found, faults = parse_votes(text)
        assert faults == [] and [turn.label for turn in parse_labels(text, dialog, "")[0]] == [t.label for t in turns]
        for vote in found:
            votes.setdefault(vote.turn_id, {})[vote.annotator] = vote.labels
        words = dict(line.split(" :") for line in votes_file(turns, 0).decode().splitlines())
        for turn in turns:
            label_of[turn.turn_id] = turn.label
            shown[turn.turn_id] = [turn.words_class, turn.voice_class, turn.face_class]
            assert f"C-E2:\t{words[turn.turn_id].removesuffix(' ()')}\t(" in text
    raw, spread = {}, {0: [], 1: [], 2: [], 3: []}
    for turn, of_turn in votes.items():
        assert sorted(of_turn) == ["E2", "E3", "E4", f"{turn[-4]}{turn[4]}"]
        totals = Counter()
        for name in ("E2", "E3", "E4"):
            for label in of_turn[name]:
                totals[label] += 1 / len(of_turn[name])
        raw[turn] = [label for label, value in totals.items() if value > 1.5 - 1e-9]
        if label_of[turn] == "xxx":
            assert not raw[turn] and max(totals.values()) < 1.01
            continue
        assert raw[turn] == [label_of[turn]]
        if label_of[turn] in CLASS_OF:
            misled = sum(name != CLASS_OF[label_of[turn]] for name in shown[turn])
            spread[misled].append(len({tuple(of_turn[name]) for name in ("E2", "E3", "E4")}) > 1)
    shares = [np.mean(spread[number]) for number in (0, 1, 2)]
    assert shares[0] + 0.1 < shares[1] < shares[2]

    found = read_shares(write_votes(tmp_path / "votes.parquet", votes), MAPPING)
    in_class = {turn: votes[turn] for turn in votes if label_of[turn] in CLASS_OF}
    pairs, why = held(in_class)
    of_class = found[found.index.get_level_values("turn_id").isin(list(in_class))]
    said = others_majority(of_class, CLASSES)
    own = of_class[np.isin(said, CLASSES)]
    right = sum(row[truth] for (_, row), truth in zip(own.iterrows(), said[np.isin(said, CLASSES)], strict=True))
    assert (right, len(own)) == (pytest.approx(sum(vote[truth] for _, vote, truth in pairs)), len(pairs))
    assert (np.sum(said == TIE), np.sum(said == OUTSIDE)) == (why["tie"], why["outside"])
    assert 0.75 < right / len(own) < 0.95
    assert agreement(of_class).eq("full").sum() == sum(
        len({tuple(sorted(v)) for v in evaluators(v).values()}) == 1 and len(next(iter(evaluators(v).values()))) == 1
        for v in in_class.values()
    )
