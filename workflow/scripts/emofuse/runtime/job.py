"""Runs a script's one call: output into the job's log, a user's mistake as a plain message, any failure as exit code 1."""

import ctypes
import faulthandler
import gc
import os
import signal
import subprocess
import sys
import traceback
import warnings
from contextlib import contextmanager

from emofuse.runtime.disk import disk_fault
from emofuse.runtime.errors import EmofuseError

PR_SET_PDEATHSIG = 1  # of Linux: the signal that a process gets when its parent dies
# The environment variable that says that Snakemake shows no failed job's log, so that the job itself has to tell why it failed.
TELL = "EMOFUSE_TELL_FAILURES"


@contextmanager
def job(log):
    """Send all that the job prints (Python, C libraries and child processes alike) into the file `log`.

    Yields a text stream that still reaches the terminal, for the few jobs that have something to say there. An
    EmofuseError, or the exception of a full or read-only disk, becomes its message, any other exception its traceback, all
    in the log (and, where TELL is set, on the terminal), and the process ends with 1. A job ends with the Snakemake that
    started it, also where that is killed: it would write beside the job that the next run starts.
    """
    # SLURM ends what is left of a job itself, and its SIGTERM must not become a SIGKILL by way of our parent.
    if sys.platform == "linux" and "SLURM_JOB_ID" not in os.environ:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    sys.stdout.flush()
    sys.stderr.flush()
    terminal, errors = (os.fdopen(os.dup(number), "w", encoding="utf-8") for number in (1, 2))
    descriptor = _open_log(str(log))
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    sys.stdout.reconfigure(line_buffering=True)
    faulthandler.enable()
    warnings.simplefilter("default")
    _explain_slurm_limits()
    gc.freeze()  # what has been imported stays to the end, and is not searched for garbage again
    gc.enable()
    with terminal, errors:
        try:
            yield terminal
        except EmofuseError as error:
            message = f"error: {error}"
            print(message, file=sys.stderr)
        except Exception as error:
            message = disk_fault(error, os.path.dirname(log))
            if message is None:
                traceback.print_exc()
                message = f"error: {type(error).__name__}: {error}"
            else:
                message = f"error: {message}"
                _report(message, terminal)
        else:
            return
        if TELL in os.environ:
            print(f"{message}\nlog: {log}", file=errors)
        sys.exit(1)


def _open_log(log):
    """A descriptor of the log, emptied; where another user's is there, of a new one in its place."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    try:
        try:
            return os.open(log, flags, 0o666)
        except PermissionError:
            os.unlink(log)
            return os.open(log, flags, 0o666)
    except OSError as error:
        print(f"error: {log}: the job's log cannot be written ({error.strerror}).", file=sys.stderr)
        sys.exit(1)


def _report(message, terminal):
    """Print a message into the log or, where that is on the full disk itself, on the terminal."""
    try:
        print(message, file=sys.stderr)
    except OSError:
        print(message, file=terminal)


def _explain_slurm_limits():
    """Where SLURM runs the job: say now what it may use, for SIGKILL leaves no time to, and at SIGTERM why it ends."""
    slurm_job = os.environ.get("SLURM_JOB_ID")
    script = getattr(sys.modules["__main__"], "snakemake", None)
    if slurm_job is None or script is None:
        return
    rule, asked, pid = script.rule, script.resources, os.getpid()

    def raise_it(resource):
        return f"raise set-resources: {rule}: {{{resource}: ...}} in profiles/slurm/config.yaml"

    def explain(*_):
        # SLURM sends a second one at once: to the job's step, and to the job.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        # PyTorch's handler would raise in here: the processes that load its batches get the SIGTERM too.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if os.getpid() == pid:  # and not in a process forked from it
            status = _slurm_status(slurm_job)
            if status.endswith("TimeLimit"):
                text = (
                    f"error: {rule} was killed at the time limit of SLURM job {slurm_job}; it had asked for"
                    f" {asked.runtime} min: {raise_it('runtime')}"
                )
            else:
                text = (
                    f"error: {rule} was ended by SIGTERM, before its time limit as far as SLURM says (status: {status});"
                    " preempted jobs are queued again, cancelled ones are not"
                )
            os.write(2, f"\n{text}\n".encode())  # print() may just be at work
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGTERM, explain)
    print(
        f"SLURM job {slurm_job} on {os.uname().nodename}; {rule} asked for {asked.runtime} min and {asked.mem_mb} MB. If this"
        f" log breaks off without an error, SLURM killed the job, most likely over its memory: {raise_it('mem_mb')}"
    )


def _slurm_status(slurm_job):
    """SLURM's state of a job and its reason, such as 'COMPLETING TimeLimit'."""
    command = ["squeue", "--noheader", "--states=all", f"--jobs={slurm_job}", "--format=%T %r"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip() or "unknown"
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
