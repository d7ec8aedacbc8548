"""Leases of GPUs: one job a GPU, free as soon as the job is dead; nothing happens where there is nothing to decide."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emofuse.runtime import devices, gpus
from emofuse.runtime.errors import EmofuseError

SCRIPTS = Path(gpus.__file__).parents[2]
A, B = "GPU-aaaaaaaa-0000-0000-0000-000000000000", "GPU-bbbbbbbb-0000-0000-0000-000000000000"
FORK = """
import time
child = os.fork()
if not child:
    time.sleep(60)
    os._exit(0)
print(f"child {child}")
"""
SPAWN_AND_FORK = """
import subprocess
subprocess.run(["true"], check=True)
child = os.fork()
if not child:
    os.closerange(3, 100)
    os._exit(0)
os.waitpid(child, 0)
"""


class Job:
    """A process that leases a GPU, says so in its log, runs some more code and goes on until it may end."""

    def __init__(self, folder, number, of, pause, then, jobs):
        code = (
            "import os, sys\n"
            "from emofuse.runtime.gpus import lease_gpu\n"
            f"lease_gpu('auto', {of!r}, {str(folder)!r}, {pause}, {jobs})\n"
            f"{then}\n"
            "print('runs on', os.environ['CUDA_VISIBLE_DEVICES'])\n"
            "sys.stdin.read()\n"
        )
        environment = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
        environment |= {"PYTHONPATH": str(SCRIPTS), "PYTHONUNBUFFERED": "1"}
        self.log = folder / f"{number}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code], env=environment, stdin=subprocess.PIPE, stdout=log, stderr=log
            )

    def said(self, word):
        """What follows `word` at the start of a line of the log, or None."""
        return next(
            (x.removeprefix(word).strip() for x in self.log.read_text().split("\n") if x.startswith(word)), None
        )

    @property
    def gpu(self):
        return self.said("runs on")

    @property
    def waits(self):
        return "waiting for one to end" in self.log.read_text() and self.gpu is None

    def end(self):
        self.process.communicate()
        assert self.process.returncode == 0, self.log.read_text()


@pytest.fixture
def start(tmp_path):
    """Starts jobs that share one folder of locks, and kills those that are left."""
    jobs = []

    def start(of, pause=0.05, then="", share=1):
        jobs.append(Job(tmp_path, len(jobs), of, pause, then, share))
        return jobs[-1]

    yield start
    for job in jobs:
        job.process.kill()
        job.process.wait()
        job.process.stdin.close()


def wait_until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "nothing happened for 30 s"
        time.sleep(0.01)


def test_four_jobs_on_two_gpus_run_two_at_a_time(start):
    waiting, running, served = [start([A, B]) for _ in range(4)], {}, 0
    while waiting or running:
        wait_until(lambda: all(job.gpu or job.waits for job in waiting))
        wait_until(lambda: sum(bool(job.gpu) for job in waiting) + len(running) >= min(2, len(waiting) + len(running)))
        for job in [job for job in waiting if job.gpu]:
            assert job.gpu not in running, "two jobs hold one GPU"
            running[job.gpu] = job
            waiting.remove(job)
        assert set(running) <= {A, B}
        running.pop(sorted(running)[served % len(running)]).end()
        served += 1
    assert served == 4


def test_jobs_share_gpus_evenly_and_no_more_of_them_than_allowed(start):
    jobs = [start([A, B], share=2) for _ in range(5)]
    wait_until(lambda: sum(bool(job.gpu) for job in jobs) == 4 and any(job.waits for job in jobs))
    assert sorted(job.gpu for job in jobs if job.gpu) == [A, A, B, B]
    waiting = next(job for job in jobs if job.waits)
    assert "all 2 leases of every GPU (2)" in waiting.log.read_text()
    next(job for job in jobs if job.gpu == B).end()
    wait_until(lambda: waiting.gpu)
    assert waiting.gpu == B


def test_the_emptiest_gpu_comes_first_whichever_slots_are_taken(start):
    first, second, third = (start([gpu], share=2) for gpu in (A, A, B))
    wait_until(lambda: first.gpu and second.gpu and third.gpu)
    first.end()
    second.end()
    fourth = start([B, A], share=2)
    wait_until(lambda: fourth.gpu)
    assert fourth.gpu == A


def test_a_job_that_shares_nothing_waits_for_the_first_slot(start):
    sharing = start([A], share=2)
    wait_until(lambda: sharing.gpu)
    alone = start([A])
    wait_until(lambda: alone.waits)
    sharing.end()
    wait_until(lambda: alone.gpu)


def test_a_waiting_job_says_so(start):
    first = start([A])
    wait_until(lambda: first.gpu)
    second = start([A])
    wait_until(lambda: second.waits)
    assert "every GPU (1)" in second.log.read_text() and "--resources gpu=N" in second.log.read_text()
    assert second.process.poll() is None
    first.end()
    wait_until(lambda: second.gpu)
    assert second.said(f"leased {A} after") is not None


def test_a_killed_job_frees_its_gpu_though_its_child_lives(start):
    killed = start([A], then=FORK)
    wait_until(lambda: killed.gpu)
    child = int(killed.said("child"))
    try:
        killed.process.send_signal(signal.SIGKILL)
        killed.process.wait()
        second = start([A], pause=3600)  # were it not free at once, this job would wait for an hour
        wait_until(lambda: second.gpu or second.waits)
        os.kill(child, 0)
        assert second.gpu == A
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_child_that_ends_does_not_end_the_lease(start):
    first = start([A], then=SPAWN_AND_FORK)
    wait_until(lambda: first.gpu)
    second = start([A])
    wait_until(lambda: second.gpu or second.waits)
    assert second.waits


@pytest.mark.parametrize("value", ["1", "", "0,1"])
def test_a_choice_of_gpus_is_left_alone(monkeypatch, tmp_path, value):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    gpus.lease_gpu("auto", [A, B], tmp_path)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == value and not list(tmp_path.iterdir())


@pytest.fixture
def undecided(monkeypatch):
    """No CUDA_VISIBLE_DEVICES, whatever the test leaves behind."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")


