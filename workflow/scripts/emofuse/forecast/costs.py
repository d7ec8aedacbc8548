"""What a job takes: as its like took before, else by what was measured, else by what such jobs took elsewhere."""

from collections import namedtuple
from dataclasses import dataclass

import numpy as np

# seconds: of one job; error: a standard error as a share of it, None where nothing is known of it; source: where it is from.
Cost = namedtuple("Cost", "seconds error source")
RECORD, MEASURED, ASSUMED, UNKNOWN = "record", "measured", "assumed", "unknown"
# (seconds of a job, and for each 1,000 turns of the corpus) where neither was measured: of the demo's run, and of
# benchmarks/evaluation.py for evaluate and assess, on one core of an AMD EPYC.
TYPICAL = {
    **{f"index_{what}": (2, 1) for what in ("turns", "words", "votes")},
    "index_media": (2, 4),
    "list_problems": (1, 0),
    "make_split": (1, 0),
    "cut_text": (0.5, 0),
    "check_encoders": (6, 0),
    "fit_probe": (3, 5),
    "evaluate": (1.5, 0.5),
    "assess": (2.5, 1),
    "measure_ceiling": (2, 0.2),
    "make_figures": (6, 1),
    "make_tables": (2, 0.1),
    "make_report": (2, 0.2),
    "compare_encoders": (2, 0.1),
    "choose_encoder": (1, 0),
}
ELSEWHERE = (2, 0)  # all others, such as the demo's input
UNMEASURED = {"read_motion_capture", "read_motion_vectors"}  # they read all turns, and nothing is known of how fast


@dataclass
class Costs:
    """records: `records.Records`. encoders: {(modality, encoder): what `measuring.measure` found, and epochs}. fitting:
    {(modality, encoder): training records that fit, of a frozen one its stores}. classifiers: {name: what
    `classifying.measure` found, or None}. parts: {split: {part: turns}}. turns: of the corpus. seconds: {dialog: seconds
    of its turns}."""

    records: object
    encoders: dict
    fitting: dict
    classifiers: dict
    parts: dict
    turns: int
    seconds: dict

    def of(self, job):
        """The Cost of a `jobs.Job`."""
        found = None
        if {"modality", "encoder"} <= job.of.keys() and job.rule != "fit_probe":
            found = self._of_encoder(job)
        elif "dialog" in job.of and job.rule in self.records.seconds:
            found = self._of_dialog(job)
        elif "classifier" in job.of or "system" in job.of:
            found = self._of_classifier(job)
        elif known := self.records.of(job.rule):
            found = Cost(float(np.mean(known)), _spread(known), RECORD)
        elif job.rule in UNMEASURED:
            found = Cost(float("nan"), None, UNKNOWN)
        if found is None:
            fixed, more = TYPICAL.get(job.rule, ELSEWHERE)
            found = Cost(fixed + more * self.turns / 1_000, None, ASSUMED)
        return found

    def _of_encoder(self, job):
        """By records of that encoder, else as measured; of nothing known no seconds."""
        key = (job.of["modality"], job.of["encoder"])
        work = self.work(job)
        fitting = self.fitting.get(key, [])
        if job.rule == "fine_tune":
            rates = [r["took"] / max(1, r["turns"]["train"] * r["epochs"]) for r in fitting if r["took"]]
            known = [rate * work["train"] for rate in rates]
        else:
            known = [record["embedded"] for record in fitting if record["embedded"]]
        if known:
            return Cost(float(np.mean(known)), _spread(known), RECORD)
        found = self.encoders.get(key)
        if not found or "start_s" not in found:
            return Cost(float("nan"), None, UNKNOWN)
        parts = {name: turns * found[f"{name}_s"] for name, turns in work.items()}
        variance = sum((parts[name] * (found[f"{name}_error"] or 0)) ** 2 for name in parts)
        seconds = found["start_s"] + found["load_s"] + sum(parts.values())
        seconds += found["save_s"] if job.rule == "fine_tune" else 0
        return Cost(seconds, float(np.sqrt(variance) / seconds), MEASURED)

    def work(self, job):
        """{train, val, all: turns that are read}, epochs and all, of a training or of embedding the corpus."""
        if job.rule != "fine_tune":
            return {"all": self.turns}
        parts = self.parts[job.of["split"]]
        epochs = self.epochs(job)
        return {"train": epochs * parts["train"], "val": epochs * parts["val"], "all": parts["val"]}

    def epochs(self, job):
        """How many epochs a training has at most; of a refit those that were best before, where that is known."""
        key = (job.of["modality"], job.of["encoder"])
        first = job.of["split"].removesuffix("-refit")
        if first != job.of["split"]:
            for record in self.fitting.get(key, []):
                if record["split"] == first and str(record["seed"]) == job.of["seed"]:
                    return record["best_epoch"]
        return self.encoders[key]["epochs"]

    def _of_dialog(self, job):
        """As long as its turns, at the rate of those that were cut."""
        known = {d: s for d, s in self.records.seconds[job.rule].items() if self.seconds.get(d)}
        if job.of["dialog"] in known:
            return Cost(known[job.of["dialog"]], 0.0, RECORD)
        if not known:
            return None
        rates = [seconds / self.seconds[dialog] for dialog, seconds in known.items()]
        rate = sum(known.values()) / sum(self.seconds[dialog] for dialog in known)
        return Cost(
            rate * self.seconds.get(job.of["dialog"], 0), _spread(rates), MEASURED if len(known) < 4 else RECORD
        )

    def _of_classifier(self, job):
        name = job.of.get("classifier", job.of.get("system"))
        if known := self.records.of(job.rule, name):
            return Cost(float(np.mean(known)), _spread(known), RECORD)
        found = self.classifiers.get(name)
        return Cost(found["start_s"] + found["seconds"], None, MEASURED) if found else Cost(float("nan"), None, UNKNOWN)


def _spread(values):
    """The standard error of the mean of some values as a share of it; None of a single one."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values)) / np.mean(values)) if len(values) > 1 else None
