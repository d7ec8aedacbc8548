"""Says what knowing the scene is worth: each system where a test turn's play is in training, less the same where it is new."""

import numpy as np
import pyarrow as pa

from emofuse.evaluation import statistics
from emofuse.evaluation.assessment import count
from emofuse.evaluation.choice import add_derived
from emofuse.evaluation.folds import pooled_tests
from emofuse.evaluation.predictions import read_predictions, read_splits
from emofuse.fusion.alignment import some
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import write_parquet

MEASURES = ("wa", "ua")


def compare_scenes(new, known, final_system, output, pairs=(), resamples=10_000):
    """Write what two protocols, which test the same turns, say of each system and each pair of systems.

    new, known: (prediction files, split files) of the protocol whose test turns are of plays that training has not, and of the
    one where it has them. final_system: as for `scores.evaluate`. pairs: (more, less) names of systems that differ in how much
    of the dialog they read.

    The table, Parquet: system; less (of a pair, else empty); measure (wa, ua); difference: known less new, a fraction, the mean
    over seeds, of the system's score or of what it has more than `less`; low, high: its 95 % interval by bootstrap over dialogs
    within sessions. Raises EmofuseError where the protocols do not test the same turns.
    """
    (first, facts, classes), (second, _, _) = (_tested(*files, final_system) for files in (new, known))
    if differing := set(first[0].turns) ^ set(second[0].turns):
        raise EmofuseError(f"The two protocols do not test the same turns: {some(differing)}; make the splits anew.")
    systems = [s for s in first[0].predictions if s in second[0].predictions and s.kind != "substituted"]
    systems.sort(key=lambda system: system.order)
    facts, number = facts.loc[first[0].turns], {system.name: place for place, system in enumerate(systems)}
    drawn, values = [], []
    for folds in (first, second):
        counts = count(folds, facts, systems, len(classes))
        drawn.append(statistics.resample(counts, resamples))  # the same dialogs for both: they have the same seed
        values.append(statistics.scores(counts))
    rows = []
    for measure in MEASURES:
        gain = values[1][measure].mean(1) - values[0][measure].mean(1)
        spread = drawn[1][measure] - drawn[0][measure]
        for system, less in [*((name, "") for name in number), *pairs]:
            a, b = number[system], number.get(less)
            difference, of = (gain[a], spread[:, a]) if b is None else (gain[a] - gain[b], spread[:, a] - spread[:, b])
            low, high = np.quantile(of, [0.025, 0.975])
            row = {"system": system, "less": less, "measure": measure, "difference": difference}
            rows.append(row | {"low": low, "high": high})
    texts, numbers = ("system", "less", "measure"), ("difference", "low", "high")
    schema = [*((name, pa.string()) for name in texts), *((name, pa.float64()) for name in numbers)]
    write_parquet(output, pa.Table.from_pylist(rows, pa.schema(schema)))


def _tested(predictions, splits, final_system):
    """(a Fold a seed of all test turns, sorted by turn; their rows of the splits by turn_id; the classes) of a protocol."""
    frames, classes = read_splits(splits)
    folds, _ = read_predictions(predictions, frames, classes, probabilities=True)
    add_derived(folds, frames, classes, final_system)
    pooled, facts = pooled_tests(folds, frames)
    return [fold.where(np.argsort(fold.turns)) for fold in pooled], facts, classes
