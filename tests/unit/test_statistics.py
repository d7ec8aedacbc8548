"""Intervals and tests against slow, plain implementations, and short runs of the two simulations."""

import importlib.util
import itertools
import math
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from emofuse.evaluation.measures import MEASURES, measure
from emofuse.evaluation.statistics import (
    count,
    holm,
    intervals,
    mcnemar,
    resampled_sums,
    scores,
    sign_flip,
    t_interval,
)

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def corpus(turns=300, dialogs=12, sessions=3, systems=3, seeds=2, classes=4, seed=0, accuracy=0.6):
    """Arguments of `count`: turns of dialogs of several sessions in any order, and predictions of them."""
    rng = np.random.default_rng(seed)
    dialog = rng.permutation(np.concatenate([np.arange(dialogs), rng.integers(0, dialogs, turns - dialogs)]))
    session = dialog % sessions + 1
    names = np.array([f"Ses{s:02d}F_impro{d:02d}" for s, d in zip(session, dialog, strict=True)])
    truth = rng.integers(0, classes, turns)
    guess = rng.integers(0, classes, (systems, seeds, turns))
    predictions = np.where(rng.random((systems, seeds, turns)) < accuracy, truth, guess)
    return names, session.astype(str), truth, predictions, classes


def drawn(sessions, resamples, seed):
    """How often each dialog is in each resample."""
    return resampled_sums(sessions, [np.eye(len(sessions))], resamples, seed)[0]


def test_counts_by_a_plain_loop():
    dialogs, sessions, truth, predictions, classes = corpus()
    counts = count(dialogs, sessions, truth, predictions, classes)
    names = sorted(set(dialogs))
    assert counts.sessions.tolist() == [dict(zip(dialogs, sessions, strict=True))[name] for name in names]
    for d, c in itertools.product(range(len(names)), range(classes)):
        of_class = [(i, truth[i] == c) for i in range(len(truth)) if dialogs[i] == names[d]]
        assert counts.support[d, c] == sum(own for _, own in of_class)
        for s, k in itertools.product(range(3), range(2)):
            assert counts.said[s, k, d, c] == sum(predictions[s, k, i] == c for i, _ in of_class)
            assert counts.hits[s, k, d, c] == sum(predictions[s, k, i] == c for i, own in of_class if own)


def test_a_dialog_has_one_session():
    dialogs, sessions, *rest = corpus()
    sessions[0] = "9"
    with pytest.raises(ValueError, match=f"more than one session: {dialogs[0]}$"):
        count(dialogs, sessions, *rest)


@pytest.mark.parametrize("classes", [4, 6])
def test_scores_are_those_of_the_evaluation(classes):
    dialogs, sessions, truth, predictions, _ = corpus(classes=4, turns=40)
    predictions[1][predictions[1] == 2] = 0  # a class with turns that is never predicted
    if classes == 6:
        predictions[2, :, 0] = 4  # one predicted though it has no turn, and a sixth that is nowhere
    found = scores(count(dialogs, sessions, truth, predictions, classes))
    for s, k in itertools.product(range(3), range(2)):
        expected = measure(truth, predictions[s, k], classes)
        assert {name: found[name][s, k] for name in MEASURES} == pytest.approx({m: expected[m] for m in MEASURES})


def test_dialogs_are_drawn_within_their_sessions():
    sessions = np.array(["1", "2", "1", "3", "2", "1"])
    weights = drawn(sessions, 20_000, seed=1)
    for session in "123":
        own = weights[:, sessions == session]
        assert (own.sum(axis=1) == own.shape[1]).all()
        share = 1 / own.shape[1]
        assert own.mean(axis=0) == pytest.approx(1, abs=0.04)
        assert own.var(axis=0) == pytest.approx(own.shape[1] * share * (1 - share), abs=0.04)
    assert (drawn(sessions, 10, seed=1) == drawn(sessions, 10, seed=1)).all()
    assert (drawn(sessions, 10, seed=1) != drawn(sessions, 10, seed=2)).any()


