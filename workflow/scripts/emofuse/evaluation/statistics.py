"""Says how sure the scores are: intervals by bootstrap over dialogs, and tests of the difference between two systems."""

import math
from dataclasses import dataclass

import numpy as np

from emofuse.evaluation.measures import MEASURES, measures

BLOCK = 2**20  # numbers of one intermediate array of the bootstrap: 8 MB
DRAWN = 2**24  # numbers that are drawn at once, 128 MB; 10,000 resamples of 80,000 dialogs would be 6.4 GB
ROUNDING = 1e-12  # differences of two scores below it are none


@dataclass
class Counts:
    """What S systems with K seeds got right in D dialogs and C classes; all that the measures need, int64, or float64 of parts
    of answers.

    sessions: (D,) str; support: (D, C) turns; hits: (S, K, D, C) turns predicted rightly; said: (S, K, D, C) turns
    predicted to be of the class.
    """

    sessions: np.ndarray
    support: np.ndarray
    hits: np.ndarray
    said: np.ndarray


def count(dialogs, sessions, truth, predictions, classes):
    """The Counts of n turns, dialogs in the order of their names.

    dialogs, sessions: (n,) str of each turn; truth: (n,) class indices; predictions: (S, K, n) class indices; classes:
    their number. Raises ValueError where a dialog lies in two sessions.
    """
    predictions = np.asarray(predictions)
    systems, seeds, _ = predictions.shape
    names, first, dialog = np.unique(dialogs, return_index=True, return_inverse=True)
    of_dialog = np.asarray(sessions)[first]
    split = np.unique(names[dialog[of_dialog[dialog] != sessions]])
    if len(split):
        raise ValueError(f"Dialogs in more than one session: {', '.join(map(str, split))}")
    cells = len(names) * classes
    start = np.arange(systems * seeds).reshape(systems, seeds, 1) * cells + dialog * classes

    def table(index, *shape):
        return np.bincount(index.ravel(), minlength=math.prod(shape) * cells).reshape(*shape, len(names), classes)

    return Counts(
        of_dialog,
        table(dialog * classes + truth),
        table((start + truth)[predictions == truth], systems, seeds),
        table(start + predictions, systems, seeds),
    )


def count_shares(dialogs, sessions, truth, shares):
    """As `count` of answers that may be shared out among the classes: shares, (S, K, n, C) float64, each 1 in all or less."""
    names, first, dialog = np.unique(dialogs, return_index=True, return_inverse=True)
    systems, seeds, _, classes = shares.shape
    right = np.eye(classes)[truth]
    tables = [np.zeros((len(names), systems, seeds, classes)) for _ in range(2)]
    for table, values in zip(tables, (shares * right, shares), strict=True):
        np.add.at(table, dialog, np.moveaxis(values, 2, 0))
    support = np.zeros((len(names), classes))
    np.add.at(support, dialog, right)
    return Counts(np.asarray(sessions)[first], support, *(np.moveaxis(table, 0, 2) for table in tables))


def resample_means(dialogs, sessions, values, resamples=10_000, seed=0):
    """(resamples, V): the mean over the turns of (n, V) values, in bootstrap samples of the dialogs (see `resample`)."""
    names, first, dialog = np.unique(dialogs, return_index=True, return_inverse=True)
    sums = np.zeros((len(names), values.shape[1]))
    np.add.at(sums, dialog, values)
    drawn, turns = resampled_sums(np.asarray(sessions)[first], [sums, np.bincount(dialog)], resamples, seed)
    return drawn / turns


def scores(counts):
    """{measure: (S, K)} of all turns, as fractions; see `measures`."""
    return measures(counts.support.sum(axis=0), counts.hits.sum(axis=2), counts.said.sum(axis=2))


