"""The scores of systems that read motion, where it is the speaker's and where it is the listener's."""

import pandas as pd

from emofuse.report.systems import BASELINES, MEASURES, system_title
from emofuse.report.table import Table

PLACE = 42
TABLES = {"motion": "Whose motion it is"}
NEEDS = ("motion", "folds")


def make(name, sources):
    """WA and UA of baselines and of the systems that read motion, by what it shows."""
    groups = sources.groups[sources.groups["grouping"] == "motion"]
    sizes = groups.drop_duplicates("group").set_index("group")["n"]
    systems = list(dict.fromkeys(groups["system"]))
    wide = groups.pivot(index="system", columns="group", values=["wa", "ua"]).mul(100)
    columns = {
        (f"Of the {group}" if group != "both" else "Of both", MEASURES[measure]): wide[measure, group]
        for group in sizes.index
        for measure in ("wa", "ua")
    }
    heads = pd.Index([BASELINES.get(system, system_title(system)) for system in systems], name="System")
    values = pd.DataFrame(columns).loc[systems].set_axis(heads)
    counted = ", ".join(f"{n:,} of the {group}" if group != "both" else f"{n:,} of both" for group, n in sizes.items())
    caption = (
        f"WA and UA in percent on the test turns of which there is motion: {counted}. Only one speaker of a dialog wears the "
        "markers of motion capture, so in the other's turns it shows who listens."
    )
    return Table(name, caption, values)
