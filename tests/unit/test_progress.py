"""What a run says on the terminal, by Snakemake's log records, and what `snakemake status` says, by its log."""

import io
import logging
import os
import time
from types import SimpleNamespace

import pytest

from emofuse.configuration.places import placed
from emofuse.runtime.failures import message
from emofuse.runtime.progress import Progress, Refusal, Told, duration, show
from emofuse.runtime.status import describe, training

STAGES = {"cut_audio": "clips", "fine_tune": "encoders", "embed": "encoders", "all": None}
TOLD = Told("emofuse, corpus c, run r", "snakemake --cores 2", STAGES.get, lambda: "results/c/r/report.html")
KILLED = "RuleException:\nCalledProcessError in file x.smk, line 3:\nCommand 'x' died with <Signals.SIGKILL: 9>."


class Stream(io.StringIO):
    """A stream that is a terminal, or is none."""

    def __init__(self, terminal):
        super().__init__()
        self.isatty = lambda: terminal


class Run:
    """A run whose records are sent one by one; `now` is its clock, in seconds."""

    def __init__(self, terminal=False):
        self.stream, self.now = Stream(terminal), 0.0
        self.logger = logging.Logger("run")
        self.logger.addHandler(Progress(self.stream, TOLD, clock=lambda: self.now))

    def event(self, event, level=logging.INFO, text=None, **fields):
        self.logger.log(level, text, extra={"event": event, **fields})

    def begin(self, **stats):
        self.event("run_info", stats={**stats, "total": sum(stats.values())})
        self.total, self.done = sum(stats.values()), 0

    def start(self, jobid, rule, **wildcards):
        self.event("job_info", jobid=jobid, rule_name=rule, wildcards=wildcards)

    def finish(self, jobid):
        self.done += 1
        self.event("job_finished", job_id=jobid)
        self.event("progress", done=self.done, total=self.total)

    def fail(self, jobid, rule, log, said=None):
        self.event("job_error", logging.ERROR, jobid=jobid, rule_name=rule, log=[str(log)], rule_msg=said)

    def text(self):
        return self.stream.getvalue()

    def last(self):
        return self.text().splitlines()[-1]


def over(run):
    run.logger.info("Complete log(s): .snakemake/log/x.snakemake.log")
    return run.text()


def test_a_run_says_what_it_is_how_far_it_is_and_where_its_results_are():
    run = Run()
    run.logger.info("Building DAG of jobs...")
    run.event("workflow_started")
    run.begin(cut_audio=2, fine_tune=4, all=1)
    assert run.text() == "emofuse, corpus c, run r: 7 jobs (clips 2, encoders 4)\n"
    run.logger.info("Select jobs to execute...")
    run.start(1, "cut_audio", dialog="d")
    run.start(2, "cut_audio", dialog="e")
    run.now = 30.0
    run.finish(1)
    assert run.last().endswith(" 1 of 7 jobs | clips 1/2, 15 s left")
    run.finish(2)
    assert "clips: done, 2 jobs in 30 s" in run.last()
    run.start(3, "fine_tune")
    run.now = 630.0
    run.finish(3)
    assert run.last().endswith(" 3 of 7 jobs | encoders 1/4, 30 min left")
    for job, rule in ((4, "fine_tune"), (5, "fine_tune"), (6, "fine_tune"), (7, "all")):
        run.start(job, rule)
        run.finish(job)
    assert over(run).endswith(
        "Done: 7 jobs in 10 min. Results: results/c/r/report.html\n"
        "All that Snakemake said: .snakemake/log/x.snakemake.log\n"
    )
    assert "Select jobs" not in run.text() and "Building" not in run.text()


def test_a_thousand_jobs_are_few_lines_and_on_a_terminal_one_that_is_drawn_anew(monkeypatch):
    monkeypatch.setattr(os, "get_terminal_size", lambda number: os.terminal_size((30, 24)))
    for terminal in (False, True):
        run = Run(terminal)
        run.stream.fileno = lambda: 2
        run.begin(cut_audio=600, fine_tune=300, embed=100)
        for job in range(1000):
            run.start(job, "cut_audio" if job < 600 else "fine_tune" if job < 900 else "embed")
            run.finish(job)
        lines = over(run).split("\n")
        assert 5 <= len(lines) <= (6 if terminal else 26)
        drawn = [part.split("\n")[0] for part in run.text().split("\r\033[K")[1:]]
        assert any(" 1 of 1000 jobs | c" in line and len(line) == 29 for line in drawn) == terminal


def test_jobs_that_take_long_are_a_line_each_quarter_of_an_hour():
    run = Run()
    run.begin(fine_tune=1000)
    for job in (1, 2, 3, 4):
        run.start(job, "fine_tune")
        run.now += 500.0
        run.finish(job)
    assert [line.split()[1] for line in run.text().splitlines()[1:]] == ["2", "4"]


