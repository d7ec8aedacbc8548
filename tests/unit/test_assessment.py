import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.stats
from evaluation_inputs import SYSTEMS, Run
from fusion_inputs import CLASSES

from emofuse.configuration.named import offline
from emofuse.evaluation import statistics
from emofuse.evaluation.assessment import AssessmentFiles, assess, contexts_table
from emofuse.evaluation.scenes import compare_scenes
from emofuse.fusion.systems import context_pairs, named
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_parquet, write_parquet

NAMES = ("intervals", "comparisons", "contexts", "groups", "calibration", "reliability")
SESSIONS = (1, 2, 3)
SINGLES = ["text-bert", "audio-wav2vec2", "video-videomae"]


def assessed(run, words=None, final_system="validation", resamples=500, **options):
    """Assess a Run: its tables as DataFrames by name."""
    outputs = {name: run.corpus.folder / f"assessment/{name}.parquet" for name in NAMES}
    assess(run.write(), run.splits, words, final_system, AssessmentFiles(**outputs), resamples=resamples, **options)
    return {name: read_parquet(path).to_pandas() for name, path in outputs.items()}


def on_test(run, system, seed=1):
    """Truth and guess of a system's test turns of all folds, and their splits."""
    found = [(*run.rows(system, f"session{k}", seed, "test"), k) for k in run.sessions]
    folds = np.concatenate([np.full(len(truth), k) for truth, _, k in found])
    return np.concatenate([t for t, _, _ in found]), np.concatenate([g for _, g, _ in found]), folds


def only(frame, **wanted):
    mask = np.logical_and.reduce([frame[column] == value for column, value in wanted.items()])
    assert mask.sum() == 1
    return frame[mask].iloc[0]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("run"), SESSIONS)


@pytest.fixture(scope="module")
def tables(run):
    words = run.corpus.folder / "words.parquet"
    write_parquet(words, pa.table({"turn_id": list(texts(run)), "text": list(texts(run).values())}))
    return assessed(run, words)


def texts(run):
    """Every third turn says the same in all sessions, in another spelling; the others never say anything twice."""
    return {
        t: ("Okay, THEN!" if run.corpus.session[i] % 2 else "okay then") if i % 3 == 0 else f"turn {t} speaks"
        for i, t in enumerate(run.corpus.turns)
    }


def test_intervals_hold_the_value_and_the_t_interval_is_that_of_the_folds(run, tables):
    intervals = tables["intervals"]
    assert set(intervals.system) == {s.name for s in SYSTEMS if s.kind != "substituted"} | {
        "majority",
        "scenario",
        "chosen",
    }
    assert set(intervals.measure) == {"wa", "ua", "macro_f1", "weighted_f1"}
    assert (intervals.low <= intervals.value).all() and (intervals.value <= intervals.high).all()
    assert intervals.seed_sd.isna().all()
    for system in (*SINGLES, "early-concat-svm", "text+audio.late-sum-argmax"):
        truth, guess, folds = on_test(run, system)
        row = only(intervals, system=system, measure="wa")
        assert row.value == pytest.approx(np.mean(truth == guess))
        by_fold = [np.mean((truth == guess)[folds == k]) for k in SESSIONS]
        expected = scipy.stats.t.interval(0.95, len(SESSIONS) - 1, np.mean(by_fold), scipy.stats.sem(by_fold))
        assert (row.fold_low, row.fold_high) == pytest.approx(expected)


def test_the_family_is_declared_and_corrected(run, tables):
    comparisons = tables["comparisons"]
    fusions = [f"{kind}-{how}" for kind in ("early", "late") for how in ("sum", "product", "concat")]
    for measure in ("wa", "ua"):
        of_measure = comparisons[comparisons.measure == measure]
        assert of_measure.second.tolist() == [*SINGLES, "majority", "scenario", "chosen-single", *fusions]
        running, expected = 0.0, {}
        for rank, (index, p) in enumerate(sorted(of_measure.p.items(), key=lambda item: item[1])):
            running = max(running, min(1.0, (len(of_measure) - rank) * p))
            expected[index] = running
        assert of_measure.p_holm.to_dict() == pytest.approx(expected)
        assert (of_measure.holds == (of_measure.p_holm < 0.05)).all()
    final = only(tables["intervals"], system="chosen", measure="wa").value
    row = only(comparisons, second="text-bert", measure="wa")
    assert row.difference == pytest.approx(final - only(tables["intervals"], system="text-bert", measure="wa").value)
    n, k = int(row.only_first + row.only_second), int(min(row.only_first, row.only_second))
    assert row.p_mcnemar == pytest.approx(min(1.0, 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n))
    assert comparisons[comparisons.measure == "ua"].p_mcnemar.isna().all()


