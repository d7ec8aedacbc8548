"""The pages of the documentation: what they link to, and what their commands name, is there."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGES = [
    *(
        ROOT / name
        for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "config/README.md", "benchmarks/README.md")
    ),
    *sorted((ROOT / "docs").rglob("*.md")),
]
COMMAND = re.compile(r"^(?:snakemake|make|python|\.venv/bin/python) .*", re.M)


def commands(page):
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"^```\n(.*?)^```", text, re.S | re.M):
        yield from COMMAND.findall(block.replace("\\\n", " "))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_commands_name_what_is_there(page):
    text = page.read_text(encoding="utf-8")
    links = {link.split("#")[0] for link in re.findall(r"\]\((?!https?:|#)([^)\s]+)\)", text)}
    assert [link for link in links if not (page.parent / link).exists()] == []
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    for command in commands(page):
        said = command.split(" #")[0]
        words = said.split()
        named = [word for word in words if word.startswith(("config/", "profiles/", "benchmarks/"))]
        assert [word for word in named if not (ROOT / word).exists()] == [], command
        if words[0] == "make":
            assert words[1] in targets, command


def test_every_page_is_in_the_navigation_once():
    # mkdocs.yml has no tags of its own as long as no extension is named by a Python object.
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    named = [path for entry in nav for value in entry.values() for path in leaves(value)]
    assert sorted(named) == sorted(str(page.relative_to(ROOT)) for page in PAGES)


def leaves(entry):
    if isinstance(entry, str):
        return [entry]
    return [path for each in entry for value in each.values() for path in leaves(value)]
