"""Says how far a run is: a line as it starts, how far each stage is, a line a problem, and where the results are."""

import logging
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from emofuse.runtime.failures import failure, is_of_job, is_told, signal_of

# What Snakemake says before the first job that a user who waits for results has no use for; the log file has it all.
NOISE = (
    "Building DAG of jobs",
    "Assuming unrestricted shared filesystem",
    "Using shell",
    "host:",
    "Group jobs: inactive",
    "Conda environments: ignored",
    "Singularity containers: ignored",
    "Updating checkpoint dependencies",
    "SLURM run ID",
)
KEPT = ("Terminating processes", "Will exit after")  # of what it says while jobs run
RETRIED = re.compile(r"Trying to restart job (\d+)\.")
LAST = "Complete log(s): "  # it says where its log file is when all is over, well or not
# Said by `_end` in other words.
OURS = ("Exiting because a job execution failed", "At least one job did not complete successfully")
SHARE = 20  # without a terminal a line is printed for each such part of the jobs,
PAUSE = 900  # and of jobs that take long at the first end of one after as many seconds


def show(logger, settings, told):
    """Have Progress in place of what Snakemake prints, unless it is asked for more, for less, or for a plan only.

    logger: Snakemake's. settings: its output settings. Its log file stays as it is, and so does a logger plugin.
    """
    asked = ("dryrun", "quiet", "verbose", "printshellcmds", "debug_dag")
    if settings is None or any(getattr(settings, name) for name in asked):
        return
    for handler in [handler for handler in logger.handlers if handler.name == "DefaultStreamHandler"]:
        logger.removeHandler(handler)
        logger.addHandler(Progress(handler.stream, told))


@dataclass
class Told:
    """What Progress says of a run: its heading, the command that goes on, and functions that give the stage of a rule (None
    for one that only names targets) and the path of the results."""

    heading: str
    again: str
    stage_of: Callable
    results: Callable


@dataclass
class Counts:
    """The jobs of a rule."""

    total: int = 0
    done: int = 0
    began: float | None = None  # the clock when the first of them was started
    seconds: float = 0.0  # that those took which are done, together
    running: dict = field(default_factory=dict)  # {job: the clock when it was started}
    most: int = 0  # that ran at a time

    def start(self, job, now):
        """A job of the rule starts."""
        self.began = now if self.began is None else self.began
        self.running[job] = now
        self.most = max(self.most, len(self.running))

    def finish(self, job, now):
        """A job of the rule is done."""
        self.seconds += now - self.running.pop(job, now)
        self.done += 1
        self.total = max(self.total, self.done)  # a checkpoint brings jobs that were not known at the start

    def left(self):
        """Seconds that the rest takes, if it goes on as so far; None where none is done."""
        if self.done < self.total:
            return self.seconds / self.done * (self.total - self.done) / self.most if self.done else None
        return 0.0


@dataclass
class Stage:
    """The jobs of the rules of a stage."""

    rules: dict = field(default_factory=dict)
    told: bool = False  # that it is done

    @property
    def total(self):
        return sum(counts.total for counts in self.rules.values())

    @property
    def done(self):
        return sum(counts.done for counts in self.rules.values())

    @property
    def began(self):
        return min((c.began for c in self.rules.values() if c.began is not None), default=None)

    def left(self):
        """Seconds that the rest takes; None where that cannot be said of one of its rules."""
        lefts = [counts.left() for counts in self.rules.values()]
        return None if None in lefts else sum(lefts)