def test_other_fusions_are_chosen_on_validation(run, tables):
    """The test score of late-sum is that of the classifier that is chosen on validation, fold by fold; so is the single's."""
    for second, ways in {"late-sum": ["late-sum-svm", "late-sum-argmax"], "chosen-single": SINGLES}.items():
        hits = []
        for k in SESSIONS:
            truth, guess = run.rows(run.choice(ways, f"session{k}", 1), f"session{k}", 1, "test")
            hits += (truth == guess).tolist()
        final = only(tables["intervals"], system="chosen", measure="wa").value
        row = only(tables["comparisons"], second=second, measure="wa")
        assert row.difference == pytest.approx(final - np.mean(hits))
        assert row.low <= row.difference <= row.high


def test_what_motion_shows_is_a_group_of_its_own(run, tables):
    turns = run.corpus.turns
    shows = {turn: "speaker" if number % 2 else "listener" for number, turn in enumerate(turns) if number % 5}
    motion = run.corpus.folder / "motion.parquet"
    write_parquet(motion, pa.table({"turn_id": list(shows), "shows": list(shows.values())}))
    groups = assessed(run, resamples=20, motion=motion)["groups"].query("grouping == 'motion'")
    assert set(groups.system) == {"majority", "scenario"}, "and systems that read motion, of which there is none"
    tested = [turn for k in run.sessions for turn, part in run.corpus.parts(k).items() if part == "test"]
    for group in ("speaker", "listener"):
        row = only(groups, group=group, system="majority")
        assert row.n == sum(shows.get(turn) == group for turn in tested) > 0


def test_groups(run, tables):
    groups = tables["groups"]
    truth, guess, _ = on_test(run, "text-bert")
    turns = sorted(t for t in run.truth if run.corpus.session[run.corpus.turns.index(t)] in SESSIONS)
    right = dict(zip(turns, truth == guess, strict=True))
    speakers = groups[(groups.grouping == "speaker") & (groups.system == "text-bert")]
    assert speakers.group.tolist() == [f"Ses0{k}_{letter}" for k in SESSIONS for letter in "FM"]
    for row in speakers.itertuples():
        own = [hit for turn, hit in right.items() if f"{turn[:5]}_{turn[-4]}" == row.group]
        assert (row.n, row.wa) == (len(own), pytest.approx(np.mean(own)))
    said = texts(run)
    seen = {turn: said[turn].startswith(("Okay", "okay")) for turn in turns}
    for group in ("seen", "unseen"):
        own = [hit for turn, hit in right.items() if seen[turn] == (group == "seen")]
        row = only(groups, grouping="words", group=group, system="text-bert")
        assert (row.n, row.wa) == (len(own), pytest.approx(np.mean(own)))
    assert set(groups.system) == {*SINGLES, "majority", "scenario", "chosen"}
    assert set(groups[groups.grouping == "style"].group) == {"improvised"}


def test_calibration_before_and_after(run, tables):
    calibration = tables["calibration"]
    truth, guess, _ = on_test(run, "text-bert")
    turns = sorted(t for t in run.truth if run.corpus.session[run.corpus.turns.index(t)] in SESSIONS)
    splits = [f"session{run.corpus.session[run.corpus.turns.index(turn)]}" for turn in turns]
    after = np.array(
        [run.probabilities("text-bert", split, 1, turn) for turn, split in zip(turns, splits, strict=True)]
    )
    before = after**2 / (after**2).sum(axis=1, keepdims=True)
    for when, probabilities in (("before", before), ("after", after)):
        row = only(calibration, system="text-bert", when=when)
        hot = np.array([[name == t for name in CLASSES] for t in truth])
        assert row.brier == pytest.approx(np.square(probabilities - hot).sum(axis=1).mean(), rel=1e-5)
        confidence, right = probabilities.max(axis=1), truth == guess
        bins = np.ceil(confidence * 15).astype(int)
        ece = sum(abs(right[bins == b].sum() - confidence[bins == b].sum()) for b in set(bins)) / len(truth)
        assert row.ece == pytest.approx(ece, rel=1e-4)
    assert set(calibration[calibration.system == "early-sum-svm"].when) == {"after"}
    reliability = tables["reliability"]
    of_text = reliability[(reliability.system == "text-bert") & (reliability.when == "after")]
    assert (len(of_text), of_text.n.sum()) == (15, len(turns))
    assert set(reliability.system) == {*SINGLES, "chosen"}


def test_two_seeds_are_averaged_and_spread(tmp_path):
    run = Run(tmp_path, SESSIONS, seeds=(1, 7))
    row = only(assessed(run)["intervals"], system="text-bert", measure="wa")
    scores = [np.mean(np.equal(*on_test(run, "text-bert", seed)[:2])) for seed in (1, 7)]
    assert row.value == pytest.approx(np.mean(scores))
    assert row.seed_sd == pytest.approx(np.std(scores, ddof=1))


def test_without_validation_there_is_no_calibration_and_a_named_final_system(tmp_path):
    run = Run(tmp_path, SESSIONS, validation=False)
    with pytest.raises(EmofuseError, match="No validation part"):
        assessed(run)
    tables = assessed(run, final_system="early-concat-svm")
    assert tables["calibration"].empty and tables["reliability"].empty
    row = only(tables["comparisons"], second="early-concat", measure="wa")
    assert (row.difference, row.p) == (0, 1)
    assert "words" not in set(tables["groups"].grouping)


