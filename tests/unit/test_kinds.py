"""Things of one kind are found by their files, and their constants read without running them."""

import pytest

from emofuse.runtime import kinds


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.setattr(kinds, "PACKAGE", tmp_path)
    (tmp_path / "room/fruit").mkdir(parents=True)
    return tmp_path / "room/fruit"


def test_files_are_found_in_the_order_of_their_places(package):
    (package / "__init__.py").write_text('"""Fruit."""\n')
    (package / "_shared.py").write_text("PLACE = 1\n")
    (package / "pear.py").write_text("PLACE = 2\n")
    (package / "apple.py").write_text("PLACE = 3\n")
    (package / "zucchini.py").write_text("TITLE = 'no place: last'\n")
    assert list(kinds.constants("room/fruit")) == ["pear", "apple", "zucchini"]


def test_constants_are_read_and_not_run(package):
    (package / "quince.py").write_text(
        "import torch_of_another_kind\nTITLE = 'Quince'\nNEEDS = ('sun',)\nSUM = len(TITLE)\nx = 1\n"
    )
    assert kinds.constants("room/fruit") == {"quince": {"TITLE": "Quince", "NEEDS": ("sun",)}}
