"""A copy of the project in which Snakemake runs, and a finished run of a slice of the demo."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from emofuse.demo.release import write_dialog

ROOT = Path(__file__).parents[2]
# A rule with its lines in a dry run; those of one group stand inside each other's.
RULE = r"^ *(?:local)?rule (\w+):\n((?:    (?! *(?:local)?rule \w+:).*\n)*)"
TREE = ["Snakefile", "config", "envs", "profiles", "resources", "workflow"]

# Three sessions of two dialogs, an epoch or two: every rule of the workflow, in about two minutes. The tree is the
# demo's, but to the workflow it is a release that it finds, so that the tests may edit its files as users do.
SLICE = {
    "run": "slice",
    "corpus": {"name": "tree", "root": "release", "sessions": [1, 2, 3], "notice": ""},
    "selection": {"fold": 3},
    "encoders": {
        "text": {"bert": {"epochs": 2}, "distilbert": {"epochs": 1}, "roberta": None},
        "audio": {"wav2vec2": {"epochs": 1}, "hubert": None, "ast": None},
        "video": {"videomae": {"epochs": 1, "eval_windows": 1}},
    },
    "classifiers": {
        "svm": {"C": [0.3, 3.0]},
        "xgboost": {"n_estimators": 5, "max_depth": 3},
        "mlp": {"width": 32, "max_iter": 20},
    },
    "training": {"checkpoint_minutes": 0},
    "figure_fold": 3,
}
SLICE_DIALOGS = [f"Ses0{s}{scene}" for s in (1, 2, 3) for scene in ("F_impro01", "F_script01_1")]


class Project:
    """A copy of the project in its own folder."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        for name in TREE:
            source = ROOT / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", *(["demo"] if name == "resources" else []))
                shutil.copytree(source, folder / name, ignore=ignored)
            else:
                shutil.copy(source, folder / name)

    @classmethod
    def at(cls, folder):
        """The project that is in a folder already."""
        project = object.__new__(cls)
        project.folder = folder
        return project

    def copy(self, folder):
        """A copy with all results, times and records, for tests that change them."""
        return Project.at(shutil.copytree(self.folder, folder, symlinks=True))

    def write_config(self, name, config):
        (self.folder / name).write_text(yaml.safe_dump(config), encoding="utf-8")

    def snakemake(self, *arguments, configs=("config/demo.yaml", "slice.yaml"), environment=None, told=False):
        """Run snakemake; the finished process, with both outputs together as `stdout`. told: what a user sees, and not all that
        Snakemake says."""
        environment = os.environ | (environment or {})
        files = ["--configfile", *configs] if configs else []
        command = [
            sys.executable,
            "-m",
            "snakemake",
            *files,
            "--cores",
            "2",
            *([] if told else ["--printshellcmds"]),
            *arguments,
        ]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.run(command, cwd=self.folder, env=environment, **streams)

    def planned(self, *arguments, configs=("config/demo.yaml", "slice.yaml")):
        """The jobs that a run would start, as {job: number}: "fine_tune text", "classify svm", "evaluate", ...

        Rules that only name targets are left out.
        """
        done = self.snakemake("--dry-run", *arguments, configs=configs)
        assert done.returncode == 0, done.stdout
        jobs = Counter()
        for rule, block in re.findall(RULE, done.stdout, re.MULTILINE):
            wildcard = re.search(r"^ +wildcards: .*?(?:modality|dialog|classifier)=(\w+)", block, re.MULTILINE)
            jobs[f"{rule} {wildcard[1]}" if wildcard else rule] += 1
        if jobs:
            assert sum(jobs.values()) == int(re.search(r"^total\s+(\d+)", done.stdout, re.MULTILINE)[1])
        else:
            assert "Nothing to be done" in done.stdout
        return {job: number for job, number in jobs.items() if job not in {"all", "clips", "paper"}}


@pytest.fixture
def project(tmp_path):
    """A fresh copy of the project."""
    return Project(tmp_path / "project")


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id, testrun_uid):
    """A copy of the project in which the slice has run to its end; tests leave it as they find it.

    It is run once, by the first of pytest's workers that wants it; each then has a copy of its own.
    """
    own = tmp_path_factory.getbasetemp()
    shared = (own if worker_id == "master" else own.parent) / f"finished-{testrun_uid}"
    with FileLock(f"{shared}.lock"):
        if not shared.exists():
            project = Project(tmp_path_factory.mktemp("finished") / "project")
            project.write_config("slice.yaml", SLICE)
            for dialog in SLICE_DIALOGS:
                write_dialog(project.folder / "release", dialog, seed=0)
            done = project.snakemake("all", "paper", told=True)
            assert done.returncode == 0, done.stdout[-20_000:]
            (project.folder / "terminal.txt").write_text(done.stdout, encoding="utf-8")
            project.folder.rename(shared)
    return Project.at(shared).copy(tmp_path_factory.mktemp("copy") / "project")
