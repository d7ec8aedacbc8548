"""How large a difference between two systems a corpus can show: by many made-up pairs of systems on its own dialogs."""

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import norm

from emofuse.evaluation.statistics import Counts, sign_flip

LEVEL, POWER = 0.05, 0.8  # two-sided; the share of times that a difference is to be found
AGREEMENTS = (0.7, 0.8, 0.9)  # shares of turns that two systems have both right or both wrong
# Of the dialogs' effects on log odds, assumed for all simulations: of two dialogs in three a system has between 58 and 82 %
# right instead of 71, or between 35 and 65 % of what only one of two systems has right.
DIALOG_SD = 0.6
SIMULATIONS = 1_000  # an estimate of a power of 0.8 then has a standard error of 0.013
FLIPS = 2_000  # of the test; the evaluation's own 10,000 find no more
ROUNDS = 3  # of the search, each from the one before
BLOCK = 250  # simulations at once


def mean_right(odds, spread):
    """The mean of the logistic function at `odds`, an array, plus normal effects of the standard deviation `spread`."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    return expit(np.asarray(odds)[..., None] + spread * nodes) @ (weights / weights.sum())


def balance(difference, agreement, spread=DIALOG_SD):
    """Log odds, before a dialog's effect, that of what only one of two systems has right it is the first, so that this one is
    better by `difference` (a fraction of all turns, at most 1 - agreement)."""
    share = (1 + difference / (1 - agreement)) / 2
    if share >= 1:
        return np.inf
    return brentq(lambda odds: float(mean_right(odds, spread)) - share, -50, 50)


def detectable(support, agreement, simulations=SIMULATIONS, seed=0):
    """{"wa" and "ua": the smallest difference that the dialog-wise sign-flip test finds POWER of the times, or nan where even
    the largest that systems of this agreement can have is found less often}.

    support: (D, C) test turns by dialog and class. agreement: the share of turns that both have right or both wrong; what they
    have right together cancels, so that how good they are does not matter.
    """
    largest = 1 - agreement
    found = {}
    for measure in ("wa", "ua"):
        guesses = [min(largest, 2 * np.sqrt(largest / support.sum()))]
        for number in range(ROUNDS):
            times = simulations if number else BLOCK
            reached = power(support, agreement, guesses[-1], times, seed + number)[measure]
            if guesses[-1] == largest and reached < POWER:
                guesses = [np.nan]
                break
            # As if the difference were normal: power is that of difference / error less the quantile of the test.
            odds = norm.ppf(np.clip(reached, 0.5 / times, 1 - 0.5 / times))
            quantile = norm.ppf(1 - LEVEL / 2)
            guesses.append(min(largest, guesses[-1] * (norm.ppf(POWER) + quantile) / max(odds + quantile, 0.2)))
        found[measure] = float(np.mean(guesses[-2:]))
    return found


def power(support, agreement, difference, simulations=SIMULATIONS, seed=0):
    """{"wa" and "ua": the share of simulations in which a `difference`, the same in all classes, is found}."""
    rng = np.random.default_rng(seed)
    support = np.asarray(support, np.int64)
    odds = balance(difference, agreement)
    found = {"wa": 0, "ua": 0}
    for start in range(0, simulations, BLOCK):
        number = min(BLOCK, simulations - start)
        effects = rng.normal(0, DIALOG_SD, (number, len(support), 1))
        differing = rng.binomial(support, 1 - agreement, (number, *support.shape))
        first = rng.binomial(differing, expit(odds + effects))
        hits = np.concatenate([first, differing - first])[:, None]
        counts = Counts(np.zeros(len(support)), support, hits, hits)
        pairs = [(i, number + i) for i in range(number)]
        for measure, (_, p) in sign_flip(counts, pairs, FLIPS, seed=int(rng.integers(2**32))).items():
            found[measure] += int((p < LEVEL).sum())
    return {measure: times / simulations for measure, times in found.items()}