@pytest.mark.parametrize("level", [0.95, 0.8])
def test_intervals_by_a_plain_loop_over_the_same_resamples(level):
    """Turns are repeated as often as their dialog was drawn, and scored by scikit-learn."""
    dialogs, sessions, truth, predictions, classes = corpus(turns=40, systems=2, seed=3)
    truth[truth == 3] = 0
    truth[dialogs == dialogs[0]] = 3  # so that there are resamples without a turn of this class
    counts = count(dialogs, sessions, truth, predictions, classes)
    found = intervals(counts, resamples=60, level=level, seed=7)
    weights = drawn(counts.sessions, 60, seed=7)
    position = {name: index for index, name in enumerate(sorted(set(dialogs)))}
    measured = {name: np.empty((60, 2, 2)) for name in MEASURES}
    absent = 0
    for b in range(60):
        rows = np.repeat(np.arange(40), [int(weights[b, position[name]]) for name in dialogs])
        absent += 3 not in truth[rows]
        for s, k in itertools.product(range(2), range(2)):
            y, p = truth[rows], predictions[s, k, rows]
            measured["wa"][b, s, k] = accuracy_score(y, p)
            measured["ua"][b, s, k] = np.mean([(p[y == label] == label).mean() for label in sorted(set(y))])
            measured["macro_f1"][b, s, k] = f1_score(y, p, average="macro", zero_division=0)
            measured["weighted_f1"][b, s, k] = f1_score(y, p, average="weighted", zero_division=0)
    assert 0 < absent < 60
    for name in MEASURES:
        for s in range(2):
            ends = np.percentile(measured[name].mean(axis=2)[:, s], [50 * (1 - level), 50 * (1 + level)])
            np.testing.assert_allclose(found[name][s], ends, rtol=1e-12)


def test_intervals_do_not_depend_on_blocks_nor_on_the_other_systems(monkeypatch):
    counts = count(*corpus())
    found = intervals(counts, resamples=500)
    alone = intervals(count(*corpus()[:3], corpus()[3][1:2], 4), resamples=500)
    monkeypatch.setattr("emofuse.evaluation.statistics.BLOCK", 100)
    blocked = intervals(counts, resamples=500)
    for name in MEASURES:
        assert (found[name] == blocked[name]).all()
        assert (found[name][1:2] == alone[name]).all()
        assert (found[name][:, 0] < scores(counts)[name].mean(axis=1)).all()
        assert (found[name][:, 1] > scores(counts)[name].mean(axis=1)).all()


def test_ten_thousand_resamples_of_a_hundred_systems_take_seconds():
    arguments = corpus(turns=5_531, dialogs=151, sessions=5, systems=100, seeds=1)
    begin = time.process_time()
    found = intervals(count(*arguments))
    assert time.process_time() - begin < 20
    assert found["ua"].shape == (100, 2)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_sign_flips_by_full_enumeration(seed):
    """All 2^10 signs, in exact fractions; pairs with ties, a system against itself, and a clear difference."""
    dialogs, sessions, truth, predictions, classes = corpus(turns=60, dialogs=10, sessions=2, seed=seed)
    predictions[2] = np.where(np.random.default_rng(seed).random(60) < 0.5, truth, predictions[2])
    pairs = [(0, 1), (2, 0), (1, 1), (1, 2)]
    counts = count(dialogs, sessions, truth, predictions, classes)
    found = sign_flip(counts, pairs, flips=40_000, seed=seed)
    assert set(found) == {"wa", "ua"}
    names = sorted(set(dialogs))
    turns = [int((truth == c).sum()) for c in range(classes)]
    weight = {"wa": [Fraction(1, 60)] * classes, "ua": [Fraction(1, n * classes) for n in turns]}
    for name, by_class in weight.items():
        for number, (a, b) in enumerate(pairs):
            parts = dict.fromkeys(names, Fraction(0))
            for i, k in itertools.product(range(60), range(2)):
                better = int(predictions[a, k, i] == truth[i]) - int(predictions[b, k, i] == truth[i])
                parts[dialogs[i]] += better * by_class[truth[i]] / 2
            observed = sum(parts.values())
            signs = itertools.product([-1, 1], repeat=len(names))
            extreme = [
                abs(sum(s * v for s, v in zip(row, parts.values(), strict=True))) >= abs(observed) for row in signs
            ]
            p = sum(extreme) / len(extreme)
            difference, estimate = (values[number] for values in found[name])
            assert difference == pytest.approx(float(observed))
            assert estimate == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / 40_000) + 1e-4)
        means = scores(counts)[name].mean(axis=1)
        np.testing.assert_allclose(found[name][0], [means[a] - means[b] for a, b in pairs], atol=1e-11)


