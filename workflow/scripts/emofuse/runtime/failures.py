"""Says why a job failed, from its log and from what Snakemake knows of it."""

import re
from pathlib import Path

MOST = 20  # lines of a message
TAIL = 3  # lines of a log that holds no message
SIGNAL = re.compile(r"died with <Signals\.(\w+)")


def signal_of(text):
    """(rule, signal or None) of Snakemake's error of a job's process; (None, None) of any other error."""
    rule = re.search(r"in rule (\w+)", text)
    if "CalledProcessError" not in text or rule is None:
        return None, None
    signal = SIGNAL.search(text)
    return rule[1], signal and signal[1]


def failure(rule, wildcards, logs, said=None, signal=None):
    """What is told of a failed job: which, why, and where its log is. logs: paths. said: what Snakemake says of it."""
    which = ", ".join(f"{name}={value}" for name, value in wildcards.items())
    lines = [f"Failed: {rule}{f' ({which})' if which else ''}"]
    if signal:
        lines.append(f"killed by {signal}{', such as where memory is short' if signal == 'SIGKILL' else ''}")
    if said:
        lines.append(said.splitlines()[0])
    for log in logs:
        lines += [*message(log), f"log: {log}"]
    return "\n  ".join(lines)


def message(log):
    """Lines of a job's log that say why it failed: its last 'error: ...', the end of a traceback, or its last lines."""
    try:
        text = Path(log).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ["(it wrote no log)"]
    lines = [line.rstrip() for line in text.replace("\r", "\n").split("\n") if line.strip()]
    errors = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    if errors:
        told = lines[errors[-1] :]
        return told[:MOST] + ([f"... and {len(told) - MOST} more lines"] if len(told) > MOST else [])
    if "Traceback (most recent call last):" in lines:
        return lines[-1:]
    return lines[-TAIL:]
