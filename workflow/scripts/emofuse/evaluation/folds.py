"""What all systems say of one fold's turns, and of all folds together."""

from dataclasses import dataclass, field

import numpy as np

from emofuse.fusion.systems import System


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