@pytest.fixture
def nvidia_smi(monkeypatch, tmp_path):
    """Puts a program of that name with the given output and exit status in place of all programs."""

    def install(output, status=0):
        program = tmp_path / "bin/nvidia-smi"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n[ \"$*\" = -L ] || exit 9\necho '{output}'\nexit {status}\n")
        program.chmod(0o755)

    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return install


def test_on_the_cpu_nothing_is_leased(undecided, tmp_path):
    gpus.lease_gpu("cpu", [A, B], tmp_path)
    assert "CUDA_VISIBLE_DEVICES" not in os.environ and not list(tmp_path.iterdir())


@pytest.mark.parametrize("wanted", ["auto", "cuda"])
def test_without_a_gpu_nothing_happens(undecided, nvidia_smi, tmp_path, capfd, wanted):
    before = dict(os.environ)
    gpus.lease_gpu(wanted, folder=tmp_path)
    assert dict(os.environ) == before and not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


def test_a_failing_driver_leases_nothing_and_is_named(undecided, nvidia_smi, tmp_path, capsys):
    nvidia_smi("Failed to initialize NVML: Driver/library version mismatch", 18)
    gpus.lease_gpu("auto", folder=tmp_path)
    assert "CUDA_VISIBLE_DEVICES" not in os.environ and not list(tmp_path.glob("*.lock"))
    assert "Driver/library version mismatch" in capsys.readouterr().out


def test_gpus_of_the_machine(undecided, nvidia_smi, tmp_path):
    nvidia_smi(f"GPU 0: NVIDIA GeForce RTX 3090 (UUID: {A})\nGPU 1: NVIDIA GeForce RTX 3090 (UUID: {B})")
    assert gpus.list_gpus() == [A, B]
    gpus.lease_gpu("auto", folder=tmp_path)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == A


def test_of_a_divided_gpu_its_instances(nvidia_smi, tmp_path):
    nvidia_smi(
        f"GPU 0: NVIDIA A100-SXM4-40GB (UUID: {A})\n"
        "  MIG 3g.20gb     Device  0: (UUID: MIG-c6d4f1ef)\n"
        "  MIG 3g.20gb     Device  1: (UUID: MIG-cba663e8)\n"
        f"GPU 1: NVIDIA A100-SXM4-40GB (UUID: {B})\n"
        "GPU 2: NVIDIA A100-SXM4-40GB (UUID: GPU-cccc)\n"
        "  MIG 7g.40gb     Device  0: (UUID: MIG-GPU-cccc/0/0)"  # drivers before 470
    )
    assert gpus.list_gpus() == ["MIG-c6d4f1ef", "MIG-cba663e8", B, "MIG-GPU-cccc/0/0"]


def test_an_instance_of_an_old_driver_can_be_leased(undecided, tmp_path):
    gpus.lease_gpu("auto", ["MIG-GPU-cccc/0/0"], tmp_path)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "MIG-GPU-cccc/0/0"


def test_lock_files_are_for_all_users_and_stay_young(undecided, tmp_path):
    old = tmp_path / f"emofuse-{A}.lock"
    old.touch()
    os.utime(old, (0, 0))
    mask = os.umask(0o077)
    try:
        gpus.lease_gpu("auto", [A], tmp_path)
        del os.environ["CUDA_VISIBLE_DEVICES"]
        gpus.lease_gpu("auto", [B], tmp_path)
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(mask)
    assert time.time() - old.stat().st_mtime < 3600
    assert stat.S_IMODE((tmp_path / f"emofuse-{B}.lock").stat().st_mode) == 0o666


@pytest.mark.parametrize("folder", ["/proc", "gone", "file"])
def test_a_folder_that_takes_no_lock_file_is_an_error(undecided, tmp_path, folder):
    (tmp_path / "file").touch()
    with pytest.raises(EmofuseError, match=r"emofuse-GPU-a\S+\.lock: .*writable.*CUDA_VISIBLE_DEVICES=0 snakemake"):
        gpus.lease_gpu("auto", [A], tmp_path / folder)
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


@pytest.mark.parametrize("target", ["mine", "not-yet-mine"])
def test_a_planted_link_is_not_followed(undecided, tmp_path, target):
    (tmp_path / "mine").write_text("text")
    (tmp_path / f"emofuse-{A}.lock").symlink_to(tmp_path / target)
    with pytest.raises(EmofuseError, match="lock file"):
        gpus.lease_gpu("auto", [A], tmp_path)
    assert (tmp_path / "mine").read_text() == "text" and not (tmp_path / "not-yet-mine").exists()


@pytest.mark.parametrize(
    ("before", "after"), [(None, "0"), (A, A), ("1", "1"), ("2,0,1", "2"), (f"{B},{A}", B), ("", "")]
)
def test_one_training_sees_one_gpu(undecided, monkeypatch, before, after):
    if before is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = before
    monkeypatch.setattr(devices.torch.cuda, "is_available", lambda: True)
    devices.prepare_device("cpu", 1)
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == before
    devices.prepare_device("auto", 1)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == after
