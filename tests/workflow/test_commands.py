"""Each `snakemake` command of the documentation is planned on a release that the tests make, or run by a test named here."""

import re
import shlex
from pathlib import Path

import pytest

from release_tree import make_release

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RELEASE = "/data/IEMOCAP_full_release"
# What cannot be planned on a release of IEMOCAP without results: word of the command -> the test that runs it.
ELSEWHERE = {
    "config/crema_d.yaml": "tests/unit/test_recipes.py",
    "config/ravdess.yaml": "tests/unit/test_recipes.py",
    "config/meld.yaml": "tests/workflow/test_corpora.py",
    "mine.yaml": "tests/workflow/test_reruns.py",
    "status": "tests/workflow/test_reruns.py",
    "--report": "tests/workflow/test_outputs.py",
    "predict": "tests/workflow/test_export.py",
    "compare": "tests/workflow/test_compare.py",
}


def documented():
    """Commands in words without their cores and the root of the release, which users may have written into config.yaml."""
    found = {}
    for page in PAGES:
        for block in re.findall(r"^```\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M):
            for command in re.findall(r"^(?:\$ )?snakemake( .*)", block.replace("\\\n", " "), re.M):
                command = re.sub(
                    rf" --cores \d+| --config 'corpus={{root: {RELEASE}}}'", "", command.split(" #")[0].rstrip()
                )
                found[tuple(shlex.split(command))] = page
    return found


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return make_release(tmp_path_factory.mktemp("IEMOCAP_full_release"))


COMMANDS = documented()
PLANNED = [words for words in COMMANDS if not set(words) & ELSEWHERE.keys()]


def test_every_command_is_planned_here_or_run_elsewhere():
    assert len(PLANNED) > 8
    for words in COMMANDS.keys() - set(PLANNED):
        for test in (ELSEWHERE[word] for word in words if word in ELSEWHERE):
            assert (ROOT / test).is_file()
    assert ELSEWHERE.keys() <= {word for words in COMMANDS for word in words}


@pytest.mark.parametrize("words", PLANNED, ids=lambda words: " ".join(words) or "all")
def test_the_command_plans_a_run(words, project, release):
    arguments = list(words)
    if "--sdm" in arguments:  # there need be no conda here
        place = arguments.index("--sdm")
        del arguments[place : place + 2]
    root = ["--config", f"corpus={{root: {release}}}"]
    done = project.snakemake("--dry-run", "--quiet", "rules", *root, "--cores", "2", *arguments, configs=())
    assert done.returncode == 0 and re.search(r"^total +\d+", done.stdout, re.M), (words, done.stdout[-3_000:])
