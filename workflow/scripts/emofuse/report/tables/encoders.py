"""Tables 1 to 3: the encoders of one modality compared on one fold."""

import json

import pandas as pd

from emofuse.report.outputs import MODALITY_TITLES, SELECTION_TABLES
from emofuse.report.scores import over_seeds
from emofuse.report.table import Table
from emofuse.runtime.store import read_metadata, read_parquet

PLACE = 10
TABLES = {"table1": "Table 1", "table2": "Table 2", "table3": "Table 3"}
NEEDS = ("comparison",)


def make(name, sources):
    """The paper gives loss, accuracy and runtime; UA, peak memory and speed stand beside them, and the validation part's
    scores, which a clean choice goes by.
    """
    path = next(path for modality, path in sources.compared.items() if SELECTION_TABLES[modality] == name)
    facts = read_metadata(path)
    sessions = {part: ", ".join(map(str, found)) for part, found in json.loads(facts["sessions"]).items()}
    frame = read_parquet(path).to_pandas()
    frame[["wa", "ua"]] *= 100
    scores = {"loss": "Loss", "wa": "WA", "ua": "UA"}
    cost = {"seconds": "Runtime (s)", "samples_per_second": "Turns/s", "peak_memory_mb": "Peak MB"}
    columns = {("Test", title): ("test", column) for column, title in scores.items()}
    columns |= {("Validation", title): ("val", column) for column, title in scores.items()}
    # What a training cost stands in the rows of both parts.
    columns |= {("Training", title): ("test", column) for column, title in cost.items()}
    wide = frame.pivot(index=["encoder", "seed"], columns="part", values=[*scores, *cost]).astype(float)
    both = pd.DataFrame({title: wide[column, part] for title, (part, column) in columns.items()})
    order = list(dict.fromkeys(frame["encoder"]))  # that of the config
    shown = [None if f is None else f.loc[order].rename_axis("Encoder") for f in over_seeds(both)]
    modality, seeds = frame["modality"].iloc[0], frame["seed"].nunique()
    caption = (
        f"{MODALITY_TITLES[modality].capitalize()} encoders on one fold, trained on sessions {sessions['train']}, "
        f"validated on {sessions['val']}, tested on {sessions['test']}: cross-entropy loss, WA (the paper's accuracy) "
        "and UA in percent,"
        " and what the training cost" + (f"; mean ± spread of {seeds} seeds." if seeds > 1 else ".")
    )
    digits = {column: 3 for column in both.columns if column[1] == "Loss"} | {("Training", "Peak MB"): 0}
    return Table(name, caption, *shown, digits)
