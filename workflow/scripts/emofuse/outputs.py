"""Names, titles and captions of a run's tables and figures: pure stdlib, imported when the Snakefile is parsed."""

import csv
import re

TABLE_FORMATS = ("csv", "md", "tex")
FIGURE_FORMATS = ("svg", "png")

# Numbered as in the paper. Modalities stand in the paper's order; 'audio' is called speech wherever it is shown.
MODALITY_TITLES = {"text": "text", "audio": "speech", "video": "video"}
SELECTION_TABLES = {"text": "table1", "audio": "table2", "video": "table3"}
LOSS_FIGURES = {"text": "figure02", "audio": "figure03", "video": "figure04"}
ACCURACY_FIGURES = {"text": "figure05", "audio": "figure06", "video": "figure07"}
PCA_FIGURES = {"text": "figure08", "audio": "figure09", "video": "figure10"}

CLASS_TITLES = {
    "ang": "anger",
    "hap": "happiness",
    "neu": "neutral",
    "sad": "sadness",
    "exc": "excitement",
    "fru": "frustration",
    "sur": "surprise",
    "fea": "fear",
    "dis": "disgust",
    "oth": "other",
}


def table_names(modalities, compared=()):
    """Names of the tables of a run, in reading order; fusion tables need at least two modalities.

    compared: the modalities whose encoders were compared on one fold, for tables 1 to 3.
    """
    selection = [name for modality, name in SELECTION_TABLES.items() if modality in compared]
    fusion = ["table5", "table6"] if len(list(modalities)) > 1 else []
    return ["headline", *selection, "table4", *fusion, "table7"]


def figure_names(modalities):
    """Names of the figures of a run, in reading order; those of a modality that is not in the run are not made."""
    present = [modality for modality in MODALITY_TITLES if modality in set(modalities)]
    names = ["systems", "figure01"]
    for figures in (LOSS_FIGURES, ACCURACY_FIGURES, PCA_FIGURES):
        names += [figures[modality] for modality in present]
    if len(present) > 1:
        names.append("figure11")
    return [*names, "figure12"]


def class_title(name):
    """'hap' -> 'happiness'; a name that is not one of the release's labels stands for itself."""
    return CLASS_TITLES.get(name, name)


def split_title(name):
    """'session3' -> 'session 3'."""
    return re.sub(r"(?<=[a-z])(?=\d+$)", " ", name)


def figure_title(name):
    """'figure02' -> 'Figure 2'; the overview of all systems has no number in the paper."""
    return f"Figure {int(name[-2:])}" if name.startswith("figure") else "All systems"


def figure_caption(name, pca_split, watched="validation"):
    """What figure `name` shows, in one or two sentences; `pca_split` is the fold that figures 8 to 11 draw, `watched` the
    part that epochs were chosen on (validation, or test)."""
    for modality, title in MODALITY_TITLES.items():
        if name == LOSS_FIGURES[modality]:
            return f"Training and {watched} loss of the {title} models against training steps, one line a fold."
        if name == ACCURACY_FIGURES[modality]:
            return (
                f"{watched.capitalize()} accuracy (WA) of the {title} models during training, one line a fold; the dot "
                "marks the highest. Each fold is measured on other turns."
            )
        if name == PCA_FIGURES[modality]:
            return f"Vectors of the {title} encoder in two dimensions. {_pca_note(pca_split)}"
    return {
        "systems": "WA and UA of every system on the test turns: dots are pooled over the folds, ticks are single "
        "folds, the dashed line is the majority class.",
        "figure01": "Turns of each class in each session.",
        "figure11": f"Vectors of all modalities, scaled and concatenated, in two dimensions. {_pca_note(pca_split)}",
        "figure12": "Confusion matrix of the final system on the test turns of all folds: each cell gives the number "
        "of turns and its share of the true class, which is also its colour.",
    }[name]


def _pca_note(split):
    return f"Fold {split_title(split)}: PCA fitted on its training turns, its test turns drawn."


def headline_text(path):
    """The headline table (`headline.csv`) as aligned plain text for a terminal, percentages to one decimal."""
    with open(path, encoding="utf-8", newline="") as file:
        caption = file.readline().removeprefix("# ").strip()
        rows = list(csv.DictReader(file))
    measures = [column for column in rows[0] if column not in ("System", "Role") and not column.endswith(" sd")]
    lines = [["", *measures, ""]]
    for row in rows:
        numbers = [f"{float(row[measure]):.1f}" for measure in measures]
        spreads = [row.get(f"{measure} sd") for measure in measures]
        numbers = [n if not sd else f"{n} ± {float(sd):.1f}" for n, sd in zip(numbers, spreads, strict=True)]
        lines.append([row["System"], *numbers, row["Role"]])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = []
    for line in lines:
        cells = [line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:-1], widths[1:-1], strict=True))]
        text.append("  ".join([*cells, line[-1]]).rstrip())
    return "\n".join([caption, "", *text])
