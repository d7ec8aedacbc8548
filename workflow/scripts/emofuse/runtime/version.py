"""The version of emofuse, which is in a file of text, so that another number makes no result again."""

from pathlib import Path

VERSION = (Path(__file__).parents[1] / "VERSION").read_text(encoding="utf-8").strip()