def test_the_same_files_give_the_same_tables(run, tables):
    again = assessed(run, run.corpus.folder / "words.parquet")
    for name, table in tables.items():
        pd.testing.assert_frame_equal(again[name], table)


def test_what_reads_more_of_a_dialog_is_held_against_what_reads_less():
    entries = {f"context-{way}": {"kind": "context", "direction": way, "width": 8} for way in ("both", "none", "past")}
    entries |= {"wider": {"kind": "context", "direction": "both", "width": 9}}
    entries |= {f"window-{n}": {"kind": "window", "before": n, "after": 1 - n} for n in (0, 1)}
    pairs = [("context-both", "context-none"), ("context-both", "context-past"), ("context-past", "context-none")]
    assert context_pairs(entries) == pairs  # neither window reads all that the other does
    encoders = {
        "text": {"bert": {}, "ahead": {"context": {"before": 1, "after": 2}}, "past": {"context": {"after": 0}}}
    }
    later = {"systems": ["context-both", "wider", "window-0"], "encoders": {"text": ["ahead"]}}
    assert offline({"systems": entries, "encoders": encoders}) == later

    rng = np.random.default_rng(3)
    dialogs = np.repeat([f"d{number:02}" for number in range(12)], 9)
    sessions, truth = np.repeat(["1", "2"], 54), rng.integers(0, 2, 108)
    skill = {"context-both": 0.95, "context-none": 0.5, "context-past": 0.7}
    said = {name: np.where(rng.random((2, 108)) < of, truth, 1 - truth) for name, of in skill.items()}
    systems = [named(name, "context", ("text",)) for name in said]
    counts = statistics.count(dialogs, sessions, truth, np.stack(list(said.values())), 2)
    table = contexts_table(counts, statistics.resample(counts, 400), systems, pairs, 400).to_pandas()
    weights = statistics.resampled_sums(sessions[::9], [np.eye(12)], 400)[0][:, np.repeat(np.arange(12), 9)]
    for first, second in pairs:
        row = only(table, first=first, second=second, measure="wa")
        gained = (said[first] == truth).mean(0) - (said[second] == truth).mean(0)  # of each turn, over seeds
        assert row.difference == pytest.approx(gained.mean())
        assert (row.low, row.high) == pytest.approx(tuple(np.quantile(weights @ gained / 108, [0.025, 0.975])))
    of_wa = table[table.measure == "wa"]
    assert sorted(of_wa.p_holm) == pytest.approx(np.maximum.accumulate(np.minimum(1, np.sort(of_wa.p) * [3, 2, 1])))
    assert only(of_wa, first=pairs[0][0], second=pairs[0][1]).holds
    assert contexts_table(counts, {}, systems, [], 400).num_rows == 0


def test_knowing_the_scene_is_worth_what_the_same_turns_gain(tmp_path):
    new, known = (Run(tmp_path / name, SESSIONS, seeds=(1, 7)) for name in ("new", "known"))
    for key, guess in known.guess.items():
        every = {"text-bert": 2, "audio-wav2vec2": 5}.get(
            key[0], len(guess)
        )  # turns of which it knows one in the other run
        guess |= {turn: known.truth[turn] for turn in list(guess)[every - 1 :: every]}
    output, pair = tmp_path / "scenes.parquet", ("text-bert", "audio-wav2vec2")
    files = [(run.write(), run.splits) for run in (new, known)]
    compare_scenes(*files, "late-sum-argmax", output, [pair], resamples=400)
    table = read_parquet(output).to_pandas()
    assert set(table.system) == {s.name for s in SYSTEMS if s.kind != "substituted"} | {
        "majority",
        "scenario",
        "chosen",
    }

    right = {}
    for name in pair:
        for run in (new, known):
            of = [np.equal(*on_test(run, name, seed)[:2]) for seed in run.seeds]
            right[name, run is known] = np.mean(of, axis=0)
    gained = {name: right[name, True] - right[name, False] for name in pair}
    turns = np.array([turn for k in SESSIONS for turn in sorted(new.truth) if turn.startswith(f"Ses0{k}")])
    dialogs, place = np.unique([turn[:-5] for turn in turns], return_inverse=True)
    each = np.eye(len(dialogs))
    weights = statistics.resampled_sums(np.array([name[:5] for name in dialogs]), [each], 400)[0][:, place]
    for less, values in (("", gained[pair[0]]), (pair[1], gained[pair[0]] - gained[pair[1]])):
        row = only(table, system=pair[0], less=less, measure="wa")
        assert row.difference == pytest.approx(values.mean()) and row.difference > 0.1
        ends = np.quantile(weights @ values / weights.sum(axis=1), [0.025, 0.975])
        assert (row.low, row.high) == pytest.approx(tuple(ends), abs=1e-9)

    other = Run(tmp_path / "other", (1, 2), seeds=(1, 7))
    with pytest.raises(EmofuseError, match="protocols do not test the same turns"):
        compare_scenes(files[0], (other.write(), other.splits), "late-sum-argmax", output)