class Progress(logging.Handler):
    """Takes Snakemake's log records, and prints what a user wants to see of a run.

    stream: where to; a terminal gets one line that is drawn anew, anything else plain lines. told: the Told of the run.
    Warnings and errors that are of no job are printed as they are.
    """

    def __init__(self, stream, told, clock=time.monotonic):
        super().__init__()
        self.stream, self.told, self.clock = stream, told, clock
        self.terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
        self.stages, self.jobs, self.signals, self.said = {}, {}, {}, set()
        self.grouped, self.printed = set(), 0.0
        self.began, self.total, self.done, self.failed, self.next = None, 0, 0, set(), 0

    def emit(self, record):
        try:
            event = str(getattr(record, "event", None) or "text")
            take = getattr(self, f"_{event}", None)
            if take:
                take(record)
        except Exception:
            self.handleError(record)

    def _end(self, log):
        took = duration(self.clock() - self.began)
        if self.done >= self.total and not self.failed:
            self._print(f"Done: {jobs(self.done)} in {took}. Results: {self.told.results()}")
        else:
            self._print(
                f"Stopped after {took}: {self.done} of {self.total} jobs are done; {len(self.failed)} failed."
                f" What is done stays. Go on with:\n  {self.told.again}"
            )
        self._print(f"All that Snakemake said: {os.path.relpath(log)}")

    def _run_info(self, record):
        numbers = dict(record.stats)
        self.began, self.total = self.clock(), numbers.pop("total")
        for rule, number in numbers.items():
            self._counts(rule).total = number
        # In the order of the stages' first jobs, which is that of the work.
        parts = ", ".join(f"{name} {stage.total}" for name, stage in self.stages.items() if name)
        self._print(f"{self.told.heading}: {jobs(self.total)} ({parts})")
        self.next = self.total / SHARE

    def _job_info(self, record):
        self.jobs[record.jobid] = (record.rule_name, dict(record.wildcards))
        self._counts(record.rule_name).start(record.jobid, self.clock())
        self._draw()

    def _job_finished(self, record):
        rule, _ = self.jobs[record.job_id]
        self._counts(rule).finish(record.job_id, self.clock())
        stage = self.stages[self.told.stage_of(rule)]
        self.done += 1
        self.failed.discard(record.job_id)
        if stage.done >= stage.total and not stage.told and self.told.stage_of(rule):
            stage.told = True
            took = duration(self.clock() - stage.began)
            self._print(f"{self._time()} {self.told.stage_of(rule)}: done, {jobs(stage.done)} in {took}")

    def _progress(self, record):
        self.total = record.total
        due = self.done >= self.next or self.clock() - self.printed >= PAUSE
        if not self.terminal and due and self.done < self.total:
            self.next = self.done + self.total / SHARE
            if text := self.line():
                self._print(text)
        self._draw()

    def _job_error(self, record):
        if record.jobid in self.grouped:
            self.grouped.discard(record.jobid)
            return
        rule, wildcards = self.jobs.get(record.jobid, (record.rule_name, {}))
        self.failed.add(record.jobid)
        self._counts(rule).running.pop(record.jobid, None)
        signal = self.signals.pop(record.thread, None)
        self._print(failure(rule, wildcards, record.log, self.said, record.rule_msg, signal))

    def _group_error(self, record):
        """Of a group, which SLURM runs as one job, those are told whose logs say why; where none does, the group."""
        infos = record.job_error_info
        self.grouped = {info["jobid"] for info in infos}  # each has a job_error of its own, which follows
        self.failed |= self.grouped
        for info in infos:
            self._counts(info["rule_name"]).running.pop(info["jobid"], None)
        guilty = [info for info in infos if any(map(is_told, info["log"]))]
        for info in guilty:
            rule, wildcards = self.jobs.get(info["jobid"], (info["rule_name"], {}))
            self._print(failure(rule, wildcards, info["log"], self.said))
        if not guilty:
            name = f"group {record.groupid} of {jobs(len(infos))}"
            self._print(
                failure(name, {}, [*(log for info in infos for log in info["log"]), *record.aux_logs], self.said)
            )

    def _error(self, record):
        text = record.getMessage()
        if is_of_job(text):  # whose job_error follows in this thread, and is told
            self.signals[record.thread] = signal_of(text)
        elif not any(ours in text for ours in OURS):
            self._print(text)

    def _text(self, record):
        if record.levelno < logging.INFO:
            return
        text = str(record.getMessage() if record.msg is not None else "").strip()
        if text.startswith(LAST) and self.began is not None:
            self._end(text.removeprefix(LAST).split(", ")[0])
            shown = False
        elif record.levelno >= logging.WARNING:
            shown = not text.startswith(OURS)
        elif self.began is None:
            shown = not text.startswith(NOISE)
        elif match := RETRIED.match(text):
            rule, _ = self.jobs.get(int(match[1]), ("it", {}))
            text, shown = f"{rule} is tried again", True
        else:
            shown = text.startswith(KEPT)
        if text and shown:
            self._print(text)

    def _counts(self, rule):
        stage = self.stages.setdefault(self.told.stage_of(rule), Stage())
        return stage.rules.setdefault(rule, Counts())

    def line(self):
        """How far each stage is that has begun and is not done; '' where there is none."""
        parts = []
        for name, stage in self.stages.items():
            if name and stage.began is not None and stage.done < stage.total:
                left = stage.left()
                rest = f", {duration(left)} left" if left is not None else ""
                parts.append(f"{name} {stage.done}/{stage.total}{rest}")
        return f"{self._time()} {self.done} of {self.total} jobs | {' | '.join(parts)}" if parts else ""

    def _time(self):
        return time.strftime("%H:%M:%S")

    def _print(self, text):
        self.printed = self.clock()
        clear = "\r\033[K" if self.terminal else ""
        self.stream.write(f"{clear}{text}\n")
        self.stream.flush()

    def _draw(self):
        if self.terminal and (text := self.line()):
            width = os.get_terminal_size(self.stream.fileno()).columns or 80
            self.stream.write(f"\r\033[K{text[: width - 1]}")
            self.stream.flush()


class Refusal(logging.Filter):
    """For Snakemake's logger: makes its next error, which names our own files and lines, the message that a user can act on."""

    def __init__(self, logger, message):
        super().__init__()
        self.logger, self.message = logger, message

    def filter(self, record):
        if str(getattr(record, "event", None)) == "error":
            record.msg, record.args = f"error: {self.message}", ()
            self.logger.removeFilter(self)
        return True


def jobs(number):
    """'1 job', '2 jobs'."""
    return f"{number} job{'s' * (number != 1)}"


def duration(seconds):
    """Seconds as a person says them: '12 s', '3 min', '2 h 10 min', '3 d 4 h'."""
    seconds = round(seconds)
    if seconds < 100:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"
