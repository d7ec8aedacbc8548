"""Stores what an encoder makes of a turn step by step, before pooling: tokens, sound at a given rate, pictures over time."""

from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from emofuse.encoders.inputs import SHORTEST
from emofuse.media.frames import frame_rate
from emofuse.media.wav import RATE
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_metadata, whole

GROUP = 100  # turns that are written, and read, at once
SCHEMA = pa.schema(
    [
        ("turn_id", pa.string()),
        ("steps", pa.int32()),
        ("seconds", pa.list_(pa.float32())),
        ("states", pa.list_(pa.float16())),
    ]
)


@contextmanager
def writing(path, metadata, width, beside=()):
    """Yield a function that takes (turn, states (steps, width) float32, seconds (steps,) or None) of one turn after the other.

    They go to the Parquet file `path` in row groups of GROUP turns, in the order in which they come: turn_id; steps; seconds
    (the middle of each step, from the start of the turn; null of words); states (float16, steps x width numbers). metadata:
    str -> str, to which the width is added; what the caller adds to it until the end is stored too. beside: Arrow fields of
    further columns, whose values the function takes after the others. Raises EmofuseError for numbers that float16 does not
    hold.
    """
    rows, known = [], {**metadata, "width": str(width)}
    schema = pa.schema([*SCHEMA, *beside])
    with whole(path) as partial:
        with pq.ParquetWriter(partial, schema.with_metadata(known), compression="zstd") as writer:
            yield _taking(writer, rows)
            if rows:
                _flush(writer, rows)
        if late := metadata.items() - known.items():
            _say(partial, known | dict(late))


def _taking(writer, rows):
    """The function that `writing` yields. rows: those that wait to be written."""

    def write(turn, states, seconds, *beside):
        with np.errstate(over="ignore"):  # told below
            half = states.astype(np.float16)
        if not np.isfinite(half).all():
            raise EmofuseError(f"{turn}: its states go up to {np.abs(states).max():.3g}, more than float16 holds")
        rows.append((turn, len(states), seconds, half.ravel(), *beside))
        if len(rows) == GROUP:
            _flush(writer, rows)

    return write


def _flush(writer, rows):
    writer.write_table(pa.table(list(zip(*rows, strict=True)), schema=writer.schema), row_group_size=GROUP)
    rows.clear()


def _say(path, metadata):
    """Write a file anew with other metadata, of which Parquet's readers see only what stands in its schema."""
    with (
        pq.ParquetFile(path) as file,
        whole(path) as partial,
        pq.ParquetWriter(partial, file.schema_arrow.with_metadata(metadata), compression="zstd") as writer,
    ):
        for number in range(file.num_row_groups):
            writer.write_table(file.read_row_group(number))


@contextmanager
def keeping(sequences, modality, model, data, turns, metadata):
    """Yield what `inference.apply` is to hand states to, for a file of sequences; None where there is to be none.

    sequences: None, or the config's setting and the path. model: the EmotionClassifier; data: the TurnDataset; turns: its ids.
    """
    if sequences is None:
        yield None
        return
    setting, path = sequences
    steps = Steps(modality, setting, data.inputs, model.backbone.config)
    with writing(path, metadata, model.head.in_features) as write:
        yield lambda number, states, real: write(
            turns[number], *steps(data.paths[number], data.lengths[number], states, real)
        )


class Sequences:
    """The sequences of a file that `writing` wrote, read by the row group.

    `turns`: ids in the order of the file; `width`: of a step; iterating gives (turn, states (steps, width) float32, seconds
    (steps,) float32 or None) of all turns, with one row group in memory at a time.
    """

    def __init__(self, path):
        self.file = pq.ParquetFile(path)
        self.width = int(read_metadata(path)["width"])
        self.turns = self.file.read(columns=["turn_id"])["turn_id"].to_pylist()

    def __iter__(self):
        for number in range(self.file.num_row_groups):
            yield from self.group(number)

    def group(self, number):
        """The turns of one row group, as a list."""
        table = self.file.read_row_group(number).combine_chunks()
        found = []
        for turn, seconds, states in zip(table["turn_id"], table["seconds"], table["states"], strict=True):
            rows = states.values.to_numpy(zero_copy_only=False).astype(np.float32).reshape(-1, self.width)
            times = seconds.values.to_numpy(zero_copy_only=False) if seconds.is_valid else None
            found.append((turn.as_py(), rows, times))
        return found