def test_sign_flips_are_reproducible_and_symmetric():
    counts = count(*corpus())
    first, again = (sign_flip(counts, [(0, 1), (1, 0)], flips=999, seed=4) for _ in range(2))
    for name in ("wa", "ua"):
        assert (first[name][1] == again[name][1]).all()
        assert first[name][1][0] == first[name][1][1]
        assert first[name][0][0] == -first[name][0][1]
        assert sign_flip(counts, [(2, 2)])[name] == (0, 1)
    assert [len(values) for values in sign_flip(counts, [])["ua"]] == [0, 0]


def test_equal_parts_of_dialogs_are_ties_and_count():
    """One turn more right in each of seven dialogs: only all signs alike are as extreme, 2 of 2^7."""
    dialogs = np.repeat([f"d{i}" for i in range(7)], 3)
    truth = np.zeros(21, dtype=int)
    predictions = np.ones((2, 1, 21), dtype=int)
    predictions[0, 0, ::3] = 0
    counts = count(dialogs, np.full(21, "1"), truth, predictions, 4)
    for difference, p in sign_flip(counts, [(0, 1)], flips=50_000).values():
        assert difference == pytest.approx([1 / 3])
        assert p == pytest.approx([2 / 128], abs=0.003)


def test_p_of_equally_good_systems_is_uniform():
    """Two systems that are right equally often, dialog by dialog better or worse: 5 % of p are below 0.05."""
    rng = np.random.default_rng(0)
    dialogs, truth = np.repeat(np.arange(40), 20), np.zeros(800, dtype=int)
    values = []
    for repetition in range(400):
        right = rng.random((2, 1, 40, 20)) < rng.beta(4, 3, (2, 1, 40, 1))
        counts = count(dialogs, dialogs % 5, truth, np.where(right.reshape(2, 1, 800), 0, 1), 2)
        values.append(sign_flip(counts, [(0, 1)], flips=499, seed=repetition)["wa"][1][0])
    assert np.mean(np.array(values) <= 0.05) == pytest.approx(0.05, abs=0.033)
    assert np.mean(np.array(values) <= 0.5) == pytest.approx(0.5, abs=0.075)


@pytest.mark.parametrize("size", [1, 2, 7, 20])
def test_holm_by_hand(size):
    rng = np.random.default_rng(size)
    p = rng.random(size) ** 4
    p[rng.integers(size)] = p[0]  # a tie
    order = sorted(range(size), key=lambda index: p[index])
    expected, highest = {}, 0.0
    for step, index in enumerate(order):
        highest = max(highest, min(1.0, (size - step) * p[index]))
        expected[index] = highest
    assert holm(p).tolist() == pytest.approx([expected[index] for index in range(size)])


def test_holm_of_nothing():
    assert holm([]).shape == (0,)


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (1, 0), (0, 6), (5, 5), (9, 4), (30, 61)])
def test_mcnemar_by_the_binomial_sum(only_a, only_b):
    a = np.array([True] * only_a + [False] * only_b + [True] * 8 + [False] * 5)
    b = np.array([False] * only_a + [True] * only_b + [True] * 8 + [False] * 5)
    n, low = only_a + only_b, min(only_a, only_b)
    expected = min(1.0, 2 * sum(math.comb(n, k) for k in range(low + 1)) / 2**n)
    assert mcnemar(a, b) == mcnemar(b, a) == pytest.approx(expected)


def test_t_interval_by_the_table():
    values = [0.61, 0.64, 0.58, 0.7, 0.66]
    mean = sum(values) / 5
    spread = math.sqrt(sum((v - mean) ** 2 for v in values) / 4)
    half = 2.776445 * spread / math.sqrt(5)  # t of 4 degrees of freedom, 97.5 %
    assert t_interval(values) == pytest.approx((mean - half, mean + half))
    assert t_interval(values, 0.9) == pytest.approx(
        (mean - half * 2.131847 / 2.776445, mean + half * 2.131847 / 2.776445)
    )
    assert t_interval([0.5, 0.5]) == (0.5, 0.5)
    assert all(math.isnan(end) for end in t_interval([0.5]) + t_interval([]))


