"""What it brings that loader workers stay for all epochs: a training with none, with one that is started for each epoch and
each validation, as until 2026-11, and with one that stays; in turns, in one run.

Tiny encoders and made-up turns as long as IEMOCAP's, on the CPU; README.md has the figures. Prints Markdown.
"""

import argparse
import contextlib
import gc
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow/scripts"))

import answers
import material
from reading import ENCODERS, SETTINGS
from training import DEFAULTS
from transformers import Trainer

from emofuse.encoders import training

KINDS = {"none": (0, False), "one, started anew": (1, False), "one that stays": (1, True)}
HYPERPARAMETERS = {
    "pooling": "mean", "learning_rate": 1e-4, "batch_size": 8, "eval_batch_size": 8, "gradient_accumulation": 1,
    "weight_decay": 0.01, "warmup": 0, "freeze_convolutions": False,
}  # fmt: skip
TRAINING = {
    "compile": False, "deterministic": True, "logging_steps": 10, "precision": "fp32", "threads": 1, "jobs_per_gpu": 1,
    "gradient_checkpointing": False, "device": "cpu", "loader_workers": 1, "checkpoint_minutes": 60,
}  # fmt: skip


def main(arguments=None):
    """Write the turns, train each kind in turn several times, print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=24, help="turns of each modality, a third of which trains (24)")
    parser.add_argument("--epochs", type=int, default=6, help="epochs of a training, with their validations (6)")
    parser.add_argument("--repeats", type=int, default=5, help="trainings of each kind (5)")
    options = parser.parse_args(arguments)
    answers.EPOCHS = options.epochs
    material.SMALL = 48  # pixels, what the tiny VideoMAE takes
    print("| clips | loader workers | wall-clock s an epoch | CPU-s an epoch | saved of the wall-clock, paired |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="emofuse-loading-") as scratch:
        for modality, encoder in ENCODERS.items():
            folder = Path(scratch, modality)
            case = {
                "folder": folder, "clips": folder / "clips", "modality": modality, "encoder": encoder, "tiny": True,
                "manifest": material.write_clips(folder / "clips", modality, True, options.turns),
                "settings": DEFAULTS | HYPERPARAMETERS | SETTINGS[modality], "training": TRAINING,
                "threads": 1, "device": "cpu",
            }  # fmt: skip
            answers.prepare(case)
            measured = {kind: [] for kind in KINDS}
            hashes = set()
            for _ in range(options.repeats):
                for kind, (workers, kept) in KINDS.items():
                    *cost, weights = measure(case | {"workers": workers}, kept, options.epochs)
                    measured[kind].append(cost)
                    hashes.add(weights)
            assert len(hashes) == 1, f"the weights of {encoder} depend on the loader"
            report(modality, measured)


def measure(case, kept, epochs):
    """(seconds, CPU-seconds with those of the workers, both an epoch, sha256 of the weights) of one training."""
    make, train, took = training.make_arguments, Trainer.train, []

    def arguments(*given):
        made = make(*given)
        made.dataloader_persistent_workers = kept
        return made

    def timed(self, *given, **named):
        began, before = time.perf_counter(), time.process_time()
        result = train(self, *given, **named)
        took.extend((time.perf_counter() - began, time.process_time() - before))
        return result

    training.make_arguments, Trainer.train = arguments, timed
    gc.collect()
    before = _workers()
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            weights = answers.train(case, "out", "state")
        gc.collect()  # ends the workers that stay, whose time counts only then
    finally:
        training.make_arguments, Trainer.train = make, train
    seconds, own = took
    return seconds / epochs, (own + _workers() - before) / epochs, weights


def _workers():
    """CPU-seconds of the processes that this one has started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def report(modality, measured):
    """Print a row for each kind: medians over the repeats, and the median of what a repeat saved against starting anew."""
    before = measured["one, started anew"]
    for kind, costs in measured.items():
        wall, cpu = (statistics.median(values) for values in zip(*costs, strict=True))
        saved = [one[0] - other[0] for one, other in zip(before, costs, strict=True)]
        span = f"{statistics.median(saved):.3f} s ({min(saved):.3f} to {max(saved):.3f})" if costs is not before else ""
        print(f"| {modality} | {kind} | {wall:.3f} | {cpu:.3f} | {span} |", flush=True)


if __name__ == "__main__":
    main()
