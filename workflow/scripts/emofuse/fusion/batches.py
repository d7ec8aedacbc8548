"""Makes the batches that networks read: whole dialogs of vectors, or turns of sequences, scaled by what is learned from."""

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class DialogBatch:
    """Dialogs, each seen once by each of its speakers who has a wanted turn.

    `vectors[modality]`: (D, T, d) float32, zeros after a dialog's end. Of each view: `dialog`, (V,) index into the dialogs;
    `own`, (V, T) float32, 1 at turns of the speaker who looks; `lengths`, (V,); `wanted`, (V, T) bool.
    """

    vectors: dict[str, torch.Tensor]
    dialog: torch.Tensor
    own: torch.Tensor
    lengths: torch.Tensor
    wanted: torch.Tensor


class DialogBatches:
    """Batches of whole dialogs. `labels`: (n,) of all turns; `classes`: their number."""

    def __init__(self, turns, learned):
        """turns: `dialogs.Turns`; learned: (n,) bool. Vectors are scaled by all turns of the dialogs that are learned from."""
        self.labels, self.classes = turns.labels, len(turns.classes)
        self.speakers, self.dialogs = turns.speakers, turns.dialogs
        self.vectors = scaled(turns, turns.vectors, learned)
        starts = np.flatnonzero(np.r_[True, turns.dialogs[1:] != turns.dialogs[:-1]])
        self.spans = dict(
            zip(turns.dialogs[starts], zip(starts, [*starts[1:], len(turns.dialogs)], strict=True), strict=True)
        )

    def draw(self, rows, size, rng=None):
        """Yield (rows, DialogBatch) of `size` dialogs at most, which hold the wanted rows, shuffled where there is `rng`."""
        wanted = np.zeros(len(self.labels), bool)
        wanted[rows] = True
        names = np.array(sorted(set(self.dialogs[rows])))
        if rng is not None:
            names = rng.permutation(names)
        for start in range(0, len(names), size):
            yield self._batch([self.spans[name] for name in names[start : start + size]], wanted)

    def _batch(self, spans, wanted):
        longest = max(end - start for start, end in spans)
        vectors = {m: np.zeros((len(spans), longest, x.shape[1]), np.float32) for m, x in self.vectors.items()}
        views, rows = [], []
        for number, (start, end) in enumerate(spans):
            for m, x in self.vectors.items():
                vectors[m][number, : end - start] = x[start:end]
            for speaker in np.unique(self.speakers[start:end]):
                own, asked = np.zeros(longest, np.float32), np.zeros(longest, bool)
                own[: end - start] = self.speakers[start:end] == speaker
                asked[: end - start] = wanted[start:end] & (own[: end - start] == 1)
                if asked.any():
                    views.append((number, own, end - start, asked))
                    rows.append(start + np.flatnonzero(asked))
        dialog, own, lengths, asked = (torch.from_numpy(np.array(of)) for of in zip(*views, strict=True))
        batch = DialogBatch({m: torch.from_numpy(x) for m, x in vectors.items()}, dialog, own, lengths, asked)
        return np.concatenate(rows), batch


def scaled(turns, vectors, learned):
    """{modality: (n, d) float32} standardised by the turns of the dialogs that are learned from; zeros where there is none."""
    fitted = np.isin(turns.dialogs, np.unique(turns.dialogs[learned]))
    found = {}
    for modality, x in vectors.items():
        there = turns.there[modality]
        mean, deviation = scaling([x[fitted & there]])
        found[modality] = np.where(there[:, None], (x - mean) / deviation, 0).astype(np.float32)
    return found


@dataclass(frozen=True)
class SequenceBatch:
    """Turns: `steps[modality]`, (B, S, d) float32, zeros after a turn's end; `real[modality]`, (B, S) bool: before its end."""

    steps: dict[str, torch.Tensor]
    real: dict[str, torch.Tensor]


class SequenceBatches:
    """Batches of turns with their sequences. `labels`: (n,) of all turns; `classes`: their number."""

    POOL = 16  # batches whose turns are sorted by length together

    def __init__(self, turns, learned):
        """turns: `dialogs.Turns`; learned: (n,) bool. Steps are scaled by all those of the turns learned from."""
        self.labels, self.classes = turns.labels, len(turns.classes)
        self.steps = {}
        for modality, steps in turns.steps.items():
            mean, deviation = scaling([steps[row] for row in np.flatnonzero(learned)])
            self.steps[modality] = [((x - mean) / deviation).astype(np.float16) for x in steps]
        self.lengths = np.sum([[len(x) for x in steps] for steps in self.steps.values()], axis=0)

    def draw(self, rows, size, rng=None):
        """Yield (rows, SequenceBatch) of `size` turns at most, of like length, shuffled where there is `rng`."""
        rows = np.asarray(rows)
        pools = [rows[np.argsort(self.lengths[rows], kind="stable")]]
        if rng is not None:
            rows = rng.permutation(rows)
            pools = [rows[start : start + self.POOL * size] for start in range(0, len(rows), self.POOL * size)]
            pools = [pool[np.argsort(self.lengths[pool], kind="stable")] for pool in pools]
        batches = [pool[start : start + size] for pool in pools for start in range(0, len(pool), size)]
        for number in range(len(batches)) if rng is None else rng.permutation(len(batches)):
            yield batches[number], self._batch(batches[number])

    def _batch(self, rows):
        steps, real = {}, {}
        for modality, known in self.steps.items():
            longest = max(1, max(len(known[row]) for row in rows))
            padded = np.zeros((len(rows), longest, known[rows[0]].shape[1]), np.float32)
            there = np.zeros((len(rows), longest), bool)
            for place, row in enumerate(rows):
                padded[place, : len(known[row])] = known[row]
                there[place, : len(known[row])] = True
            steps[modality], real[modality] = torch.from_numpy(padded), torch.from_numpy(there)
        return SequenceBatch(steps, real)


def scaling(arrays):
    """Mean and deviation (1 where that is 0) of the columns of arrays (m, d), one after the other, in float64: (d,) float32."""
    count, total, squares = 0, 0.0, 0.0
    for array in arrays:
        array = array.astype(np.float64)
        count, total, squares = count + len(array), total + array.sum(0), squares + (array**2).sum(0)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    deviation[deviation < 1e-6] = 1
    return mean.astype(np.float32), deviation.astype(np.float32)