class Steps:
    """Makes of the states of turns' windows one sequence each: what is padding left out, what is there twice averaged.

    setting: the config's `sequences`. inputs: of the encoder; config: of its backbone. A call takes the clip's path, its
    length (words, samples or frames), the states (W, T, width) of its windows and which are real, (W, T) or None, and gives
    states (steps, width) and seconds (steps,), or None for words.
    """

    def __init__(self, modality, setting, inputs, config):
        self.setting, self.inputs, self.config = setting, inputs, config
        self._steps = {"text": self._tokens, "audio": self._sound, "video": self._pictures}[modality]

    def __call__(self, path, length, states, real):
        return self._steps(path, length, states, real)

    def _tokens(self, path, length, states, real):
        """The real tokens of its one window, the special ones among them."""
        return states[0] if real is None else states[0][real[0].astype(bool)], None

    def _sound(self, path, length, states, real):
        """`rate` steps a second: each position of a window stands for an equal share of its time, and what falls into one step
        is averaged. Of spectrograms cut into patches the frequencies are averaged first, and the start tokens left out."""
        rate, patches = self.setting["rate"], self.inputs.patches(self.config)
        if patches:
            states = states[:, -patches[0] * patches[1] :].reshape(len(states), *patches, -1).mean(1)
        times, found = [], []
        for window, start in enumerate(self.inputs.starts(length)):
            rows = states[window] if real is None else states[window][real[window].astype(bool)]
            sound = min(length - start, self.inputs.most)
            if patches:  # cut out of Kaldi's frames, which come every 10 ms
                middles = start + 160 * (np.arange(len(rows)) * self.config.time_stride + self.config.patch_size / 2)
            else:  # of short sound with the silence that it is filled up with
                middles = start + (np.arange(len(rows)) + 0.5) * max(sound, min(SHORTEST, self.inputs.most)) / len(rows)
            within = middles < start + sound
            within[0] = True  # also where a turn is shorter than a patch
            times.append(middles[within] / RATE)
            found.append(rows[within])
        return _averaged(np.concatenate(found), np.concatenate(times), 1 / rate)

    def _pictures(self, path, length, states, real):
        """A step for each of the encoder's tokens over time, averaged over the picture."""
        long = self.config.tubelet_size * self.inputs.stride  # in frames of the clip
        states = states.reshape(len(states), self.config.num_frames // self.config.tubelet_size, -1, states.shape[2])
        first = np.add.outer(self.inputs.starts(length), long * np.arange(states.shape[1]))
        there = first < length  # what follows repeats the last frame
        second = frame_rate(path)
        return _averaged(states.mean(2)[there], (first[there] + long / 2) / second, long / second)


def resampled(rows, times, lasts, rate):
    """(states, seconds): rows (n, width) at `times` (n,), averaged to `rate` steps a second.

    Those at times past the `lasts` seconds of the turn are left out, but for the first.
    """
    within = times < lasts
    within[0] = True
    return _averaged(rows[within], times[within], 1 / rate)


def _averaged(rows, times, period):
    """Means of rows (n, width) by the period of time that they fall into, and its middle: only of periods with a row."""
    places, index = np.unique(np.floor(times / period + 1e-6), return_inverse=True)
    sums = np.zeros((len(places), rows.shape[1]))
    np.add.at(sums, index, rows)
    return sums / np.bincount(index)[:, None], ((places + 0.5) * period).astype(np.float32)
