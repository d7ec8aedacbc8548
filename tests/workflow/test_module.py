"""Another workflow that includes this one as a module, as docs/module.md shows it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/module.md").read_text(encoding="utf-8")


def snakemake(folder, *arguments):
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.run(command, cwd=folder, env=os.environ, **streams)


@pytest.fixture
def other(tmp_path):
    """A folder with the Snakefile of docs/module.md, and a config that leaves out video and renames the run."""
    snakefile = re.search(r"```python\n(.*?)```", DOCUMENT, re.S)[1]
    assert "/path/to/emofuse" in snakefile
    (tmp_path / "Snakefile").write_text(snakefile.replace("/path/to/emofuse", str(ROOT)))
    demo = (ROOT / "config/demo.yaml").read_text(encoding="utf-8")
    assert "run: demo\n" in demo
    (tmp_path / "mine.yaml").write_text(demo.replace("run: demo\n", "run: other\n") + "\nfusion: {video: null}\n")
    return tmp_path


def test_another_workflow_runs_it_with_a_config_of_its_own(other):
    profile = str(ROOT / "profiles/default")
    done = snakemake(other, "--dry-run", "--quiet", "rules", "--workflow-profile", profile)
    assert done.returncode == 0, done.stdout
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout, re.M))
    # Two modalities in five folds by the base config and the other workflow's; its own rule, after the report.
    assert jobs["emofuse_fine_tune"] == "10" and "emofuse_cut_video" not in jobs
    assert jobs["copy_report"] == jobs["emofuse_make_report"] == "1"


def test_a_module_cannot_be_moved_by_a_prefix(other):
    text = (other / "Snakefile").read_text()
    (other / "Snakefile").write_text(text.replace("config: config", 'config: config\n    prefix: "inner"'))
    done = snakemake(other, "--dry-run")
    assert done.returncode == 1 and "emofuse cannot be a module with `prefix`" in done.stdout
