"""Runs Snakemake on the tests' cluster, with the profile that users have."""

import re
import signal
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

# Few jobs, for each costs seconds: SLURM's, and three starts of Python. The encoder of the text is chosen, for the checkpoint.
SLICE = {
    "run": "slice",
    "corpus": {"name": "slurm", "sessions": [1, 2, 3], "dialogs": "dialogs.txt", "notice": ""},
    "classes": {"low": ["neu", "sad"], "high": ["ang", "exc", "hap"]},  # a training part is one dialog
    "selection": {"fold": 3},
    "fusion": {"text": {"choose": "validation"}},
    "encoders": {
        "text": {"bert": {"epochs": 1}, "distilbert": {"epochs": 1}, "roberta": None},
        "audio": {"wav2vec2": {"epochs": 1}, "hubert": None, "ast": None},
        "video": {"videomae": {"epochs": 1}},
    },
    "train_vectors": "in_sample",  # a validation part of one dialog cannot be held out from itself
    "classifiers": {"xgboost": None, "mlp": None},
    "figure_fold": 3,
}
DIALOGS = [f"Ses0{session}M_script02_1" for session in (1, 2, 3)]
RESULTS = "results/slurm/slice"
# What this cluster needs beyond the profile: it keeps no accounts, and its jobs are short.
HERE = ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "1"]
# Snakemake as it is, but that it looks at its jobs each second, and not ten seconds later each time that none has ended.
SNAKEMAKE = """
import asyncio
from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
RemoteExecutor.sleep = lambda self: asyncio.sleep(1)
main()
"""
PATIENCE = 1800  # seconds that a run may take at most; it is minutes on two idle cores


@dataclass
class Run:
    """A finished run: Snakemake's exit code, what it printed, and its SLURM jobs as `Cluster.jobs` gives them."""

    code: int
    output: str
    jobs: list

    def rules(self):
        """The number of SLURM jobs of each rule or group."""
        return Counter(rule_of(job) for job in self.jobs)


def rule_of(job):
    """The rule, or the group, that a SLURM job is of."""
    return re.fullmatch(r"rule_(\w+?)(_wildcards_.*)?", job["Comment"])[1]


@contextmanager
def started(cluster, project, *arguments, configs=()):
    """Snakemake at work, with the slice's config and those in the project's files `configs`; it is ended with the block."""
    files = ["config/demo.yaml", "slice.yaml", *configs]
    command = [
        sys.executable,
        "-c",
        SNAKEMAKE,
        "--workflow-profile",
        "profiles/slurm",
        "--configfile",
        *files,
        "-p",
        *HERE,
    ]
    process = subprocess.Popen(
        [*command, *arguments],
        cwd=project.folder,
        env=cluster.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)  # it cancels its jobs; SIGTERM would have it wait for them
            try:
                process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


def interrupt_all():
    """End every Snakemake that is at work."""
    for process in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if SNAKEMAKE in process.cmdline():
                process.send_signal(signal.SIGINT)


def run(cluster, project, *arguments, configs=()):
    """Run Snakemake to its end."""
    with started(cluster, project, *arguments, configs=configs) as process:
        output, _ = process.communicate(timeout=PATIENCE)
    name = re.search(r"^SLURM run ID: (\S+)$", output, re.MULTILINE)
    assert name, output
    return Run(process.returncode, output, [job for job in cluster.jobs() if job["JobName"] == name[1]])
