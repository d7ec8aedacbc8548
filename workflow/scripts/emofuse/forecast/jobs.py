"""The jobs of a run as Snakemake plans them: all there are, and those that are still to be done."""

import json
import re
import subprocess
import sys
import tempfile
from collections import namedtuple
from pathlib import Path

from emofuse.runtime.errors import EmofuseError

# rule; of: its wildcards; threads; gpu: how many it asks for.
Job = namedtuple("Job", "rule of threads gpu")
# A rule with its lines in a dry run; those of one group stand inside each other's.
RULE = re.compile(
    r"^ *(?:local)?(?:rule|checkpoint) (\w+):\n((?:    (?! *(?:local)?(?:rule|checkpoint) \w+:).*\n)*)", re.MULTILINE
)
TRIGGERS = ("mtime", "params", "input", "software-env")
TARGETS = {"all", "clips", "plan"}  # rules that only name what is to be made


def planned(snakefile, config, cores, everything=False):
    """The Jobs that Snakemake would start for the report of a run: those still to be done, or everything.

    config: the checked config, its defaults filled in. Raises EmofuseError where Snakemake refuses it.
    """
    with tempfile.TemporaryDirectory(prefix="emofuse-plan-") as folder:
        path = Path(folder, "config.json")
        path.write_text(json.dumps(config), encoding="utf-8")
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile), "--configfile", str(path)]
        # In place of the workflow's own, or what a layered file leaves out with null would come back from there.
        command += ["--replace-workflow-config", "--cores", str(cores), "--dry-run", "--nocolor"]
        command += ["--rerun-triggers", *TRIGGERS]
        done = subprocess.run([*command, *(["--forceall"] if everything else [])], capture_output=True, text=True)
    if done.returncode:
        last = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise EmofuseError(f"Snakemake cannot plan this run:\n{last}\nTry: snakemake --dry-run, with the same options.")
    return parse(done.stdout + done.stderr)


def parse(text):
    """The Jobs in what a dry run prints."""
    found = []
    for rule, block in RULE.findall(text):
        if rule in TARGETS:
            continue
        entries = dict(line.strip().split(": ", 1) for line in block.splitlines() if ": " in line)
        gpu = re.search(r"\bgpu=(\d+)", entries.get("resources", ""))
        found.append(
            Job(
                rule,
                dict(pair.split("=", 1) for pair in entries.get("wildcards", "").split(", ") if "=" in pair),
                int(entries.get("threads", 1)),
                int(gpu[1]) if gpu else 0,
            )
        )
    return found
