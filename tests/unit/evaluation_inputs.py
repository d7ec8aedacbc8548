"""Makes prediction files of random guesses, for the tests of evaluation and assessment."""

import json

import numpy as np
import pyarrow as pa
from fusion_inputs import CLASSES, ENCODERS, Corpus

from emofuse.fusion.systems import systems
from emofuse.runtime.store import write_parquet

SYSTEMS = systems(ENCODERS, ["svm"])
BY_NAME = {system.name: system for system in SYSTEMS}
ALONE = [system.name for system in SYSTEMS if system.kind == "single"]
METHODS = {"argmax": {"method": "temperature", "temperature": 2.0}, "svm": {"method": "sigmoid"}}


class Run:
    """Random predictions of every system: `guess[system, split, seed]` is {turn: class}, right as often as `skill`."""

    def __init__(self, folder, sessions=(1, 2, 3), seeds=(1,), validation=True, per_class=5):
        self.corpus = Corpus(folder, per_class)
        self.sessions, self.seeds, self.validation = sessions, seeds, validation
        self.rng = np.random.default_rng(11)
        self.truth = {t: c for t, c in zip(self.corpus.turns, self.corpus.label, strict=True) if c}
        self.splits = [self.corpus.write_split(session, validation) for session in sessions]
        self.guess = {}
        self.certainty = dict(zip(self.truth, self.rng.uniform(0.3, 0.95, len(self.truth)), strict=True))
        for session in sessions:
            parts = self.corpus.parts(session, validation)
            turns = [turn for turn, part in parts.items() if part != "train"]
            for seed in seeds:
                for index, system in enumerate(SYSTEMS):
                    right = self.rng.random(len(turns)) < 0.3 + 0.04 * index
                    drawn = self.rng.choice(CLASSES, len(turns))
                    chosen = [self.truth[t] if r else str(g) for t, r, g in zip(turns, right, drawn, strict=True)]
                    self.guess[system.name, f"session{session}", seed] = dict(zip(turns, chosen, strict=True))

    def path(self, classifier, split, seed):
        return self.corpus.folder / f"predictions/{classifier}/{split}/seed{seed}.parquet"

    def write(self, without=(), left_out=None, classifiers=("argmax", "svm"), unlabelled=()):
        """Write the prediction files; returns their paths, in no useful order.

        unlabelled: turns of no class, of which each system says a class by its turn and name.
        """
        paths = []
        for classifier, split, seed in sorted(
            {(BY_NAME[name].classifier, split, seed) for name, split, seed in self.guess}
        ):
            if classifier not in classifiers:
                continue
            of_file = [system for system in SYSTEMS if system.classifier == classifier]
            of_file = [
                s for s in of_file if (s.name, split, seed) in self.guess and (s.name, split, seed) not in without
            ]
            parts = self.corpus.parts(int(split[-1]), self.validation)
            rows = []
            for system in of_file:
                guess = self.guess[system.name, split, seed]
                for turn in sorted(set(guess) - set(left_out or {})):
                    row = {"system": system.name, "turn_id": turn, "part": parts[turn], "truth": self.truth[turn]}
                    row["prediction"] = guess[turn]
                    after = self.probabilities(system.name, split, seed, turn)
                    for name, probability in zip(CLASSES, after, strict=True):
                        row[f"score_{name}"] = 2 * np.log(probability)
                        row[f"prob_{name}"] = probability if self.validation else None
                    rows.append(row)
                for turn in sorted(set(unlabelled) & set(self.beside(split))):
                    said = self.of_no_class(system.name, split, seed, turn)
                    row = {"system": system.name, "turn_id": turn, "part": "unlabelled", "truth": None}
                    row["prediction"] = CLASSES[int(said.argmax())]
                    row |= {f"score_{name}": 2 * np.log(p) for name, p in zip(CLASSES, said, strict=True)}
                    rows.append(row | {f"prob_{name}": p for name, p in zip(CLASSES, said, strict=True)})
            described = [
                {
                    name: getattr(system, name)
                    for name in ("name", "kind", "combination", "classifier", "modalities", "missing")
                }
                | {"encoders": {m: ENCODERS[m] for m in system.modalities}}
                | {"calibration": METHODS[classifier] if self.validation else None}
                for system in of_file
            ]
            metadata = {
                "systems": json.dumps(described),
                "split": split,
                "seed": str(seed),
                "classes": json.dumps(CLASSES),
                "left_out": json.dumps(left_out or {}),
                "refit": "false",
            }
            paths.append(self.path(classifier, split, seed))
            write_parquet(paths[-1], pa.Table.from_pylist(rows), metadata)
        return [paths[index] for index in self.rng.permutation(len(paths))]

    def probabilities(self, system, split, seed, turn):
        """(classes,): the guess has the turn's certainty, the others share the rest."""
        said = np.array([name == self.guess[system, split, seed][turn] for name in CLASSES])
        return np.where(said, self.certainty[turn], (1 - self.certainty[turn]) / 3)

    def beside(self, split):
        """Turns of no class in the session that a split tests."""
        of_session = zip(self.corpus.turns, self.corpus.session, self.corpus.label, strict=True)
        return [turn for turn, session, label in of_session if session == int(split[-1]) and not label]

    def of_no_class(self, system, split, seed, turn):
        """(classes,): what a system says of a turn of no class."""
        return np.random.default_rng([seed, *f"{system} {split} {turn}".encode()]).dirichlet(np.ones(len(CLASSES)))

    def rows(self, system, split, seed, part):
        """Truth and guess of one system in one split and part, as arrays of class names, by turn."""
        parts = self.corpus.parts(int(split[-1]), self.validation)
        guess = self.guess[system, split, seed]
        turns = sorted(turn for turn in guess if parts[turn] == part)
        return np.array([self.truth[t] for t in turns]), np.array([guess[t] for t in turns])

    def choice(self, names, split, seed):
        """The system that the rule takes of some, by hand: the least loss of those without a trained classifier, but for one
        with whose loss is less by more than two standard errors, each dialog's sum being one draw."""
        parts = self.corpus.parts(int(split[-1]))
        turns = sorted(turn for turn in self.truth if parts[turn] == "val")
        right = [CLASSES.index(self.truth[turn]) for turn in turns]
        losses = {
            name: np.array(
                [-np.log(self.probabilities(name, split, seed, t)[c]) for t, c in zip(turns, right, strict=True)]
            )
            for name in names
        }
        mean = {name: values.mean() for name, values in losses.items()}
        plain = [name for name in names if name.endswith("argmax") or name in ALONE]
        if not plain:
            return min(names, key=mean.get)
        safe = min(plain, key=mean.get)
        better = []
        for name in set(names) - set(plain):
            gain = losses[safe] - losses[name]
            sums = {}
            for turn, value in zip(turns, gain - gain.mean(), strict=True):
                sums[turn[:-5]] = sums.get(turn[:-5], 0) + value
            error = np.sqrt(len(sums) / (len(sums) - 1) * sum(value**2 for value in sums.values())) / len(turns)
            better += [name] if gain.mean() > 2 * error else []
        return min(better or [safe], key=mean.get)
