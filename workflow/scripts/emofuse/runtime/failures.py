"""Says why a job failed, from its log and from what Snakemake knows of it."""

import re
from pathlib import Path

MOST = 20  # lines of a message
TAIL = 3  # lines of a log that holds no message
SIGNAL = re.compile(r"died with <Signals\.(\w+)")


def is_of_job(text):
    """Whether an error of Snakemake is that the process of a job ended badly."""
    return "CalledProcessError" in text


def signal_of(text):
    """The signal that killed a job's process, by Snakemake's error; None where none did."""
    signal = SIGNAL.search(text)
    return signal and signal[1]


def failure(rule, wildcards, logs, told, said=None, signal=None):
    """What is told of a failed job: which, why, and where its log is.

    logs: paths. told: the messages that were told of other jobs, a set, to which this one's is added. said, signal: what
    Snakemake says of it, and what killed it.
    """
    which = ", ".join(f"{name}={value}" for name, value in wildcards.items())
    lines = []
    if signal:
        lines.append(f"killed by {signal}{', such as where memory is short' if signal == 'SIGKILL' else ''}")
    if said:
        lines.append(said.splitlines()[0])
    for log in logs:
        words = message(log)
        if words and (whole := "\n".join(words)) in told:
            words = ["the same as above"]
        elif words:
            told.add(whole)
        lines += [*words, f"log: {log}"]
    return "\n  ".join([f"Failed: {rule}{f' ({which})' if which else ''}", *lines])


def is_told(log):
    """Whether a job's log says why it failed."""
    return bool(re.search(r"^(error: |Traceback \()", _read(log), re.MULTILINE))


def message(log):
    """Lines of a job's log that say why it failed: its last 'error: ...', the end of a traceback, or its last lines."""
    lines = [line.rstrip() for line in _read(log).split("\n") if line.strip()]
    errors = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    if errors:
        told = lines[errors[-1] :]
        return told[:MOST] + ([f"... and {len(told) - MOST} more lines"] if len(told) > MOST else [])
    if "Traceback (most recent call last):" in lines:
        return [f"{lines[-1]} (a fault of emofuse's own; the log has its traceback)"]
    # Of one that SLURM killed the first line says what that means.
    return [*(line for line in lines[:-TAIL] if line.startswith("SLURM job ")), *lines[-TAIL:]]


def _read(log):
    """A log's text, a line for each state of a progress bar; '' where there is none, of a job that was killed early."""
    try:
        return Path(log).read_text(encoding="utf-8", errors="replace").replace("\r", "\n")
    except OSError:
        return ""