def test_a_failed_job_is_told_once_with_its_message_its_log_and_how_to_go_on(tmp_path):
    log = tmp_path / "job.log"
    log.write_text("device: cpu\n 10%|x\rerror: half\nmore\nerror: the clip is damaged; delete it\n  x.mp4 (damaged)\n")
    run = Run()
    run.begin(fine_tune=3)
    for job in (1, 2, 3):
        run.start(job, "fine_tune", modality="text", seed=str(job))
    run.event("error", logging.ERROR, KILLED.replace("died with <Signals.SIGKILL: 9>", "returned 1"))
    run.fail(1, "fine_tune", log)
    run.fail(2, "fine_tune", log)
    run.event("error", logging.ERROR, KILLED)
    run.fail(3, "fine_tune", tmp_path / "none.log", "SLURM-job '7' failed\nmore")
    run.logger.error("Exiting because a job execution failed. Look above for error messages")
    over(run)
    run.event("error", logging.ERROR, "WorkflowError:\nAt least one job did not complete successfully.")
    assert run.text().split("\n", 1)[1] == (
        f"Failed: fine_tune (modality=text, seed=1)\n  error: the clip is damaged; delete it\n    x.mp4 (damaged)\n"
        f"  log: {log}\n"
        f"Failed: fine_tune (modality=text, seed=2)\n  the same as above\n  log: {log}\n"
        "Failed: fine_tune (modality=text, seed=3)\n  killed by SIGKILL, such as where memory is short\n"
        f"  SLURM-job '7' failed\n  log: {tmp_path}/none.log\n"
        "Stopped after 0 s: 0 of 3 jobs are done; 3 failed. What is done stays. Go on with:\n  snakemake --cores 2\n"
        "All that Snakemake said: .snakemake/log/x.snakemake.log\n"
    )


def test_a_log_that_breaks_off_shows_its_end_and_what_slurm_has_to_do_with_it(tmp_path):
    log = tmp_path / "job.log"
    log.write_text("SLURM job 7 on n; if this log breaks off\na\nb\nc\n 1%|#| 1/80\r 2%|#| 2/80")
    assert message(log) == ["SLURM job 7 on n; if this log breaks off", "c", " 1%|#| 1/80", " 2%|#| 2/80"]


def test_of_a_failed_group_only_the_jobs_are_told_whose_logs_say_why(tmp_path):
    run, logs = Run(), [tmp_path / f"{job}.log" for job in (1, 2)]
    run.begin(cut_audio=2)
    for job, log in enumerate(logs, 1):
        log.write_text("cut 3 clips\n")
        run.start(job, "cut_audio", dialog=str(job))

    def fail():
        infos = [{"jobid": job, "rule_name": "cut_audio", "log": [str(log)]} for job, log in enumerate(logs, 1)]
        run.event(
            "group_error", logging.ERROR, "Error in group x", groupid="x", aux_logs=["s.log"], job_error_info=infos
        )
        for job, log in enumerate(logs, 1):
            run.fail(job, "cut_audio", log)
        return run.text().split("\n", 1)[1]

    same = f"log: {logs[0]}\n  the same as above\n  log: {logs[1]}\n  log: s.log\n"
    assert fail() == f"Failed: group x of 2 jobs\n  cut 3 clips\n  {same}"
    logs[1].write_text("Traceback (most recent call last):\n  File x\nKeyError: 3\n")
    told = "KeyError: 3 (a fault of emofuse's own; the log has its traceback)"
    assert fail().endswith(f"\nFailed: cut_audio (dialog=2)\n  {told}\n  log: {logs[1]}\n")
    assert "2 failed" in over(run)


def test_a_job_that_succeeds_when_it_is_tried_again_is_no_failure(tmp_path):
    run = Run()
    run.begin(embed=1)
    run.start(1, "embed")
    run.fail(1, "embed", tmp_path / "none.log")
    run.logger.info("Trying to restart job 1.")
    assert run.last() == "embed is tried again"
    run.start(1, "embed")
    run.finish(1)
    assert "Done: 1 job in 0 s" in over(run)


def test_warnings_and_errors_that_are_of_no_job_are_told():
    run = Run()
    run.event("error", logging.ERROR, "LockException:\nError: Directory cannot be locked.")
    run.logger.info("Nothing to be done (all requested files are present and up to date).")
    run.begin(embed=1)
    run.logger.warning("squeue is slow")
    run.event("error", logging.ERROR, "MissingOutputException: x.parquet")
    assert [line.split()[0] for line in run.text().splitlines()] == [
        *("LockException:", "Error:", "Nothing", "emofuse,", "squeue", "MissingOutputException:")
    ]


@pytest.mark.parametrize("asked", [None, "dryrun", "verbose", "printshellcmds", "quiet"])
def test_snakemakes_own_output_stays_where_it_is_asked_for(asked):
    logger, handler = logging.Logger("run"), logging.StreamHandler(io.StringIO())
    handler.name = "DefaultStreamHandler"
    logger.addHandler(handler)
    names = ("dryrun", "quiet", "verbose", "printshellcmds", "debug_dag")
    show(logger, SimpleNamespace(**{name: name == asked for name in names}), TOLD)
    assert (logger.handlers == [handler]) == (asked is not None)


