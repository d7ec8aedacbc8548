"""What all systems say of one fold's turns, and of all folds together."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from emofuse.fusion.alignment import some
from emofuse.fusion.systems import System
from emofuse.runtime.errors import EmofuseError


@dataclass
class Fold:
    """What all systems say of the validation and test turns of one split, trained with one seed.

    `turns`, `parts`: (n,) str, sorted by turn; `truth`: (n,) indices into the classes; `predictions[system]`: (n,) alike;
    `probabilities[when][system]`: (n, classes) float64, when is before or after calibration, empty where not asked for or
    not there.
    """

    turns: np.ndarray
    parts: np.ndarray
    truth: np.ndarray
    predictions: dict[System, np.ndarray] = field(default_factory=dict)
    probabilities: dict[str, dict[System, np.ndarray]] = field(default_factory=lambda: {"before": {}, "after": {}})

    def part(self, name):
        """The fold with the turns of one part alone."""
        return self.where(self.parts == name)

    def where(self, rows):
        """The fold with the turns of an (n,) bool mask alone."""
        return Fold(
            self.turns[rows],
            self.parts[rows],
            self.truth[rows],
            {system: said[rows] for system, said in self.predictions.items()},
            {when: {s: p[rows] for s, p in found.items()} for when, found in self.probabilities.items()},
        )

    def add(self, name, system):
        """Let `name`, a System, say what `system` says."""
        self.predictions[name] = self.predictions[system]
        for found in self.probabilities.values():
            if system in found:
                found[name] = found[system]


def pooled_tests(folds, frames):
    """(a Fold a seed of the test turns of all splits, their rows of the splits by turn_id).

    folds: {(split, seed): Fold}; frames: {split: DataFrame by turn_id}. Raises EmofuseError unless all seeds have the same test
    turns.
    """
    seeds = sorted({seed for _, seed in folds})
    pooled = [pool([fold.part("test") for (_, other), fold in folds.items() if other == seed]) for seed in seeds]
    for fold in pooled[1:]:
        if not np.array_equal(fold.turns, pooled[0].turns):
            differing = set(fold.turns) ^ set(pooled[0].turns)
            raise EmofuseError(
                f"The seeds do not have the same test turns: {some(differing)}; make the predictions anew."
            )
    return pooled, pd.concat(frame[frame["part"] == "test"] for frame in frames.values()).loc[pooled[0].turns]


def pool(folds):
    """Folds of one seed as one, with the systems that all of them have."""
    first = folds[0]
    return Fold(
        *(np.concatenate([getattr(fold, name) for fold in folds]) for name in ("turns", "parts", "truth")),
        {system: np.concatenate([fold.predictions[system] for fold in folds]) for system in first.predictions},
        {
            when: {
                system: np.concatenate([fold.probabilities[when][system] for fold in folds])
                for system in found
                if all(system in fold.probabilities[when] for fold in folds)
            }
            for when, found in first.probabilities.items()
        },
    )


def clusters(facts):
    """What intervals and tests draw, of the turns of some splits' rows: 'dialogs', or 'speakers', which stand in for them where
    a corpus has none."""
    return "speakers" if (facts["dialog"] == facts["speaker"]).all() else "dialogs"


def strata(facts):
    """(n,) int: within which dialogs are drawn, the session of each turn (rows of the splits).

    Speakers are drawn all together: two of a fold say little about how speakers differ.
    """
    sessions = facts["session"].to_numpy()
    return sessions if clusters(facts) == "dialogs" else np.zeros_like(sessions)
