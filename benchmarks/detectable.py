"""Is a minimal detectable difference found four times in five? Turn by turn, with fresh draws and the evaluation's whole test.

`emofuse/evaluation/power.py` states the difference for the dialogs of one corpus that `simulated.py` draws; here pairs of
systems answer these turns. Prints a Markdown table; progress goes to stderr.
"""

import sys
from pathlib import Path

import numpy as np
from scipy.special import expit
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow/scripts"))

from simulated import CLASS_EFFECTS, DIALOG_SD, draw_turns, read_options

from emofuse.evaluation.power import AGREEMENTS, LEVEL, balance, detectable
from emofuse.evaluation.statistics import count, sign_flip

CLASSES = len(CLASS_EFFECTS)


def main(arguments=None):
    """Simulate and print the table."""
    options = read_options(__doc__, "simulated pairs of systems of each agreement", arguments)
    print("| both right or both wrong | measure | difference that is stated | found |\n|---|---|---|---|")
    for agreement, measure, difference, found in simulate(options.repetitions, options.seed):
        error = np.sqrt(found * (1 - found) / options.repetitions)
        cells = [f"{agreement:.0%}", measure.upper(), f"{100 * difference:.1f} points"]
        print(f"| {' | '.join(cells)} | {100 * found:.1f} ± {100 * error:.1f} % |", flush=True)


def simulate(repetitions, seed, turns=None, agreements=AGREEMENTS):
    """Yield (agreement, measure, the difference that is stated, the share of pairs of systems in which it is found).

    turns: those of a corpus, or None for one that is drawn.
    """
    rng = np.random.default_rng(seed)
    turns = turns or draw_turns(rng)
    support = np.zeros((turns.dialog.max() + 1, CLASSES), int)
    np.add.at(support, (turns.dialog, turns.truth), 1)
    for agreement in agreements:
        for measure, difference in detectable(support, agreement).items():
            found = [
                p_of_pair(rng, turns, agreement, difference)[measure] < LEVEL
                for _ in tqdm(range(repetitions), unit="pair")
            ]
            yield agreement, measure, difference, np.mean(found)


def p_of_pair(rng, turns, agreement, difference):
    """{measure: p} of two systems' answers to the turns, the first better by `difference`."""
    own, shared = rng.normal(0, DIALOG_SD, (2, turns.dialog.max() + 1))
    both = rng.random(len(turns.truth)) < expit(CLASS_EFFECTS[turns.truth] + shared[turns.dialog])
    differ = rng.random(len(both)) > agreement
    first = rng.random(len(both)) < expit(balance(difference, agreement) + own[turns.dialog])
    right = np.where(differ, [first, ~first], both)
    wrong = (turns.truth + rng.integers(1, CLASSES, right.shape)) % CLASSES
    counts = count(turns.dialog, turns.session, turns.truth, np.where(right, turns.truth, wrong)[:, None], CLASSES)
    return {name: p[0] for name, (_, p) in sign_flip(counts, [(0, 1)], seed=int(rng.integers(2**32))).items()}


if __name__ == "__main__":
    main()