def clustered_error(values, clusters):
    """Standard error of the mean of (n,) values, such as differences of turns, that vary together within (n,) clusters.

    Infinite where there is but one cluster, which says nothing of others.
    """
    from statsmodels.regression.linear_model import OLS

    names, groups = np.unique(clusters, return_inverse=True)
    if len(names) < 2:
        return np.inf
    return float(OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": groups}).bse[0])


def resampled_sums(sessions, tables, resamples, seed=0):
    """The sums of tables (D, ...) over the dialogs in each resample: a list of (resamples, numbers a dialog) float64.

    Of every session (`sessions`: (D,)) as many dialogs as it has are drawn, with replacement, the same for all tables.
    """
    rng = np.random.default_rng(seed)
    sums = [np.zeros((resamples, math.prod(table.shape[1:]))) for table in tables]
    for session in np.unique(sessions):
        own = np.flatnonzero(sessions == session)
        parts = [table[own].astype(np.float64).reshape(len(own), -1) for table in tables]
        for rows in blocks(resamples, len(own)):
            weights = rng.multinomial(len(own), np.full(len(own), 1 / len(own)), size=rows.stop - rows.start)
            weights = weights.astype(np.float64)
            for total, part in zip(sums, parts, strict=True):
                total[rows] += weights @ part
    return sums


def blocks(rows, width):
    """Yield slices of `rows` rows, so many at a time as make DRAWN numbers of the given width."""
    step = max(1, DRAWN // width)
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def intervals(counts, resamples=10_000, level=0.95, seed=0):
    """{measure: (S, 2)}: percentile bootstrap intervals of the mean over seeds, lower and upper end as fractions.

    See `resample`, and `interval_ends` of what it draws.
    """
    return interval_ends(resample(counts, resamples, seed), level)


def interval_ends(drawn, level=0.95):
    """{measure: (S, 2)}: lower and upper end of the percentile intervals of resampled scores, {measure: (resamples, S)}."""
    ends = [(1 - level) / 2, (1 + level) / 2]
    return {name: np.quantile(values, ends, axis=0).T for name, values in drawn.items()}


def resample(counts, resamples=10_000, seed=0):
    """{measure: (resamples, S)}: each system's score, the mean over seeds, a fraction, in bootstrap samples of the dialogs.

    Dialogs are drawn within sessions (`resampled_sums`), the same for all systems, because turns of one dialog go right or
    wrong together. They are other dialogs of these speakers, scored by these trained models: neither
    another training nor other speakers are in them. A session of one dialog does not vary.
    """
    systems, seeds, _, classes = counts.hits.shape
    tables = [counts.support, *(np.moveaxis(table, 2, 0) for table in (counts.hits, counts.said))]
    support, hits, said = resampled_sums(counts.sessions, tables, resamples, seed)
    drawn = {name: np.empty((resamples, systems)) for name in MEASURES}
    step = max(1, BLOCK // hits.shape[1])
    for start in range(0, resamples, step):
        rows = slice(start, start + step)
        block = measures(
            support[rows, None, None],
            hits[rows].reshape(-1, systems, seeds, classes),
            said[rows].reshape(-1, systems, seeds, classes),
        )
        for name, values in block.items():
            drawn[name][rows] = values.mean(axis=2)
    return drawn


def sign_flip(counts, pairs, flips=10_000, seed=0):
    """{"wa" and "ua": (difference (P,), p (P,))} of P pairs of systems, by a two-sided dialog-wise sign-flip test.

    pairs: (a, b) indices of systems; difference: score of a less that of b, mean over seeds, a fraction. WA and UA are
    sums over dialogs, so a dialog's part of the difference is known. If the two systems were equally good, that part
    might as well have the other sign: p is the share of `flips` random choices of all signs, the observed one among
    them, whose difference is at least as large. Dialogs are taken as independent, turns are not.
    """
    a, b = np.asarray(pairs, dtype=np.int64).reshape(-1, 2).T
    means = counts.hits.mean(axis=1)
    support = counts.support.sum(axis=0)
    present = support > 0
    weight = {"wa": np.full(len(support), 1 / support.sum()), "ua": present / np.maximum(support, 1) / present.sum()}
    parts = {name: (means[a] - means[b]) @ by_class for name, by_class in weight.items()}
    found = {name: of.sum(axis=1) for name, of in parts.items()}
    extreme = dict.fromkeys(parts, 0)
    rng = np.random.default_rng(seed)
    for rows in blocks(flips, len(counts.sessions)):
        signs = rng.choice([-1.0, 1.0], size=(rows.stop - rows.start, len(counts.sessions)))
        for name, of in parts.items():
            # Sums in another order differ in their last digits; ties count all the same, and no difference is 0.
            extreme[name] = extreme[name] + (np.abs(signs @ of.T) >= np.abs(found[name]) - ROUNDING).sum(axis=0)
    return {
        name: (np.where(np.abs(of) < ROUNDING, 0.0, of), (1 + extreme[name]) / (1 + flips))
        for name, of in found.items()
    }


def holm(p):
    """Holm's correction of a family of p values (n,): adjusted ones in the same order."""
    from statsmodels.stats.multitest import multipletests

    return multipletests(p, method="holm")[1] if len(p) else np.empty(0)


def mcnemar(a_right, b_right):
    """p of the exact two-sided McNemar test of two systems' hits, (n,) bool each over the same turns.

    It takes turns as independent, which those of one dialog are not: p comes out too small.
    """
    from scipy.stats import binomtest

    a_right, b_right = np.asarray(a_right, dtype=bool), np.asarray(b_right, dtype=bool)
    only_a, only_b = int((a_right & ~b_right).sum()), int((b_right & ~a_right).sum())
    return float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def t_interval(values, level=0.95):
    """(lower, upper) of the mean of independent values, such as a score of each fold, by Student's t.

    (nan, nan) of fewer than two values.
    """
    from scipy.stats import sem, t

    values = np.asarray(values, dtype=np.float64)
    if len(values) < 2:
        return np.nan, np.nan
    half = t.ppf((1 + level) / 2, len(values) - 1) * sem(values)
    return float(values.mean() - half), float(values.mean() + half)
