"""A SLURM cluster of one node with a made-up GPU, in a folder and on ports of its own, as child processes of the tests."""

import os
import pwd
import random
import re
import secrets
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil

HERE = Path(__file__).parent
TOOLS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue")
USER = pwd.getpwuid(os.getuid()).pw_name
# Debian's place of daemons, which only root has on its PATH.
PATH = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"


class Cluster:
    """A running cluster: `with Cluster(folder) as cluster`. SLURM's own commands find it by `cluster.environment`.

    folder: an empty one, with a short path, for a socket lies in it.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        outer = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SBATCH", "SRUN"))}
        self.environment = outer | {
            "PATH": f"{self.folder}/bin{os.pathsep}{PATH}",
            "SLURM_CONF": str(self.folder / "slurm.conf"),
        }

    def __enter__(self):
        missing = [tool for tool in TOOLS if shutil.which(tool, path=PATH) is None]
        assert not missing, f"no {', '.join(missing)}: `make test-slurm` as root installs SLURM and munge from Debian"
        self._write_files()
        with ExitStack() as stack:
            stack.callback(self._kill_left)
            key, munge = self.folder / "munge.key", self.folder / "munge.socket"
            self._start(
                stack,
                # --force: never mind who may write to a parent folder. --origin: the host's name may not resolve.
                *("munged", "--foreground", "--force", "--origin=127.0.0.1"),
                *(f"--key-file={key}", f"--socket={munge}"),
                *(f"--{name}-file={self.folder}/munge.{name}" for name in ("pid", "seed", "log")),
            )
            self._wait(munge.exists)
            # -i: its state folder is empty. -D: both stay in the foreground.
            self._start(stack, "slurmctld", "-D", "-i")
            self._start(stack, "slurmd", "-D", "-N", socket.gethostname().split(".")[0])
            stack.callback(self._cancel_all)
            self._wait(lambda: "idle" in self.run("sinfo", "--noheader", "--format=%T", check=False))
            self._stop = stack.pop_all()
        return self

    def __exit__(self, *error):
        self._stop.close()

    def run(self, *command, check=True):
        """The output of one of SLURM's commands."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0 or not check, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def jobs(self):
        """All jobs so far, as SLURM tells of them: [{JobId, JobState, Comment, TimeLimit, TresPerJob, ...}], all text."""
        lines = self.run("scontrol", "show", "job", "--oneliner").splitlines()
        return [dict(re.findall(r"(\S+?)=(.*?)(?=\s+\S+?=|\s*$)", line)) for line in lines if line.startswith("JobId=")]

    def processes(self, job):
        """Process ids of a running job."""
        return [int(line.split()[0]) for line in self.run("scontrol", "listpids", job).splitlines()[1:]]

    def _write_files(self):
        self.folder.chmod(0o711)  # munge wants its socket within everybody's reach
        for name in ("state", "spool", "bin"):
            (self.folder / name).mkdir()
        # The plugin's step (0.6.1) takes SLURM_CONF, like most of SLURM's variables, from the srun that it starts in a job.
        srun = self.folder / "bin/srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {shutil.which("srun", path=PATH)} "$@"\n')
        srun.chmod(0o755)
        (self.folder / "munge.key").write_bytes(secrets.token_bytes(128))
        (self.folder / "munge.key").chmod(0o600)
        controller_port, node_port = _free_ports(2)
        values = {
            "host": socket.gethostname().split(".")[0],
            "user": USER,
            "folder": self.folder,
            "controller_port": controller_port,
            "node_port": node_port,
            "cgroup_plugin": "disabled" if self._version() >= (24, 5) else "cgroup/v1",
        }
        for name in ("slurm.conf", "gres.conf", "cgroup.conf"):
            text = (HERE / name).read_text(encoding="utf-8").format(**values)
            (self.folder / name).write_text(text, encoding="utf-8")

    def _version(self):
        """Of SLURM: (22, 5)."""
        printed = subprocess.run(["slurmd", "-V"], env=self.environment, capture_output=True, text=True).stdout
        return tuple(int(number) for number in re.search(r"(\d+)\.(\d+)", printed).groups())

    def _start(self, stack, *command):
        """Start a daemon that ends with the stack; not in our process group, so that Ctrl-C leaves the order to us."""
        log = stack.enter_context((self.folder / f"{command[0]}.out").open("w"))
        path = shutil.which(command[0], path=PATH)
        process = subprocess.Popen(
            [path, *command[1:]], env=self.environment, stdout=log, stderr=log, start_new_session=True
        )
        stack.callback(self._end, process)

    def _end(self, process):
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _cancel_all(self):
        """End all jobs, whose processes would outlive the daemons."""
        self.run("scancel", "--user", USER, check=False)
        deadline = time.monotonic() + 60
        while self.run("squeue", "--noheader", check=False) and time.monotonic() < deadline:
            time.sleep(0.5)

    def _kill_left(self):
        """Kill what jobs have left behind: without cgroups, SLURM loses sight of a process whose parent has ended."""
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("PATH", "").startswith(self.environment["PATH"]):
                    process.kill()

    def _wait(self, ready):
        deadline = time.monotonic() + 120
        while not ready():
            logs = "".join(f"\n{p.name}:\n{p.read_text()[-3000:]}" for p in sorted(self.folder.glob("*.[lo][ou][gt]")))
            assert time.monotonic() < deadline, f"the cluster does not start{logs}"
            time.sleep(0.2)


def _free_ports(number):
    """Ports that nobody listens on, below those that the system gives to outgoing connections, which could take one
    before SLURM does."""
    found = []
    for port in random.sample(range(10_000, 30_000), 1_000):
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == number:
            return found
    raise OSError("no port is free")
