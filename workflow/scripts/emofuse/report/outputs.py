"""Names, titles and captions of a run's tables and figures: pure stdlib, imported when the Snakefile is parsed."""

import csv
import re

from emofuse.fusion.systems import COMBINED, LEARNERS, context_pairs
from emofuse.runtime import kinds
from emofuse.runtime.errors import EmofuseError

TABLE_FORMATS = ("csv", "md", "tex")
FIGURE_FORMATS = ("svg", "png")

# Numbered as in the paper. Modalities stand in the paper's order; 'audio' is called speech wherever it is shown.
MODALITY_TITLES = {"text": "text", "audio": "speech", "video": "video"}
PAPER_TABLES = tuple(f"table{number}" for number in range(1, 8))
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

PROTOCOLS_TABLE = "protocols"  # compares the protocols of a run, so there is one for all, in tables/
# Of the run, too: systems, and what context brings, where the scene is new to them and where it is not.
SCENE_TABLES = {
    "scene_systems": "Where scenes recur, and where they are new",
    "scene_contexts": "What context brings there",
}
SCENE_FIGURE = "scene"
NEW_SCENES, KNOWN_SCENES = SCENES = ("scenario", "scenario_control")  # the protocols that test the same turns
TABLES_FOLDER = "report/tables"  # in the package: a file for each table
# What a table may need to be made: two modalities at least; all folds of a protocol, with intervals and whatever else is
# measured over them; encoders that were compared; systems that the config names; two of these that differ in nothing but how
# much of the dialog they read; one of these that reads motion.
NEEDS = ("fusion", "folds", "comparison", "named", "contexts", "motion")


def table_files():
    """{file: its constants} of the tables of the package, in reading order (see `report.tables`).

    Raises EmofuseError for a file whose constants are not as they are to be.
    """
    files, seen = kinds.constants(TABLES_FOLDER), {PROTOCOLS_TABLE, *SCENE_TABLES}
    for file, found in files.items():
        where = f"{TABLES_FOLDER}/{file}.py"
        if not {"TABLES", "NEEDS"} <= set(found):
            raise EmofuseError(f"{where} has no literal constant TABLES, {{name: title}}, or none NEEDS.")
        if unknown := set(found["NEEDS"]) - set(NEEDS):
            known = ", ".join(NEEDS)
            raise EmofuseError(f"{where} needs {', '.join(sorted(unknown))}; what a table may need: {known}.")
        if twice := seen & set(found["TABLES"]):
            raise EmofuseError(f"{where} makes {', '.join(sorted(twice))}, a table that there is already.")
        seen |= set(found["TABLES"])
    return files


def table_names(modalities, compared=(), fold=False, systems=None):
    """Names of the tables of one protocol, in reading order.

    compared: the modalities whose encoders were compared on one fold; each of tables 1 to 3 needs its own. fold: whether
    they are of a single fold, of which there are scores and nothing else. systems: the config's section `systems`.
    """
    met = {"fusion": len(list(modalities)) > 1, "folds": not fold, "comparison": bool(list(compared))}
    met |= {"named": bool(systems), "contexts": bool(context_pairs(systems or {}))}
    met |= {"motion": any("motion" in entry.get("encoders", {}) for entry in (systems or {}).values())}
    absent = [name for modality, name in SELECTION_TABLES.items() if modality not in compared]
    files = [found for found in table_files().values() if all(met[need] for need in found["NEEDS"])]
    return [name for found in files for name in found["TABLES"] if name not in absent]


def compares_scenes(protocols):
    """Whether a run of these protocols can tell what knowing the scene is worth."""
    return set(SCENES) <= set(protocols)


def scene_table_names(systems):
    """Names of the tables of the page on the scene. systems: the config's section `systems`."""
    return [name for name in SCENE_TABLES if name != "scene_contexts" or context_pairs(systems)]


def run_table_names(protocols, systems=None):
    """Names of the tables of a whole run, beside the folders of its protocols: none where there is one protocol."""
    names = [PROTOCOLS_TABLE] if len(list(protocols)) > 1 else []
    return names + (scene_table_names(systems or {}) if compares_scenes(protocols) else [])


def figure_names(modalities, trained=MODALITY_TITLES):
    """Names of the figures of a run, in reading order; those of a modality that is not in the run are not made, nor training
    curves of one whose encoder is not among those `trained`."""
    present = [modality for modality in MODALITY_TITLES if modality in set(modalities)]
    curves = [modality for modality in present if modality in set(trained)]
    names = ["systems", "intervals", "figure01"]
    for figures, of in ((LOSS_FIGURES, curves), (ACCURACY_FIGURES, curves), (PCA_FIGURES, present)):
        names += [figures[modality] for modality in of]
    if len(present) > 1:
        names.append("figure11")
    return [*names, "figure12", "reliability"]


