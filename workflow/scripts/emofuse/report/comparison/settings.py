"""What differs in what finished runs were made with, key by key."""

import pandas as pd
import yaml

from emofuse.report.comparison.names import SETTINGS_TABLE
from emofuse.report.table import Table

ABSENT = "–"


def settings_table(runs):
    """The Table of the keys that differ, a column a run; without a row where fewer than two have a record.

    runs: [`evaluation.runs.Finished`]. Those without a record are in the caption.
    """
    known = [run for run in runs if run.record]
    if len(known) < 2:
        nothing = pd.DataFrame({"Value": []}, index=pd.Index([], name="Key"))
        return Table(SETTINGS_TABLE, "Fewer than two of these runs have a record.", nothing)
    records = [
        run.record["config"] | {"code": run.record["code"], "emofuse": str(run.record["emofuse"])} for run in known
    ]
    rows = differing(records)
    values = pd.DataFrame(
        rows.values(), index=pd.Index(rows, name="Key"), columns=[run.name for run in known], dtype=object
    )
    caption = (
        "Keys of the config in which these runs differ, of those that can change results; defaults are filled in. An encoder, a"
        " classifier or a system that only some of them have stands in one row. code: fingerprints of the files that results"
        " were made by, where these differ; drawn_by: the seed that splits were drawn by; emofuse: the version that evaluated"
        " the run."
    )
    if len(known) < len(runs):
        without = ", ".join(run.name for run in runs if not run.record)
        caption += f" Not here, for there is no record of what they were made with: {without}."
    return Table(SETTINGS_TABLE, caption, values)


def differing(records, prefix=""):
    """{dotted key: [its value in each record, as text]} of what nested dicts differ in; what only some have is one row."""
    rows = {}
    for key in sorted({key for record in records for key in record}, key=str):
        values = [record.get(key, ABSENT) for record in records]
        if all(value == values[0] for value in values):
            continue
        if all(isinstance(value, dict) for value in values):
            rows |= differing(values, f"{prefix}{key}.")
        else:
            rows[f"{prefix}{key}"] = [_shown(value) for value in values]
    return rows


def only_seeds(runs):
    """Whether all runs have a record, and these differ in nothing but their seeds."""
    if not all(run.record for run in runs):
        return False
    return set(differing([run.record["config"] | {"code": run.record["code"]} for run in runs])) == {"seeds"}


def _shown(value):
    """A value as it would stand in a config."""
    if value == ABSENT:
        return value
    return yaml.safe_dump([value], default_flow_style=True, width=10**6, allow_unicode=True).strip()[1:-1]
