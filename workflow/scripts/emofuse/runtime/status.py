"""Says what a run does now and how far it is, from Snakemake's log and the logs of its trainings."""

import re
import time
from collections import Counter
from pathlib import Path

from emofuse.runtime.progress import duration

STATS = re.compile(r"^Job stats:\njob +count\n[- ]+\n(.*?)^total", re.MULTILINE | re.DOTALL)
STAMP = r"^ *\[(\w{3} \w{3} [ \d]\d [\d:]{8} \d{4})\]\n"
STARTED = re.compile(
    STAMP + r" *(?:local)?(?:rule|checkpoint) (\w+):\n((?: {4,}(?! *(?:local)?rule \w+:).*\n)*)", re.MULTILINE
)
OVER = re.compile(r"^ *(?:Finished jobid: (\d+)|Error in rule \w+:\n(?: +message:.*\n)? +jobid: (\d+))", re.MULTILINE)
# Of the Trainer's bar, which is the first without a name; of a validation's, which follow, the total is another.
BAR = re.compile(r"^ *\d+%\|.*?\| (\d+)/(\d+) \[[\d:]+<([\d:]+)", re.MULTILINE)
VALUE = r"'{}': '?([\d.]+|nan|inf)"


def describe(folder, heading, stage_of, now=None):
    """Text about the last run that Snakemake made, going on or over.

    folder: Snakemake's (.snakemake). heading: what run it is. stage_of: function of a rule's name, its stage or None.
    """
    now = time.time() if now is None else now
    logs = sorted(Path(folder, "log").glob("*.snakemake.log"), reverse=True)
    texts = (log.read_text(encoding="utf-8", errors="replace") for log in logs)
    text = next(filter(STATS.search, texts), None)  # the last that ran jobs: to ask for the status makes a log, too
    if text is None:
        return f"{heading}: no run that says what it does (one with --quiet does not) was started here"
    totals = Counter(
        {rule: int(number) for rule, number in (line.split() for line in STATS.search(text)[1].splitlines())}
    )
    begun = {jobid: job for jobid, *job in map(_job, STARTED.finditer(text))}
    over = list(OVER.finditer(text))
    done = Counter(begun[match[1]][0] for match in over if match[1] in begun)
    locked = any(Path(folder, "locks").glob("*.lock"))
    running = {jobid: job for jobid, job in begun.items() if _runs(jobid, job, over)} if locked else {}
    stages = list(dict.fromkeys(filter(None, map(stage_of, totals))))
    counts = {
        name: [sum(number for rule, number in of.items() if stage_of(rule) == name) for of in (done, totals)]
        for name in stages
    }
    state = f"{len(running)} running" if locked else "no run is going on"
    lines = [f"{heading}: {done.total()} of {max(totals.total(), done.total())} jobs done, {state}"]
    lines += [f"  {name} {made}/{max(total, made)}" for name, (made, total) in counts.items()]
    return "\n".join(lines + [_running_line(job, now) for job in running.values()])


def _job(match):
    """[jobid, rule, wildcards, log, when it was started, in seconds, position in the log]."""
    entries = dict(line.strip().split(": ", 1) for line in match[3].splitlines() if ": " in line)
    started = time.mktime(time.strptime(match[1], "%a %b %d %H:%M:%S %Y"))
    return [entries.get("jobid"), match[2], entries.get("wildcards", ""), entries.get("log"), started, match.start()]


def _runs(jobid, job, over):
    """Whether nothing after its start, which may be its second, says that a job is over."""
    return not any(jobid in match.groups() and match.start() > job[-1] for match in over)


def _running_line(job, now):
    rule, wildcards, log, started, _ = job
    which = f" ({wildcards})" if wildcards else ""
    far = training(log.split(", ")[0]) if log else ""
    return f"running: {rule}{which} for {duration(max(now - started, 0))}{f'; {far}' if far else ''}"


def training(log):
    """'epoch 3 of 8, loss 1.215, validation WA 0.469 (best 0.510), 00:08 left' by the log of a training; '' of any other."""
    try:
        text = Path(log).read_text(encoding="utf-8", errors="replace").replace("\r", "\n")
    except OSError:
        return ""
    first = BAR.search(text)
    epochs = list(re.finditer(VALUE.format("epoch"), text))
    if first is None or not epochs:
        return ""
    total, parts = first[2], []
    bars = [bar for bar in BAR.finditer(text) if bar[2] == total]
    before = [int(bar[1]) for bar in bars if bar.start() < epochs[-1].start()]
    if before and before[-1]:
        epoch = float(epochs[-1][1])
        parts.append(f"epoch {epoch:.3g} of {round(epoch * int(total) / before[-1])}")
    if losses := re.findall(r"\{" + VALUE.format("loss"), text):
        parts.append(f"loss {losses[-1]}")
    if scores := [float(score) for score in re.findall(VALUE.format("eval_wa"), text)]:
        parts.append(f"validation WA {scores[-1]:.3f} (best {max(scores):.3f})")
    return ", ".join([*parts, f"{bars[-1][3]} left"])
