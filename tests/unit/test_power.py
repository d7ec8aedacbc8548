"""The minimal detectable difference against pairs of systems that answer turn by turn."""

import sys
from pathlib import Path

import numpy as np
import pytest

from emofuse.evaluation import power

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import detectable
from simulated import Turns

SUPPORT = np.random.default_rng(0).multinomial(14, [0.2, 0.3, 0.3, 0.2], 30)  # 420 turns of 30 dialogs


def test_the_stated_difference_is_found_four_times_in_five():
    dialog, truth = (np.repeat(of.ravel(), SUPPORT.ravel()) for of in np.indices(SUPPORT.shape))
    turns = Turns(dialog, dialog % 5, None, truth)
    agreement, _, difference, found = next(detectable.simulate(200, 3, turns, [0.8]))
    assert agreement == 0.8 and 0.03 < difference < 0.1
    assert found == pytest.approx(power.POWER, abs=0.085)  # three standard errors


def test_pairs_differ_by_what_is_stated_and_agree_as_often():
    rng = np.random.default_rng(0)
    own = rng.normal(0, power.DIALOG_SD, 200_000)
    first = rng.random(200_000) < 1 / (1 + np.exp(-power.balance(0.06, 0.8) - own))
    assert 0.2 * (2 * first.mean() - 1) == pytest.approx(0.06, abs=0.002)  # of all turns; the others cancel
    assert power.balance(0.0, 0.8) == pytest.approx(0, abs=1e-6) and power.balance(0.2, 0.8) == np.inf


def test_power_follows_the_difference():
    stated = power.detectable(SUPPORT, 0.8)
    assert stated == power.detectable(SUPPORT, 0.8)
    for measure, difference in stated.items():
        reached = [power.power(SUPPORT, 0.8, d, 500, seed=9)[measure] for d in (0, difference, 1.5 * difference)]
        assert reached[0] == pytest.approx(power.LEVEL, abs=0.03)
        assert reached[1] == pytest.approx(power.POWER, abs=0.055)
        assert reached[2] > 0.95


def test_more_agreement_and_more_dialogs_show_less():
    few, many = (power.detectable(support, 0.8)["wa"] for support in (SUPPORT[:15], SUPPORT))
    assert many < few
    assert power.detectable(SUPPORT, 0.9)["wa"] < many


def test_five_dialogs_show_nothing():
    assert np.isnan(list(power.detectable(SUPPORT[:5], 0.7).values())).all()
