"""How much WA rises, in a simulation, if the best of equally good systems is chosen on test turns instead of validation.

`simulated.py` is the corpus. Prints a Markdown table; progress goes to stderr.
"""

import numpy as np
from scipy.special import expit
from simulated import CLASS_EFFECTS, DIALOG_SD, DIALOGS, draw_turns, read_options
from tqdm import tqdm

SYSTEMS = 20
SYSTEM_SD = 0.3  # of a system's own effect on a dialog's log odds, beside the dialog's that all systems share
ON_TEST, IN_EACH, ON_VALIDATION = (
    "on the test turns of all folds together",
    "in each fold on its test turns",
    "in each fold on its validation turns",
)


def main(arguments=None):
    """Simulate and print the table."""
    options = read_options(__doc__, "simulated corpora", arguments)
    print(as_markdown(simulate(options.repetitions, options.seed)))


def simulate(repetitions, seed):
    """{way to choose: (mean, standard error)}: what the chosen system's WA on all test turns has above the systems' mean.

    Fraction of turns. The systems' mean, whose expectation is every system's, takes the corpus's own luck away.
    """
    rng = np.random.default_rng(seed)
    raised = {ON_TEST: [], IN_EACH: [], ON_VALIDATION: []}
    for _ in tqdm(range(repetitions), unit="corpus"):
        turns = draw_turns(rng)
        effects = rng.normal(0, DIALOG_SD, (DIALOGS.sum(), 1)) + rng.normal(0, SYSTEM_SD, (DIALOGS.sum(), SYSTEMS))
        odds = CLASS_EFFECTS[turns.truth, None] + effects[turns.dialog]
        right = rng.random(odds.shape) < expit(odds)
        hits = np.stack([right[turns.session == fold].sum(axis=0) for fold in range(len(DIALOGS))])
        folds = np.arange(len(DIALOGS))
        best = hits.argmax(axis=1)
        chosen = {
            ON_TEST: hits.sum(axis=0).max(),
            IN_EACH: hits[folds, best].sum(),
            ON_VALIDATION: hits[folds, best[folds - 1]].sum(),  # fold k validates on the session before its own
        }
        for way, total in chosen.items():
            raised[way].append((total - hits.sum(axis=0).mean()) / len(turns.truth))
    return {way: (np.mean(values), np.std(values, ddof=1) / np.sqrt(repetitions)) for way, values in raised.items()}


def as_markdown(raised):
    """The table in percentage points; the Monte Carlo error is one standard error."""
    lines = [f"| the best of {SYSTEMS} equally good systems, chosen | raises WA by (points) |", "|---|---|"]
    lines += [f"| {way} | {100 * mean:+.2f} ± {100 * error:.2f} |" for way, (mean, error) in raised.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
