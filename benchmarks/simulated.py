"""Draws turns of a made-up corpus of IEMOCAP's size, and knows how often they go right in the long run: for the simulations.

Each dialog, session, speaker and class is a number. All is drawn anew each time: a dialog's length (negative binomial), its
mix of classes (Dirichlet), and the effects that the odds of its turns share (normal).
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow/scripts"))

from emofuse.evaluation.power import DIALOG_SD, mean_right

DIALOGS = np.array([28, 30, 32, 30, 31])  # of IEMOCAP's sessions
CLASS_TURNS = np.array([1103, 1636, 1708, 1084])  # IEMOCAP's angry, happy (with excited), neutral and sad turns
SHARES = CLASS_TURNS / CLASS_TURNS.sum()
TURNS = CLASS_TURNS.sum() / DIALOGS.sum()  # of a dialog, on average: 36.6
SHAPE = 5  # of the negative binomial: a standard deviation of 16.6 turns
CONCENTRATION = 2.0  # of the Dirichlet: most turns of a dialog are of one or two classes
CLASS_EFFECTS = np.array([1.2, 0.8, 0.6, 1.0])  # log odds of a right answer where all other effects are 0
SPEAKER_SD = 0.4  # of the speakers' effects


@dataclass
class Turns:
    """Turns of one corpus: dialog (0 to 150), session (0 to 4), speaker (0 to 9), truth (class), each (n,) int64."""

    dialog: np.ndarray
    session: np.ndarray
    speaker: np.ndarray
    truth: np.ndarray


def draw_turns(rng):
    """Turns of a corpus; each turn is of one of its session's two speakers, with equal odds."""
    dialogs = DIALOGS.sum()
    lengths = 1 + rng.negative_binomial(SHAPE, SHAPE / (SHAPE + TURNS - 1), dialogs)
    dialog = np.repeat(np.arange(dialogs), lengths)
    session = np.repeat(np.arange(len(DIALOGS)), DIALOGS)[dialog]
    mixes = rng.dirichlet(CONCENTRATION * SHARES, dialogs).cumsum(axis=1)
    truth = (rng.random((len(dialog), 1)) > mixes[dialog, :-1]).sum(axis=1)
    return Turns(dialog, session, 2 * session + rng.integers(0, 2, len(dialog)), truth)


def long_run(speaker_effects=None, speaker_sd=0.0):
    """WA and UA, fractions, of endlessly many dialogs: of new speakers, or of those ten who have `speaker_effects` (10,).

    Length, mix and effects of a dialog are independent, so the classes' shares are SHARES, and a class's recall is the
    mean of the logistic function over the effects, here by Gauss and Hermite's quadrature.
    """
    if speaker_effects is None:
        speaker_effects, of_speaker = np.zeros(1), np.ones(1)
    else:
        of_speaker = np.repeat(DIALOGS / DIALOGS.sum() / 2, 2)
    odds = CLASS_EFFECTS[:, None] + speaker_effects
    recalls = mean_right(odds, np.hypot(DIALOG_SD, speaker_sd)) @ of_speaker
    return {"wa": recalls @ SHARES, "ua": recalls.mean()}


def read_options(description, corpora, arguments=None):
    """What a simulation is started with: `repetitions` of the `corpora`, and the `seed`."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=4_000, help=f"{corpora} (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn (%(default)s)")
    return parser.parse_args(arguments)