def benchmark(name):
    """A module of benchmarks/, under a name that hides no installed package."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        spec = importlib.util.spec_from_file_location(f"benchmark_{name}", BENCHMARKS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(BENCHMARKS))
    return module


def test_coverage_of_the_intervals():
    """With dialog effects alone the dialog bootstrap covers and the turn bootstrap falls short; new speakers undo it."""
    table = benchmark("coverage").simulate(200, seed=1)
    covered = table.set_index(["speaker_effects", "speakers", "interval", "measure"])["coverage"]
    by_dialog, by_turn = "bootstrap of dialogs within sessions", "bootstrap of turns"
    for name in ("wa", "ua"):
        assert 0.89 <= covered[False, "new", by_dialog, name] <= 0.99
        assert covered[False, "new", by_turn, name] < 0.8
        assert 0.89 <= covered[True, "these ten", by_dialog, name] <= 0.99
        assert covered[True, "new", by_dialog, name] < 0.75
        assert covered[True, "new", "Student's t over the five folds", name] > 0.89


def test_the_long_run_of_the_simulated_corpus_is_what_it_draws():
    simulated = benchmark("simulated")
    rng = np.random.default_rng(0)
    speakers = rng.normal(0, simulated.SPEAKER_SD, 10)
    shares, hits = np.zeros(4), {"new": np.zeros(4), "these": np.zeros(4)}
    for _ in range(300):
        turns = simulated.draw_turns(rng)
        dialog = rng.normal(0, simulated.DIALOG_SD, simulated.DIALOGS.sum())[turns.dialog]
        odds = simulated.CLASS_EFFECTS[turns.truth] + dialog
        shares += np.bincount(turns.truth, minlength=4)
        hits["new"] += np.bincount(turns.truth, 1 / (1 + np.exp(-odds)), minlength=4)
        hits["these"] += np.bincount(turns.truth, 1 / (1 + np.exp(-odds - speakers[turns.speaker])), minlength=4)
    assert shares.sum() / 300 == pytest.approx(5_531, rel=0.01)
    assert shares / shares.sum() == pytest.approx(simulated.SHARES, abs=0.01)
    for meant, expected in (("new", simulated.long_run()), ("these", simulated.long_run(speakers))):
        assert hits[meant].sum() / shares.sum() == pytest.approx(expected["wa"], abs=0.004)
        assert np.mean(hits[meant] / shares) == pytest.approx(expected["ua"], abs=0.004)


def test_choosing_on_the_test_turns_raises_the_score():
    choosing = benchmark("choosing_on_test")
    raised = choosing.simulate(200, seed=1)
    for way, (mean, error) in raised.items():
        assert error < 0.001
        if way == choosing.ON_VALIDATION:
            assert abs(mean) < 4 * error
        else:
            assert mean > 0.01


def test_the_careful_rule_lacks_less_than_the_best_wa_on_validation():
    choosing = benchmark("choosing")
    lacks = choosing.repeat(choosing.regrets_of, "text useless, no video", 60, 3, seed=1)
    mean = {rule.strip("*"): value for (rule, way), (value, _) in lacks.items() if way != choosing.BY_DIALOG}
    assert all(value >= 0 for value in mean.values()) and 0.25 < mean[choosing.ORACLE] < 0.8
    careful = mean["the same by 2 standard errors (`validation`)"]
    assert careful < 0.03 < mean["best WA of the fusions (`validation_wa`)"]
    assert choosing.as_markdown({("text useless, no video", 60): lacks}).count("\n") == 1 + len(lacks)


@pytest.mark.parametrize("name", ["coverage", "choosing_on_test"])
def test_simulations_print_a_table(name, capsys):
    benchmark(name).main(["--repetitions", "3"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == {"coverage": 2 + 9, "choosing_on_test": 2 + 3}[name]
    assert len({line.count("|") for line in lines}) == 1