def classifier_titles():
    """{classifier: title}, in the order in which they are shown."""
    return {"argmax": "argmax"} | {name: found["TITLE"] for name, found in kinds.constants(LEARNERS).items()}


def combination_titles():
    """{combination: title}, in the order in which they are shown."""
    return {name: found["TITLE"] for name, found in kinds.constants(COMBINED).items()}


def in_order(titles, found):
    """The names in `found` with their titles, in the order of `titles`; then those without a title, as themselves."""
    found = list(found)
    rest = [name for name in found if name and name not in titles]
    return {name: title for name, title in titles.items() if name in found} | {name: name for name in rest}


def class_title(name):
    """'hap' -> 'happiness'; a name that is not one of the release's labels stands for itself."""
    return CLASS_TITLES.get(name, name)


def split_title(name):
    """'session3' -> 'session 3', 'scenario3a-without2' -> 'scenario 3a, without 2'."""
    return re.sub(r"(?<=[a-z])(?=\d)", " ", name).replace("-", ", ")


def table_title(name):
    """'table4' -> 'Table 4', 'headline' -> 'What beats what'."""
    return next(found["TABLES"][name] for found in table_files().values() if name in found["TABLES"])


def protocol_title(name):
    """'scenario_control' -> 'scenario control'."""
    return name.replace("_", " ")


def figure_title(name):
    """'figure02' -> 'Figure 2'; those that the paper does not have are named."""
    titles = {"systems": "All systems", "intervals": "Intervals", "reliability": "Reliability"}
    return titles.get(name) or f"Figure {int(name[-2:])}"


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
        "systems": "WA and UA of the baselines, single modalities and fusions of all modalities on the test turns: dots are "
        "pooled over the folds, ticks are single folds, the dashed line is the majority class.",
        "intervals": "WA and UA on the test turns with 95 % intervals, by bootstrap over the dialogs of these speakers, scored "
        "by these trained models; the dashed line is the majority class. Intervals of two systems may overlap though "
        "their difference holds, for they are measured on the same turns.",
        "figure01": "Turns of each class in each session.",
        "figure11": f"Vectors of all modalities, scaled and concatenated, in two dimensions. {_pca_note(pca_split)}",
        "figure12": "Confusion matrix of the final system on the test turns of all folds: each cell gives the number "
        "of turns and its share of the true class, which is also its colour.",
        "reliability": "How often test turns are right (accuracy) against how sure the system is of them (confidence), in "
        "15 bins, a dot the larger the more turns: on the diagonal a probability means what it says. Before and after "
        "calibration on the validation part; ECE, the mean distance to the diagonal, in percent.",
    }[name]


def _pca_note(split):
    return f"Fold {split_title(split)}: PCA fitted on its training turns, its test turns drawn."


def headline_text(path):
    """The headline table (`headline.csv`) as aligned plain text for a terminal, percentages to one decimal."""
    with open(path, encoding="utf-8", newline="") as file:
        lines = file.readlines()
    comments = [line for line in lines if line.startswith("# ")]
    rows = list(csv.DictReader(lines[len(comments) :]))
    beside = (" sd", " low", " high")
    measures = [name for name in rows[0] if name not in ("System", "Role") and not name.endswith(beside)]
    shown = [["", *measures, ""]]
    for row in rows:
        shown.append([row["System"], *(_with_interval(row, measure) for measure in measures), row["Role"]])
    widths = [max(len(line[i]) for line in shown) for i in range(len(shown[0]))]
    text = []
    for line in shown:
        cells = [line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:-1], widths[1:-1], strict=True))]
        text.append("  ".join([*cells, line[-1]]).rstrip())
    return "\n".join([comments[-1].removeprefix("# ").strip(), "", *text])


def _with_interval(row, measure):
    """'71.4 ± 0.3 [69.0, 73.1]' of a row of the headline table; the spread and the interval where there are any."""
    value, spread, low, high = (row.get(f"{measure}{ending}") for ending in ("", " sd", " low", " high"))
    spread = f" ± {float(spread):.1f}" if spread else ""
    return f"{float(value):.1f}{spread}" + (f" [{float(low):.1f}, {float(high):.1f}]" if low else "")
