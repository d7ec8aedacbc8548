"""Make the tables of docs/outputs.md anew, from the code's schemas and the meanings in workflow/schemas/outputs.yaml.

python describe_outputs.py
"""

from pathlib import Path

from emofuse.configuration import columns

if __name__ == "__main__":
    root = Path(__file__).parents[2]
    (root / "docs/outputs.md").write_text(columns.page(root), encoding="utf-8")
