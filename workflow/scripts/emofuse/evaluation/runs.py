"""Finds the finished runs of a corpus that are to be compared, by their names alone; light, for the Snakefile asks it."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from emofuse.evaluation.record import RECORD, read_record
from emofuse.runtime.errors import EmofuseError, listing
from emofuse.splits.folds import PROTOCOLS

NEEDED = ("scores.parquet", "chosen.parquet")  # of a protocol's evaluation
COMPARED = "compare"  # the folder of comparisons, beside those of the runs
LONGEST = 100  # characters of the name of a comparison


@dataclass(frozen=True)
class Finished:
    """A run by its folder, results/<corpus>/<run>."""

    folder: Path

    @property
    def name(self):
        """Of the run."""
        return self.folder.name

    @cached_property
    def record(self):
        """What it was made with (`record.keep_record`), or None."""
        return read_record(self.folder / RECORD)

    @cached_property
    def protocols(self):
        """Those that it was evaluated under: of its record, for a folder may be of a config before; without one, all."""
        if self.record:
            return list(self.record["config"]["protocols"])
        return [name for name in PROTOCOLS if (self.folder / "evaluation" / name).is_dir()]

    def evaluation(self, protocol, name):
        """Path of a file of a protocol's evaluation."""
        return self.folder / "evaluation" / protocol / name

    @property
    def lacking(self):
        """The files of its evaluation that are not there; where there is no evaluation at all, its folder."""
        if not self.protocols:
            return [self.folder / "evaluation"]
        paths = [self.evaluation(protocol, name) for protocol in self.protocols for name in NEEDED]
        return [path for path in paths if not path.is_file()]


def find_runs(results, corpus, names):
    """[Finished] of the runs `names` of a corpus, below the folder `results`.

    Raises EmofuseError for all that keeps them from being compared, as far as it is seen without opening their tables.
    """
    if len(names) < 2:
        raise EmofuseError(
            "runs: name two finished runs of this corpus or more: snakemake compare --config 'runs=[a, b]'"
            + _known(Path(results) / corpus)
        )
    runs = [Finished(Path(results) / corpus / name) for name in names]
    there = [run for run in runs if (run.folder / "evaluation").is_dir()]
    problems = [_absent(results, corpus, run) for run in runs if run not in there]
    problems += [
        f"runs: {run.name} is not finished: {', '.join(map(str, run.lacking[:3]))} is not there; {finish(run.name)}"
        for run in there
        if run.lacking
    ]
    if len(there) == len(runs) and not shared_protocols(there):
        named = "; ".join(f"{run.name}: {', '.join(run.protocols) or 'none'}" for run in there)
        problems.append(f"runs: they have no protocol in common ({named}), so no turn is tested alike in all of them")
    if problems:
        raise EmofuseError("these runs cannot be compared:\n" + listing(problems))
    return runs


def shared_protocols(runs):
    """The protocols that all of some runs have, in the order of the first."""
    first, *others = (run.protocols for run in runs)
    return [name for name in first if all(name in other for other in others)]


def finish(name):
    """What finishes a run, for a message."""
    return f"finish it with the config that it was begun with: snakemake --cores 2 --configfile <its files> --config run={name}"


def files(runs):
    """Absolute paths of what a comparison depends on. Predictions are not among them: scores change with them.

    Absolute, for relative ones are outputs of the workflow's rules, and Snakemake would make them again by a config that may
    be of another run.
    """
    paths = [run.evaluation(protocol, name) for run in runs for protocol in shared_protocols(runs) for name in NEEDED]
    paths += [run.folder / RECORD for run in runs if run.record]
    return [str(path.absolute()) for path in paths]


def comparison_name(names):
    """The folder of a comparison: 'a+b', or where that is too long for a file's name, the first and a digest of all."""
    joined = "+".join(names) or "none"
    if len(joined) <= LONGEST:
        return joined
    return f"{names[0]}+{len(names) - 1}-{hashlib.sha256(joined.encode()).hexdigest()[:8]}"


def _absent(results, corpus, run):
    """Why there is no such run, as a line."""
    elsewhere = sorted(
        path.parent.name for path in Path(results).glob(f"*/{run.name}") if (path / "evaluation").is_dir()
    )
    if run.folder.is_dir():
        return f"runs: {run.name} is not finished: {run.folder} has no evaluation; {finish(run.name)}"
    if elsewhere:
        return (
            f"runs: {run.name} is a run of the corpus {', '.join(elsewhere)}, and this config's is {corpus} (corpus.name): only"
            " runs of one corpus are compared"
        )
    return f"runs: there is no run {run.name} in {Path(results) / corpus}{_known(Path(results) / corpus)}"


def _known(folder):
    names = sorted(path.parent.name for path in folder.glob("*/evaluation"))
    return f"; there are: {', '.join(names)}" if names else "; there is none yet"
