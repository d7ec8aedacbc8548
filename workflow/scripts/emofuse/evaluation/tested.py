"""Reads what a finished run says of its test turns under one protocol, and refuses what does not belong together."""

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd

from emofuse.evaluation.folds import Fold, pooled_tests
from emofuse.evaluation.predictions import read_predictions, read_splits
from emofuse.evaluation.record import digest
from emofuse.evaluation.runs import finish
from emofuse.evaluation.scores import POOLED
from emofuse.evaluation.statistics import ROUNDING
from emofuse.fusion.systems import CHOSEN, candidates
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_metadata, read_parquet


@dataclass(frozen=True)
class Tested:
    """A run under one protocol. classes: names in order. seeds: of its trainings. folds: a Fold a seed of all its test turns,
    sorted by turn, with the final system (CHOSEN) and those that it may be. facts: the turns' rows of the splits, by turn, with
    the `split` that tests each. frames: {split: all its turns as a DataFrame by turn}. left_out: {turn: why it has no
    prediction}. subset: which turns the splits are of. refit: whether what is said of test turns comes of a training that took
    the validation part too."""

    name: str
    classes: list[str]
    seeds: list[int]
    folds: list[Fold]
    facts: pd.DataFrame
    frames: dict[str, pd.DataFrame]
    left_out: dict[str, str]
    subset: str
    refit: bool


def read_tested(run, protocol):
    """The Tested of a `runs.Finished`. Raises EmofuseError where files are missing, or are of another state of the run."""
    chosen, scores = (
        read_parquet(run.evaluation(protocol, name)).to_pandas() for name in ("chosen.parquet", "scores.parquet")
    )
    where = f"{run.name}, protocol {protocol}"
    if run.record and run.record["scores"].get(protocol) != digest(run.evaluation(protocol, "scores.parquet")):
        raise EmofuseError(f"{where}: its scores are newer than the record of its config; {finish(run.name)}")
    splits = {split: run.folder / f"splits/{split}.parquet" for split in chosen["split"].unique()}
    named = scores["kind"] == "named"
    made_by = [
        *scores.loc[named, "system"].unique(),
        *scores.loc[~named, "classifier"].replace("", None).dropna().unique(),
    ]
    predictions = [
        run.folder / f"predictions/{name}/{split}/seed{seed}.parquet"
        for name in made_by
        for split, seed in chosen[["split", "seed"]].drop_duplicates().itertuples(index=False)
    ]
    if absent := [path for path in (*splits.values(), *predictions) if not path.is_file()]:
        raise EmofuseError(f"{where}: {len(absent)} of its files are missing, such as {absent[0]}; {finish(run.name)}")
    frames, classes = read_splits(splits.values())
    folds, _ = read_predictions(predictions, frames, classes)
    pooled, facts = pooled_tests(folds, frames)
    seeds = sorted({seed for _, seed in folds})
    for seed, fold in zip(seeds, pooled, strict=True):
        said = chosen[chosen["seed"] == seed].set_index("turn_id")["prediction"]
        if set(said.index) != set(fold.turns) or not _as_scored(fold, scores[scores["seed"] == seed]):
            raise EmofuseError(f"{where}: its predictions are not those that were evaluated; {finish(run.name)}")
        fold.predictions = {s: fold.predictions[s] for s in candidates(fold.predictions)}
        fold.predictions[CHOSEN] = pd.Index(classes).get_indexer(said.loc[fold.turns])
    metadata = [read_metadata(path) for path in predictions]
    tested_in = chosen.drop_duplicates("turn_id").set_index("turn_id")["split"]
    order = np.argsort(pooled[0].turns)
    return Tested(
        run.name,
        classes,
        seeds,
        [fold.where(order) for fold in pooled],
        facts.assign(split=tested_in.loc[facts.index]).iloc[order],
        frames,
        {turn: why for of in metadata for turn, why in json.loads(of["left_out"]).items()},
        read_metadata(next(iter(splits.values())))["subset"],
        any(json.loads(of["refit"]) for of in metadata),
    )


def _as_scored(fold, scores):
    """Whether the WA of every system is that of its scores."""
    known = scores[(scores["split"] == POOLED) & (scores["part"] == "test")].set_index("system")["wa"]
    return all(
        abs((said == fold.truth).mean() - known.get(system.name, np.inf)) < ROUNDING
        for system, said in fold.predictions.items()
    )


def unlike(runs):
    """What keeps some Tested from being compared, as lines: other classes, no common turn, a turn with another class."""
    first, *others = runs
    differing = [run for run in others if run.classes != first.classes]
    if differing:
        sets = "; ".join(f"{run.name}: {', '.join(run.classes)}" for run in runs)
        return [f"they tell other classes apart ({sets})"]
    shared = shared_turns(runs)
    if not len(shared):
        return ["no turn is tested in all of them"]
    problems, truth = [], first.facts.loc[shared]
    for run in others:
        for column, what in (("class", "of another class"), ("dialog", "in another dialog")):
            wrong = shared[(run.facts.loc[shared, column] != truth[column]).to_numpy()]
            if len(wrong):
                problems.append(
                    f"{len(wrong)} turns, such as {wrong[0]}, are {what} in {run.name} than in {first.name}"
                )
    return problems


def shared_turns(runs):
    """The turns that all of some Tested test, sorted."""
    return np.array(sorted(set.intersection(*(set(run.facts.index) for run in runs))), dtype=str)


def not_shared(runs):
    """Rows {run, other, why, turns}: how many turns a run tests and another one does not, and why, as far as that is known."""
    rows = []
    for run in runs:
        for other in runs:
            only = run.facts.index.difference(other.facts.index)
            whys = pd.Series([_why(turn, run, other) for turn in only], dtype=object).value_counts()
            rows += [{"run": run.name, "other": other.name, "why": why, "turns": n} for why, n in whys.items()]
    return rows


def _why(turn, run, other):
    """Why a run does not test a turn that another one tests."""
    if turn in other.left_out:
        # 'video: past_end: the video ends at 14.45 s' is one of a kind.
        return "no clip: " + ": ".join(other.left_out[turn].split(": ")[:2])
    parts = sorted({frame.at[turn, "part"] for frame in other.frames.values() if turn in frame.index})
    if parts:
        return f"in no test part there, but in {' and '.join(parts)}"
    if other.subset not in ("all", run.facts.at[turn, "style"]):
        return f"only {other.subset} turns there (subset)"
    return f"{run.facts.at[turn, 'class']} here, and of no class there, or not in the corpus when that run was made"


def folds_apart(first, other):
    """How the folds of a run differ from another's: {tested: turns of both that another fold tests; trained: how many of the
    folds of both are trained on other turns; folds: of both; sizes: mean number of turns that each run trains these on}."""
    both = first.facts.index.intersection(other.facts.index)
    common = [split for split in first.frames if split in other.frames]
    training = [{split: _fitted(run, split) for split in common} for run in (first, other)]
    return {
        "tested": int((first.facts.loc[both, "split"] != other.facts.loc[both, "split"]).sum()),
        "trained": sum(training[0][split] != training[1][split] for split in common),
        "folds": len(common),
        "sizes": [float(np.mean([len(turns) for turns in of.values()])) if of else 0.0 for of in training],
    }


def _fitted(run, split):
    """The turns that a fold of a run is trained on in the end."""
    frame = run.frames[split]
    parts = ["train", "val"] if run.refit else ["train"]
    return set(frame.index[frame["part"].isin(parts)]) - run.left_out.keys()