def test_a_refusal_takes_the_place_of_one_error_of_snakemake():
    run = Run()
    run.logger.addFilter(Refusal(run.logger, "100% of it is wrong"))
    for _ in range(2):
        run.event("error", logging.ERROR, 'WorkflowError in file "x.smk", line 3')
    assert run.text() == 'error: 100% of it is wrong\nWorkflowError in file "x.smk", line 3\n'


def test_a_key_in_a_message_gets_its_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text("run: x\nencoders:\n  text:\n    bert: {epochs: 1}\ncorpus:\n  root: /a\n")
    (tmp_path / "b.yaml").write_text("\nencoders:\n  text:\n    bert:\n\n      epochs: 0\n")
    message = (
        "not valid:\n  encoders.text.bert.epochs: 0 is low\n  encoders.text.bert.layer: odd\n  top level: unknown key 'run' (x)"
        "\n  corpus.root: /b is not there\n  corpus.name: wrong\n  final_system: none\n  /data/x.wav: truncated"
    )
    assert placed(message, [tmp_path / "a.yaml", "b.yaml", "none.yaml"], {"corpus": {"root": "/b"}}) == (
        "not valid:\n  encoders.text.bert.epochs: 0 is low (b.yaml:6)\n  encoders.text.bert.layer: odd (b.yaml:4)\n"
        "  top level: unknown key 'run' (x) (a.yaml:1)\n  corpus.root: /b is not there (--config)\n"
        "  corpus.name: wrong (--config)\n  final_system: none\n  /data/x.wav: truncated"
    )


TRAINING = (
    "Loading weights: 100%|##| 999/999 [00:00<00:00, 9.9it/s]\n\r  1%|#| 1/80 [00:00<00:18,  4.3it/s]"
    "\r 12%|#| 10/80 [01:01<08:00, 8.4it/s]\n{'loss': '1.394', 'learning_rate': '0.1', 'epoch': '1'}\n"
    "  0%| | 0/4 [00:00<?, ?it/s]\r100%|#| 4/4 [00:00<00:00, 9it/s]\n{'eval_loss': '9', 'eval_wa': '0.57', 'epoch': '1'}\n"
    "\r 25%|#| 20/80 [02:01<06:10, 8.4it/s]\n{'loss': '1.215', 'epoch': '2'}\n{'eval_wa': '0.46', 'epoch': '2'}"
    "\n\r 26%|#| 21/80 [02:07<06:04, 8.4it/s]\n  25%| | 1/4 [00:00<00:09, 9it/s]\n"
)
BLOCK = "\n[Fri Nov 27 14:0{}:00 2026]\nrule {}:\n    input: a, b\n    log: {}\n    jobid: {}\n    wildcards: seed=0\n"


def test_status_says_what_runs_and_how_far_it_is(tmp_path):
    folder, log = tmp_path / ".snakemake", tmp_path / "training.log"
    assert "no run that says what it does" in describe(folder, "emofuse", STAGES.get)
    log.write_text(TRAINING)
    (folder / "log").mkdir(parents=True)
    (folder / "locks").mkdir()
    (folder / "log/2.snakemake.log").write_text("")  # of one that asked for the status
    (folder / "log/0.snakemake.log").write_text("Job stats:\njob   count\n---  ---\nembed    2\ntotal    2\n")
    (folder / "log/1.snakemake.log").write_text(
        "Job stats:\njob          count\n---------  -------\ncut_audio        2\nfine_tune        3\nall 1\ntotal        6\n"
        + BLOCK.format(1, "cut_audio", "x.log", 4)
        + "[Fri Nov 27 14:02:00 2026]\nFinished jobid: 4 (Rule: cut_audio)\n"
        + BLOCK.format(1, "fine_tune", log, 5)
        + BLOCK.format(1, "fine_tune", "none.log", 6)
        + "[Fri Nov 27 14:02:00 2026]\nError in rule fine_tune:\n    message: None\n    jobid: 6\n"
        + BLOCK.format(3, "fine_tune", "none.log", 6)
    )
    now = time.mktime((2026, 11, 27, 14, 11, 0, 0, 0, -1))
    head = "emofuse: 1 of 6 jobs done, {}\n  clips 1/2\n  encoders 0/3"
    assert describe(folder, "emofuse", STAGES.get, now) == head.format("no run is going on")
    (folder / "locks/0.input.lock").touch()
    far = "epoch 2 of 8, loss 1.215, validation WA 0.460 (best 0.570), 06:04 left"
    running = f"\nrunning: fine_tune (seed=0) for 10 min; {far}"
    assert describe(folder, "emofuse", STAGES.get, now) == head.format("2 running") + running + (
        "\nrunning: fine_tune (seed=0) for 8 min"  # for the second time
    )


def test_a_log_that_is_no_trainings_says_nothing(tmp_path):
    log = tmp_path / "job.log"
    log.write_text("best epoch: 100%|#| 4/4 [00:00<00:00, 9it/s]\n")
    assert training(log) == "" == training(tmp_path / "none.log")


def test_durations_as_a_person_says_them():
    assert [duration(s) for s in (1.4, 99, 180, 7_800, 273_600)] == ["1 s", "99 s", "3 min", "2 h 10 min", "3 d 4 h"]
