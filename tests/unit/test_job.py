"""A job that SLURM ends says so in its log first, whatever else comes at the same moment."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emofuse.runtime import job

SCRIPT = """
import os, signal, time, types
from emofuse.runtime.job import job
snakemake = types.SimpleNamespace(rule="fine_tune", resources=types.SimpleNamespace(runtime=1, mem_mb=500))
with job("log"):
    def worker_died(*_):  # as PyTorch's handler does
        raise RuntimeError("DataLoader worker is killed by signal: Terminated")
    signal.signal(signal.SIGCHLD, worker_died)
    print("begun")
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (
            "COMPLETING TimeLimit",
            "error: fine_tune was killed at the time limit of SLURM job 7; it had asked for 1 min",
        ),
        ("COMPLETING None", "error: fine_tune was ended by SIGTERM, before its time limit as far as SLURM says"),
    ],
)
def test_slurms_second_sigterm_does_not_cut_the_message_off(tmp_path, status, said):
    squeue = tmp_path / "squeue"
    squeue.write_text(f"#!/bin/sh\nsleep 0.5\necho {status}\n")
    squeue.chmod(0o755)
    (tmp_path / "log").touch()
    environment = os.environ | {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(job.__file__).parents[2]),
        "SLURM_JOB_ID": "7",
    }
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], cwd=tmp_path, env=environment)
    try:
        while "begun" not in (tmp_path / "log").read_text():
            assert process.poll() is None
            time.sleep(0.02)
        process.terminate()
        time.sleep(0.2)
        process.terminate()
        assert process.wait(30) == -signal.SIGTERM
    finally:
        process.kill()
    log = (tmp_path / "log").read_text()
    assert said in log and "Traceback" not in log
