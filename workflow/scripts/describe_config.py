"""Make the tables of config/README.md anew, from the schema of the config.

python describe_config.py
"""

from pathlib import Path

from emofuse.configuration import reference

if __name__ == "__main__":
    root = Path(__file__).parents[2]
    (root / "config/README.md").write_text(reference.readme(root), encoding="utf-8")
