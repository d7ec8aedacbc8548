"""The workflow on a real SLURM: jobs get what they ask for, resume when preempted, and say which limit has killed them."""

import re
import shutil
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emofuse.store import read_parquet
from slurm.runs import PATIENCE, RESULTS, rule_of, run, started

pytestmark = pytest.mark.slurm

TRAINING = f"{RESULTS}/encoders/{{}}/{{}}/session3/seed0/training.json"


def wait_for(look, process):
    """What `look()` finds, as soon as it finds something."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def the_job(cluster, **wanted):
    """The last job whose values are those wanted, or None."""
    found = [job for job in cluster.jobs() if all(job[key] == value for key, value in wanted.items())]
    return found[-1] if found else None


def test_a_slice_runs_to_its_report(finished):
    project, done = finished
    assert done.code == 0, done.output[-20_000:]
    assert "</html>" in (project.folder / RESULTS / "report.html").read_text(encoding="utf-8")
    # The 9 clip jobs in a single one. The encoders of the text are both trained on one fold, the chosen one on the others.
    assert done.rules() == {
        **{f"make_demo_{name}": 1 for name in ("bert", "distilbert", "wav2vec2", "videomae")},
        **{"make_demo_dialog": 3, "clips_cut_audio_cut_text_cut_video": 1},
        **{rule: 1 for rule in ("index_turns", "index_words", "index_media", "list_problems")},
        **{"make_split": 3, "fine_tune": 10, "embed": 10, "compare_encoders": 1, "choose_encoder": 1},
        **{f"classify_{name}": 3 for name in ("argmax", "svm")},
        **{rule: 1 for rule in ("evaluate", "make_tables", "make_figures", "make_report")},
    }
    assert {job["JobState"] for job in done.jobs} == {"COMPLETED"}


def test_requests_reach_slurm(finished):
    _, done = finished
    asked = {
        rule_of(job): {key: job.get(key) for key in ("Partition", "TimeLimit", "MinMemoryNode", "NumCPUs", "Requeue")}
        for job in done.jobs
    }
    common = {"Partition": "main", "NumCPUs": "1", "Requeue": "1"}
    assert asked["fine_tune"] == common | {"TimeLimit": "08:00:00", "MinMemoryNode": "16000M"}
    assert asked["make_split"] == common | {"TimeLimit": "00:05:00", "MinMemoryNode": "1000M"}
    assert not any("TresPerJob" in job for job in done.jobs)  # the demo trains on the CPU


def test_one_fold_again(finished, cluster, tmp_path):
    project = finished[0].copy(tmp_path / "project")
    shutil.rmtree(project.folder / RESULTS / "encoders/audio/wav2vec2/session3")
    done = run(cluster, project, "all", "session3")
    assert done.code == 0, done.output[-20_000:]
    assert done.rules() == {
        **{"fine_tune": 1, "embed": 1},
        **{f"classify_{name}": 1 for name in ("argmax", "svm")},
        **{rule: 1 for rule in ("evaluate", "make_tables", "make_figures", "make_report")},
        **{"evaluate_fold": 1, "make_fold_tables": 1},  # which no run has asked for before
    }


def test_a_preempted_training_has_its_gpu_and_resumes(finished, cluster, tmp_path):
    project = finished[0].copy(tmp_path / "project")
    epochs = 30
    long = {"encoders": {"video": {"videomae": {"epochs": epochs}}}, "training": {"device": "auto"}}
    project.write_config("long.yaml", long)
    target = TRAINING.format("video", "videomae")
    states = project.folder / RESULTS / "resume/video/videomae/session3/seed0"
    with started(cluster, project, target, configs=["long.yaml"]) as process:
        # trainer_state.json is the last file of a checkpoint.
        wait_for(lambda: list(states.glob("*/checkpoint-*/trainer_state.json")), process)
        job = the_job(cluster, JobState="RUNNING")
        assert rule_of(job) == "fine_tune" and job["TresPerJob"] == "gres:gpu:1"
        scripts = [pid for pid in cluster.processes(job["JobId"]) if "fine_tune.py" in command_line(pid)]
        assert scripts and all("CUDA_VISIBLE_DEVICES=0" in environment(pid) for pid in scripts)

        cluster.run("scontrol", "requeue", job["JobId"])
        wait_for(lambda: the_job(cluster, JobId=job["JobId"], JobState="PENDING"), process)
        cluster.run("scontrol", "update", f"JobId={job['JobId']}", "StartTime=now")  # or it would wait for two minutes
        output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    job = the_job(cluster, JobId=job["JobId"])
    assert (job["JobState"], job["Restarts"]) == ("COMPLETED", "1")
    log = (project.folder / RESULTS / "logs/fine_tune/video/videomae/session3/seed0.log").read_text(encoding="utf-8")
    assert re.search(r"^resuming from .*/checkpoint-\d+$", log, re.MULTILINE)
    history = read_parquet(project.folder / Path(target).with_name("history.parquet")).to_pylist()
    assert [row["epoch"] for row in history if row["part"] == "val"] == list(range(1, epochs + 1))


def command_line(pid):
    return _read(pid, "cmdline")


def environment(pid):
    return _read(pid, "environ").split("\0")


def _read(pid, name):
    try:
        return Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""  # it has ended meanwhile


@pytest.fixture(scope="module")
def killed(finished, cluster, tmp_path_factory):
    """Runs of a long fine_tune, each over one limit, by its name; side by side, for they mostly wait."""
    with ThreadPoolExecutor() as pool:
        runs = {
            limit: pool.submit(
                _killed, finished[0].copy(tmp_path_factory.mktemp(limit) / "project"), cluster, limit, value
            )
            # Enough memory for the job's imports and Snakemake beside it (550 MB), not for the training (800 MB).
            for limit, value in {"runtime": 1, "mem_mb": 680}.items()
        }
    return {limit: future.result() for limit, future in runs.items()}


def _killed(project, cluster, limit, value):
    project.write_config("long.yaml", {"encoders": {"audio": {"wav2vec2": {"epochs": 2000}}}})
    # In the profile, where the message sends users.
    profile = project.folder / "profiles/slurm/config.yaml"
    text = profile.read_text(encoding="utf-8")
    profile.write_text(f"{text}\nset-resources:\n  fine_tune: {{{limit}: {value}}}\n", encoding="utf-8")
    return run(cluster, project, TRAINING.format("audio", "wav2vec2"), "--retries", "0", configs=["long.yaml"])


def test_the_time_limit_is_named(killed):
    done = killed["runtime"]
    assert done.code != 0
    assert [(rule_of(job), job["JobState"]) for job in done.jobs] == [("fine_tune", "TIMEOUT")]
    assert "SLURM status is: 'TIMEOUT'" in done.output
    message = (
        f"error: fine_tune was killed at the time limit of SLURM job {done.jobs[0]['JobId']}; it had asked for 1 min:"
        " raise set-resources: fine_tune: {runtime: ...} in profiles/slurm/config.yaml"
    )
    assert message in done.output


def test_the_memory_limit_is_named(killed):
    done = killed["mem_mb"]
    assert done.code != 0
    # Without cgroups; with them it would be OUT_OF_MEMORY.
    assert [(rule_of(job), job["JobState"]) for job in done.jobs] == [("fine_tune", "FAILED")]
    assert re.search(
        r"^slurmstepd.*: StepId=\S+ exceeded memory limit \(.*\), being killed$", done.output, re.MULTILINE
    )
    # SIGKILL leaves a job no time: its log has said at its start what an end without an error means.
    message = (
        f"SLURM job {done.jobs[0]['JobId']} on {socket.gethostname()}; fine_tune asked for 480 min and 680 MB. If this log"
        " breaks off without an error, SLURM killed the job, most likely over its memory: raise set-resources: fine_tune:"
        " {mem_mb: ...} in profiles/slurm/config.yaml"
    )
    assert message in done.output
    assert "error: fine_tune" not in done.output
