"""Names and titles of the tables of a comparison: pure stdlib, imported when the Snakefile is parsed."""

SETTINGS_TABLE = "settings"  # of the whole comparison, beside the folders of its protocols
TABLES = {
    "scores": "Scores",
    "differences": "Which differences hold",
    "systems": "The same systems in each",
    "classes": "By class",
    "folds": "By fold",
    "changes": "Which turns changed",
    "left_out": "Turns that are left out",
}
FIGURE = "differences"
