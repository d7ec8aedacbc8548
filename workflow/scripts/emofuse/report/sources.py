"""What the tables of a protocol are made from, read once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from emofuse.report.outputs import table_names
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_metadata, read_parquet, read_tsv


@dataclass(frozen=True)
class Sources:
    """The evaluation of one protocol, and what the config says of it. What is read are pandas DataFrames that all tables
    share; scores in them are fractions.

    evaluation: the folder evaluation/<protocol>; or that of a fold, which holds scores and nothing else. classes: class names
    in the order of the rows. final_system: 'validation', 'validation_wa', 'test', or the system that the config names.
    selection: the paths of selection/<modality>.parquet, none where encoders were not compared. systems: the config's section
    `systems`. references: resources/reference_numbers.tsv, where there are such.
    """

    evaluation: str | Path
    modalities: Sequence[str]
    classes: Sequence[str]
    final_system: str = "validation"
    selection: Sequence[str | Path] = ()
    systems: dict = field(default_factory=dict)
    references: str | Path | None = None

    @property
    def names(self):
        """The names of the tables that can be made from these, in reading order."""
        return table_names(self.modalities, self.compared, fold=self.intervals is None, systems=self.systems)

    @property
    def compared(self):
        """{modality: path of the comparison of its encoders}."""
        return {Path(path).stem: path for path in self.selection}

    @cached_property
    def scores(self):
        """Scores of every system on test parts, by fold and seed and pooled over the folds."""
        return read_test(self.evaluation, "scores")

    @cached_property
    def approximated(self):
        """Names of the systems with an approximated kernel."""
        return json.loads(read_metadata(Path(self.evaluation) / "scores.parquet")["approximated"])

    @cached_property
    def per_class(self):
        """The same by class."""
        return read_test(self.evaluation, "per_class")

    @cached_property
    def intervals(self):
        """Intervals of WA and UA; None of a single fold."""
        there = (Path(self.evaluation) / "intervals.parquet").is_file()
        return read_frame(self.evaluation, "intervals") if there else None

    @cached_property
    def comparisons(self):
        """The declared family of comparisons with the final system."""
        return read_frame(self.evaluation, "comparisons")

    @cached_property
    def contexts(self):
        """Named systems that differ in how much of the dialog they read, compared."""
        return read_frame(self.evaluation, "contexts")

    @cached_property
    def chosen(self):
        """The final system of each fold and seed, dicts of texts."""
        return read_tsv(Path(self.evaluation) / "chosen.tsv")

    @cached_property
    def groups(self):
        """WA and UA on groups of test turns."""
        return read_frame(self.evaluation, "groups")

    @cached_property
    def ceiling(self):
        """Annotators and systems against the annotators' votes; no row where there are none."""
        return read_frame(self.evaluation, "ceiling")

    @cached_property
    def calibration(self):
        """Errors of probabilities before and after calibration."""
        return read_frame(self.evaluation, "calibration")


def read_frame(folder, name):
    """<name>.parquet of an evaluation's folder as a pandas DataFrame."""
    return read_parquet(Path(folder) / f"{name}.parquet").to_pandas()


def read_test(folder, name):
    """The rows of <name>.parquet of an evaluation's folder that were measured on test parts, as a pandas DataFrame."""
    frame = read_frame(folder, name)
    frame = frame[frame["part"] == "test"].reset_index(drop=True)
    if frame.empty:
        raise EmofuseError(f"{Path(folder) / name}.parquet holds no score of a test part; delete it and run again.")
    return frame
