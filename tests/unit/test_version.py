"""One version number, wherever it is stated."""

import tomllib
from pathlib import Path

import yaml

from emofuse.encoders.records import cost
from emofuse.report.sections.cost import versions
from emofuse.runtime.version import VERSION

ROOT = Path(__file__).parents[2]


def test_the_version_is_the_same_wherever_it_is_stated():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == VERSION
    assert f"\n## [{VERSION}] - " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    file = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["dynamic"]["version"]["file"]
    assert (ROOT / file).read_text().strip() == VERSION


def test_reports_and_training_records_state_it():
    assert ("emofuse", VERSION) in versions({"rows": []})
    assert cost("cpu", 1.0, 1.0, 1, {"torch": "2"})["versions"] == {"emofuse": VERSION, "torch": "2"}
