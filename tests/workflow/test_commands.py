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
    "compare": "tests/workflow/test_comparing.py",
}


def documented():
    """Commands in words without their cores and the root of the release, which users may have written into config.yaml."""
    found = set()
    for page in PAGES:
        for block in re.findall(r"^```\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M):
            for command in re.findall(r"^(?:\$ )?snakemake( .*)", block.replace("\\\n", " "), re.M):
                command = re.sub(
                    rf" --cores \d+| --config 'corpus={{root: {RELEASE}}}'", "", command.split(" #")[0].rstrip()
                )
                found.add(tuple(shlex.split(command)))
    return found


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return make_release(tmp_path_factory.mktemp("IEMOCAP_full_release"))


COMMANDS = documented()
PLANNED = {words for words in COMMANDS if not set(words) & ELSEWHERE.keys()}
TARGETS = sorted(words[0] for words in PLANNED if len(words) == 1)  # of one config: planned together
OTHERS = sorted(words for words in PLANNED if len(words) > 1)


def test_every_command_is_planned_here_or_run_elsewhere():
    assert len(TARGETS) > 5 and OTHERS and () in PLANNED
    for words in COMMANDS - PLANNED:
        for test in (ELSEWHERE[word] for word in words if word in ELSEWHERE):
            assert (ROOT / test).is_file()
    assert ELSEWHERE.keys() <= {word for words in COMMANDS for word in words}


@pytest.mark.parametrize("words", [("all", *TARGETS), *OTHERS], ids=" ".join)
def test_the_command_plans_a_run(words, project, release):
    arguments = list(words)
    if "--sdm" in arguments:  # there need be no conda here
        place = arguments.index("--sdm")
        del arguments[place : place + 2]
    root = ["--config", f"corpus={{root: {release}}}"]
    done = project.snakemake("--dry-run", "--quiet", "rules", *root, "--cores", "2", *arguments, configs=())
    planned = set(re.findall(r"^(\w+) +\d+$", done.stdout, re.M))
    wanted = {word for word in arguments if word in TARGETS} - {"download"}  # a name of nothing but other jobs' files
    assert done.returncode == 0 and "total" in planned and wanted <= planned, (words, done.stdout[-3_000:])
