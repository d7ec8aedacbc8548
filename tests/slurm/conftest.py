"""A cluster for the tests, and a slice of the demo that has run on it to its report."""

import shutil
import signal
import tempfile

import pytest

from slurm.cluster import Cluster
from slurm.runs import DIALOGS, SLICE, run
from workflow.conftest import Project


@pytest.fixture(scope="session")
def cluster():
    for number in (signal.SIGINT, signal.SIGTERM):  # however the tests are stopped, the cluster is taken down
        signal.signal(number, signal.default_int_handler)
    folder = tempfile.mkdtemp(prefix="emofuse-slurm-", dir="/tmp")  # a short path, whatever TMPDIR is
    try:
        with Cluster(folder) as cluster:
            yield cluster
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # the last job's last lines may just come


@pytest.fixture(scope="session")
def finished(cluster, tmp_path_factory):
    """(project, the run): tests leave the project as they find it."""
    project = Project(tmp_path_factory.mktemp("slurm") / "project")
    project.write_config("slice.yaml", SLICE)
    (project.folder / "dialogs.txt").write_text("\n".join(DIALOGS), encoding="utf-8")
    return project, run(cluster, project)
