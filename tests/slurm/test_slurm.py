"""The workflow on a real SLURM: jobs get what they ask for, resume when preempted, and say which limit has killed them."""

import re
import shutil
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emofuse.runtime.store import read_parquet
from slurm.runs import PATIENCE, RESULTS, interrupt_all, rule_of, run, started

pytestmark = pytest.mark.slurm

TRAINING = f"{RESULTS}/encoders/{{}}/{{}}/session3/seed0/training.json"
EPOCHS = 30  # of the training that is preempted after its first


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
    found = [job for job in cluster.jobs() if all(job.get(key) == value for key, value in wanted.items())]
    return found[-1] if found else None


def test_a_slice_runs_to_its_report(finished):
    project, done = finished
    assert done.code == 0, done.output[-20_000:]
    assert "</html>" in (project.folder / RESULTS / "report.html").read_text(encoding="utf-8")
    # The 12 clip jobs in a single one. The encoders of the text are both trained on one fold, the chosen one on the others.
    assert done.rules() == {
        **{f"make_demo_{name}": 1 for name in ("bert", "distilbert", "wav2vec2", "videomae")},
        **{"check_encoders": 1, "make_demo_dialog": 3, "clips_cut_audio_cut_text_cut_video_shrink_video": 1},
        **{rule: 1 for rule in ("index_turns", "index_words", "index_votes", "index_media", "list_problems")},
        **{"make_split": 3, "fine_tune": 10, "embed": 10, "compare_encoders": 1, "choose_encoder": 1},
        **{"classify": 6},
        **{rule: 1 for rule in ("evaluate", "assess", "measure_ceiling", "keep_record")},
        **{rule: 1 for rule in ("make_tables", "make_figures", "make_report")},
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


@pytest.fixture(scope="module")
def tried(finished, cluster, tmp_path_factory):
    """{name: the future of what it returns} of all below, each on a copy of the slice and all at once, for they mostly wait."""
    attempts = {
        "time": lambda project: over_limit(project, cluster, "runtime", 1),
        # Enough for the job's imports and Snakemake beside it (550 MB), not for the training with its loaders (2000 MB).
        "memory": lambda project: over_limit(project, cluster, "mem_mb", 1200),
        "preempted": lambda project: preempt(project, cluster),
        "again": lambda project: one_fold_again(project, cluster),
        "together": lambda project: trainings_together(project, cluster),
    }
    projects = {name: finished[0].copy(tmp_path_factory.mktemp(name) / "project") for name in attempts}
    with ThreadPoolExecutor() as pool:
        try:
            yield {name: pool.submit(attempt, projects[name]) for name, attempt in attempts.items()}
        finally:
            interrupt_all()  # those of a test that has failed, or was stopped


def one_fold_again(project, cluster):
    shutil.rmtree(project.folder / RESULTS / "encoders/audio/wav2vec2/session3")
    return run(cluster, project, "all", "session3")


def test_one_fold_again(tried):
    done = tried["again"].result()
    assert done.code == 0, done.output[-20_000:]
    assert done.rules() == {
        **{"fine_tune": 1, "embed": 1, "classify": 2},
        **{rule: 1 for rule in ("evaluate", "assess", "measure_ceiling", "keep_record")},
        **{rule: 1 for rule in ("make_tables", "make_figures", "make_report")},
        **{"evaluate_fold": 1, "make_fold_tables": 1},  # which no run has asked for before
    }


def trainings_together(project, cluster):
    """Train the three folds of an encoder anew in one SLURM job, one after the other on one GPU."""
    shutil.rmtree(project.folder / RESULTS / "encoders/audio/wav2vec2")
    targets = [TRAINING.format("audio", "wav2vec2").replace("session3", f"session{number}") for number in (1, 2, 3)]
    grouped = ["--groups", "fine_tune=trainings", "--group-components", "clips=20", "trainings=3"]
    one_gpu = ["--resources", "gpu=1", "--set-resource-scopes", "gpu=local", "--set-resources", "fine_tune:gpu=1", "--"]
    return run(cluster, project, *grouped, *one_gpu, *targets), [project.folder / target for target in targets]


def test_trainings_of_several_folds_in_one_job(tried):
    done, targets = tried["together"].result()
    assert done.code == 0, done.output[-20_000:]
    [job] = done.jobs
    assert (job["TresPerJob"], job["TimeLimit"]) == ("gres:gpu:1", "1-00:00:00")  # three times eight hours
    assert all(target.exists() for target in targets)


def preempt(project, cluster):
    """Train with a GPU and requeue the job midway: the job before and after, and the scripts' environments before.

    The GPU is none that PyTorch could use, so the training does not; it asks for one all the same.
    """
    long = {"encoders": {"video": {"videomae": {"epochs": EPOCHS}}}, "training": {"checkpoint_minutes": 0}}
    project.write_config("long.yaml", long)
    target = TRAINING.format("video", "videomae")
    states = project.folder / RESULTS / "resume/video/videomae/session3/seed0"
    gpu = ["--set-resources", "fine_tune:gpu=1", "--"]
    with started(cluster, project, *gpu, target, configs=["long.yaml"]) as process:
        # trainer_state.json is the last file of a checkpoint.
        wait_for(lambda: list(states.glob("*/checkpoint-*/trainer_state.json")), process)
        [before] = [
            job for job in cluster.jobs() if job["JobState"] == "RUNNING" and "gpu:1" in job.get("TresPerJob", "")
        ]
        number = before["JobId"]
        scripts = [pid for pid in cluster.processes(number) if "fine_tune.py" in command_line(pid)]
        environments = [environment(pid) for pid in scripts]

        cluster.run("scontrol", "requeue", number)
        wait_for(lambda: the_job(cluster, JobId=number, JobState="PENDING"), process)
        cluster.run("scontrol", "update", f"JobId={number}", "StartTime=now")  # or it would wait for two minutes
        output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    return project.folder, before, the_job(cluster, JobId=number), environments


def test_a_preempted_training_has_its_gpu_and_resumes(tried):
    folder, before, after, environments = tried["preempted"].result()
    assert rule_of(before) == "fine_tune"
    assert environments and all("CUDA_VISIBLE_DEVICES=0" in environment for environment in environments)
    assert (after["JobState"], after["Restarts"]) == ("COMPLETED", "1")
    log = (folder / RESULTS / "logs/fine_tune/video/videomae/session3/seed0.log").read_text(encoding="utf-8")
    assert re.search(r"^resuming from .*/checkpoint-\d+$", log, re.MULTILINE)
    history = read_parquet((folder / TRAINING.format("video", "videomae")).with_name("history.parquet")).to_pylist()
    assert [row["epoch"] for row in history if row["part"] == "val"] == list(range(1, EPOCHS + 1))


def command_line(pid):
    return _read(pid, "cmdline")


def environment(pid):
    return _read(pid, "environ").split("\0")


def _read(pid, name):
    try:
        return Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""  # it has ended meanwhile


def over_limit(project, cluster, limit, value):
    """Train for hours with one limit set too low."""
    long = {"encoders": {"audio": {"wav2vec2": {"epochs": 100_000}}}, "training": {"loader_workers": 4}}
    project.write_config("long.yaml", long)
    # In the profile, where the message sends users.
    profile = project.folder / "profiles/slurm/config.yaml"
    text = profile.read_text(encoding="utf-8")
    profile.write_text(f"{text}\nset-resources:\n  fine_tune: {{{limit}: {value}}}\n", encoding="utf-8")
    return run(cluster, project, TRAINING.format("audio", "wav2vec2"), "--retries", "0", configs=["long.yaml"])


def test_the_time_limit_is_named(tried):
    done = tried["time"].result()
    assert done.code != 0
    assert [(rule_of(job), job["JobState"]) for job in done.jobs] == [("fine_tune", "TIMEOUT")]
    assert "SLURM status is: 'TIMEOUT'" in done.output
    message = (
        f"error: fine_tune was killed at the time limit of SLURM job {done.jobs[0]['JobId']}; it had asked for 1 min:"
        " raise set-resources: fine_tune: {runtime: ...} in profiles/slurm/config.yaml"
    )
    assert message in done.output


def test_the_memory_limit_is_named(tried):
    done = tried["memory"].result()
    assert done.code != 0
    # Without cgroups; with them it would be OUT_OF_MEMORY.
    assert [(rule_of(job), job["JobState"]) for job in done.jobs] == [("fine_tune", "FAILED")]
    assert re.search(
        r"^slurmstepd.*: StepId=\S+ exceeded memory limit \(.*\), being killed$", done.output, re.MULTILINE
    )
    # SIGKILL leaves a job no time: its log has said at its start what an end without an error means.
    message = (
        f"SLURM job {done.jobs[0]['JobId']} on {socket.gethostname()}; fine_tune asked for 480 min and 1200 MB. If this log"
        " breaks off without an error, SLURM killed the job, most likely over its memory: raise set-resources: fine_tune:"
        " {mem_mb: ...} in profiles/slurm/config.yaml"
    )
    assert message in done.output
    assert "error: fine_tune" not in done.output
