"""How often intervals of WA and UA hold the true value, in a simulation: by dialogs, by turns, and Student's t over folds.

`simulated.py` is the corpus. Prints a Markdown table; progress goes to stderr.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow/scripts"))

from simulated import CLASS_EFFECTS, DIALOG_SD, DIALOGS, SPEAKER_SD, draw_turns, long_run, read_options

from emofuse.evaluation.measures import measures
from emofuse.evaluation.statistics import count, intervals, t_interval

RESAMPLES = 1_000  # of each bootstrap
CLASSES = len(CLASS_EFFECTS)


def main(arguments=None):
    """Simulate and print the table."""
    options = read_options(__doc__, "simulated corpora of each kind", arguments)
    print(as_markdown(simulate(options.repetitions, options.seed)))


def simulate(repetitions, seed):
    """A row for each kind of effects, speakers meant, interval and measure: coverage, its Monte Carlo error, mean width."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in tqdm(range(repetitions), unit="corpus"):
        for speaker_sd in (0.0, SPEAKER_SD):
            speakers = rng.normal(0, speaker_sd, 2 * len(DIALOGS))
            targets = {"new": long_run(speaker_sd=speaker_sd)}
            if speaker_sd:
                targets["these ten"] = long_run(speakers)
            turns = draw_turns(rng)
            odds = CLASS_EFFECTS[turns.truth] + rng.normal(0, DIALOG_SD, DIALOGS.sum())[turns.dialog]
            right = rng.random(len(odds)) < expit(odds + speakers[turns.speaker])
            wrong = (turns.truth + rng.integers(1, CLASSES, len(odds))) % CLASSES
            for kind, ends in all_intervals(turns, np.where(right, turns.truth, wrong), rng).items():
                for meant, target in targets.items():
                    for measure, (low, high) in ends.items():
                        covers = low <= target[measure] <= high
                        found.append((bool(speaker_sd), meant, kind, measure, covers, high - low))
    names = ["speaker_effects", "speakers", "interval", "measure"]
    frame = pd.DataFrame(found, columns=[*names, "covers", "width"]).sort_values(names[:2], kind="stable")
    table = frame.groupby(names, sort=False).agg(coverage=("covers", "mean"), width=("width", "mean")).reset_index()
    table["error"] = np.sqrt(table["coverage"] * (1 - table["coverage"]) / repetitions)
    return table


def all_intervals(turns, prediction, rng):
    """{kind: {measure: (lower, upper)}} of one system's predictions, (n,) class indices."""
    counts = count(turns.dialog, turns.session, turns.truth, prediction[None, None], CLASSES)
    by_dialog = intervals(counts, resamples=RESAMPLES, seed=int(rng.integers(2**32)))
    # Turns drawn with replacement: how often each cell of the confusion matrix comes is multinomial.
    confusion = np.bincount(turns.truth * CLASSES + prediction, minlength=CLASSES**2)
    drawn = rng.multinomial(len(prediction), confusion / len(prediction), RESAMPLES).reshape(-1, CLASSES, CLASSES)
    by_turn = measures(drawn.sum(axis=2), np.diagonal(drawn, axis1=1, axis2=2), drawn.sum(axis=1))
    folds = [counts.sessions == session for session in range(len(DIALOGS))]
    support, hits, said = (
        np.stack([table[fold].sum(axis=0) for fold in folds])
        for table in (counts.support, counts.hits[0, 0], counts.said[0, 0])
    )
    of_folds = measures(support, hits, said)
    return {
        "bootstrap of dialogs within sessions": {name: by_dialog[name][0] for name in ("wa", "ua")},
        "bootstrap of turns": {name: np.quantile(by_turn[name], [0.025, 0.975]) for name in ("wa", "ua")},
        "Student's t over the five folds": {name: t_interval(of_folds[name]) for name in ("wa", "ua")},
    }


def as_markdown(table):
    """The table with percentages; the Monte Carlo error is one standard error."""
    meant = {
        (False, "new"): "dialogs",
        (True, "new"): "dialogs and speakers; new speakers are meant",
        (True, "these ten"): "dialogs and speakers; these ten are meant",
    }
    lines = [
        "| what turns share | 95 % interval | WA: covered | mean width | UA: covered | mean width |",
        "|---|---|---|---|---|---|",
    ]
    for key, rows in table.groupby(["speaker_effects", "speakers", "interval"], sort=False):
        cells = [meant[key[:2]], key[2]]
        for row in rows.itertuples():
            cells += [f"{100 * row.coverage:.1f} ± {100 * row.error:.1f} %", f"{100 * row.width:.1f} points"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
