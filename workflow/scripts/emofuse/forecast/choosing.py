"""Counts the jobs of a run, with the encoders that take longest in place of those that are still to be chosen."""

import json
import math
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path

from emofuse.forecast.jobs import Job, planned


def take(run, costs):
    """{modality: encoder of the folds}: where it is still to be chosen, the one whose training takes longest.

    run: `forecast.Run`. costs: `costs.Costs`.
    """
    taken = {}
    for modality, value in run.config["fusion"].items():
        names, path = run.chosen.get(modality, ([value], None))
        if path and Path(path).exists():
            taken[modality] = json.loads(Path(path).read_text(encoding="utf-8"))["encoder"]
        else:
            taken[modality] = max(names, key=lambda name: _of_a_fold(run, costs, modality, name))
    return taken


def _of_a_fold(run, costs, modality, encoder):
    """Seconds of one fold's training; 0 of a frozen encoder, and where nothing is known."""
    if not any((e["modality"], e["encoder"], e["frozen"]) == (modality, encoder, False) for e in run.encoders):
        return 0
    of = {"modality": modality, "encoder": encoder, "split": next(iter(costs.parts)), "seed": "0"}
    seconds = costs.of(Job("fine_tune", of, 1, 0)).seconds
    return 0 if math.isnan(seconds) else seconds


def count(run, taken):
    """(all Jobs of the run, those still to be done). taken: as of `take`.

    The config as it is has the trainings that are chosen from, and none of the folds as long as nothing is chosen; with the
    taken ones named it is the other way round.
    """
    named = deepcopy(run.config)
    named["fusion"] = dict(taken)
    final = run.config["final_system"]
    named["final_system"] = {f"{m}-chosen": f"{m}-{taken[m]}" for m in run.chosen}.get(final, final)
    chosen = all(Path(path).exists() for _, path in run.chosen.values())
    whole = [named, run.config] if run.chosen else [run.config]
    left = [run.config] if chosen else [named, run.config]

    def ask(config, everything):
        return planned(run.snakefile, config, run.cores, everything)

    with ThreadPoolExecutor(2) as pool:
        asked = [
            [pool.submit(ask, config, everything) for config in of] for of, everything in ((whole, True), (left, False))
        ]
        return tuple(united([each.result() for each in of]) for of in asked)


def united(lists):
    """Jobs that stand in any of the lists; of one rule and wildcards the first."""
    found = {}
    for job in (job for jobs in lists for job in jobs):
        found.setdefault((job.rule, *sorted(job.of.items())), job)
    return list(found.values())
