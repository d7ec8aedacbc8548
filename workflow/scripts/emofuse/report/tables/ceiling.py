"""How well annotators agree, and what the final system says of turns that they do not agree on."""

import pandas as pd

from emofuse.report.outputs import class_title
from emofuse.report.scores import BOOTSTRAP
from emofuse.report.systems import MEASURES, short_title, shown_systems
from emofuse.report.table import Table

PLACE = 60
TABLES = {"ceiling": "What annotators agree on", "spread": "Turns that annotators do not agree on"}
NEEDS = ("folds",)
AGREEMENT = {
    "full": "test turns, annotators agree",
    "partial": "test turns, annotators do not all agree",
    "none": "no majority",
    "outside": "a majority outside the classes",
}
WHO = {"chosen": "Final system", "training": "Training shares", "uniform": "Uniform guess", "floor": "Floor"}
NONE = "The label files hold no annotator's vote, so how well annotators agree is not known."


def make(name, sources):
    """Annotators and systems against the other annotators' majority; or the final system against the spread of votes."""
    return _spread(name, sources.ceiling) if name == "spread" else _ceiling(name, sources.ceiling)


def _ceiling(name, ceiling):
    """A row a group of turns and what is compared with; columns: WA and UA of annotators and systems."""
    found = ceiling[ceiling["measure"].isin(["wa", "ua"])]
    names = ["Kind of turn", "Against"]
    if found.empty:
        return _empty(name, pd.MultiIndex.from_arrays([[], []], names=names))
    keys = list(dict.fromkeys(zip(found["target"], found["grouping"], found["group"], strict=True)))
    wide = found.pivot(index=["target", "grouping", "group"], columns=["who", "measure"])
    heads = pd.MultiIndex.from_tuples([_head(*key) for key in keys], names=names)
    who = ["annotators", *shown_systems(found["who"])]
    titles = {(_title(of), MEASURES[measure]): (of, measure) for of in who for measure in ("wa", "ua")}
    titles = {title: key for title, key in titles.items() if key in wide["value"]}
    sizes = found.drop_duplicates(["target", "grouping", "group"]).set_index(["target", "grouping", "group"])

    def of(column):
        cells = {title: wide[(column, *key)].mul(100) for title, key in titles.items()}
        numbers = {("", size.capitalize()): sizes[size].astype(float) for size in ("turns", "votes")}
        if column != "value":
            numbers = {key: values * float("nan") for key, values in numbers.items()}
        return pd.DataFrame(numbers | cells).loc[keys].set_axis(heads)

    skipped = _skipped(ceiling, "others")
    caption = (
        "One annotator's vote against the class that most of the other annotators name, and systems against the same: a turn "
        "counts once for each vote that can be compared, and a vote for several labels counts in equal parts. Not compared: "
        f"{skipped['tie']:,.0f} votes whose others are tied, {skipped['outside']:,.0f} whose others name no class, "
        f"{skipped['alone']:,.0f} without others. Below: systems against the label, which is the majority of all votes and so "
        f"no measure of annotators. WA and UA in percent (of a class: its recall), with 95 % intervals {BOOTSTRAP}."
    )
    digits = {("", "Turns"): 0, ("", "Votes"): 0}
    return Table(name, caption, of("value"), digits=digits, bounds=(of("low"), of("high")))


def _spread(name, ceiling):
    """A row a group of turns; columns: cross-entropy of the final system and of what it is compared with."""
    found = ceiling[ceiling["measure"].isin(["cross_entropy", "gain"])]
    if found.empty:
        return _empty(name, pd.Index([], name="Kind of turn"), NONE if ceiling.empty else _uncalibrated())
    groups = [group for group in AGREEMENT if group in set(found["group"])]
    wide = found.pivot(index="group", columns=["measure", "who"])
    titles = {title: ("cross_entropy", who) for who, title in WHO.items()} | {"Gain": ("gain", "chosen")}
    turns = found.drop_duplicates("group").set_index("group")["turns"].astype(float)

    def of(column):
        numbers = {"Turns": turns if column == "value" else turns * float("nan")}
        frame = pd.DataFrame(numbers | {title: wide[(column, *key)] for title, key in titles.items()}).loc[groups]
        return frame.set_axis(pd.Index([AGREEMENT[group] for group in groups], name="Kind of turn"))

    skipped = _skipped(ceiling, "spread")
    caption = (
        "Cross-entropy in nats a turn between the share of each class in the annotators' votes and the probabilities of the "
        "final system, of the training part's class shares and of a uniform guess. Floor: the entropy of the votes, than which "
        "nothing is lower. Gain: training shares less final system; above 0 the system knows something of the votes. "
        f"Left out: {skipped['unvoted']:,.0f} turns without a vote in a class, {skipped['unspoken']:,.0f} of which the system "
        f"has no calibrated probability. 95 % intervals {BOOTSTRAP}."
    )
    digits = {"Turns": 0} | dict.fromkeys(titles, 3)
    return Table(name, caption, of("value"), digits=digits, bounds=(of("low"), of("high")))


def _uncalibrated():
    return (
        "The final system has no calibrated probability of a turn with votes, so it is not held against their spread."
    )


def _empty(name, index, caption=NONE):
    return Table(name, caption, pd.DataFrame({"Turns": pd.Series(dtype=float)}, index=index))


def _skipped(ceiling, target):
    rows = ceiling[(ceiling["target"] == target) & (ceiling["grouping"] == "skipped")]
    return rows.set_index("group")["value"]


def _title(who):
    return "An annotator" if who == "annotators" else short_title(who).capitalize()


def _head(target, grouping, group):
    """(turns, what is compared with)."""
    against = "other annotators" if target == "others" else "label"
    if grouping == "all":
        return ("all", against) if target == "others" else ("the same turns", against)
    title = {"class": class_title, "agreement": AGREEMENT.get}.get(grouping, str)
    return title(group), against
