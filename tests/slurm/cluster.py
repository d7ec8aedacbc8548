"""A SLURM cluster of one node with a made-up GPU, in a folder and on ports of its own, as child processes of the tests."""

import getpass
import os
import re
import secrets
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).parent
TOOLS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue")
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
            key, munge = self.folder / "munge.key", self.folder / "munge.socket"
            self._start(
                stack,
                *("munged", "--foreground", f"--key-file={key}", f"--socket={munge}"),
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
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            second.bind(("127.0.0.1", 0))
            values = {
                "host": socket.gethostname().split(".")[0],
                "user": getpass.getuser(),
                "folder": self.folder,
                "controller_port": first.getsockname()[1],
                "node_port": second.getsockname()[1],
            }
        for name in ("slurm.conf", "gres.conf"):
            text = (HERE / name).read_text(encoding="utf-8").format(**values)
            (self.folder / name).write_text(text, encoding="utf-8")

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
        self.run("scancel", "--user", getpass.getuser(), check=False)
        deadline = time.monotonic() + 20
        while self.run("squeue", "--noheader", check=False) and time.monotonic() < deadline:
            time.sleep(0.5)

    def _wait(self, ready):
        deadline = time.monotonic() + 30
        while not ready():
            logs = "".join(f"\n{p.name}:\n{p.read_text()[-3000:]}" for p in sorted(self.folder.glob("*.[lo][ou][gt]")))
            assert time.monotonic() < deadline, f"the cluster does not start{logs}"
            time.sleep(0.2)
