"""What the page that compares runs says in sentences: who is above whom, and what to distrust."""

import numpy as np

from emofuse.evaluation.comparison import EVERY_PAIR
from emofuse.evaluation.tested import folds_apart
from emofuse.fusion.systems import CHOSEN
from emofuse.report.comparison.settings import only_seeds
from emofuse.report.outputs import protocol_title
from emofuse.report.pages import p_value, points
from emofuse.report.sections.findings import listed


def pair_sentences(compared, protocol, several_seeds=False):
    """A sentence or two a pair of runs: by how much the one is above the other, how sure that is, and whether it holds."""
    digits, means = (1, " (means over all pairs of a seed of each)") if several_seeds else (0, "")
    said, turns, title = [], compared.tested, protocol_title(protocol)
    several = len(compared.pairs) > 1
    for (run, less), rows in compared.differences.groupby(["run", "less"], sort=False):
        of = rows.set_index("measure")
        parts = [_one(of.loc[measure], measure, several) for measure in ("wa", "ua")]
        wa = points(100 * of.loc["wa", "difference"])
        ua = points(100 * of.loc["ua", "difference"])
        other = compared.changes.query("part == 'all' and run == @run and less == @less").iloc[0]
        if other["lost"] == other["gained"] == 0:
            said.append(f"{run} and {less} have the same of {turns:,} turns right under the protocol {title}.")
            continue
        said.append(
            f"{run} is {wa} {less} in WA {parts[0]} and {ua} it in UA {parts[1]}, on the {turns:,} turns that"
            f" {'all runs' if several else 'both'} test under the protocol {title}. {_verdict(of['holds'])} It has"
            f" {other['gained']:,.{digits}f} turns right that {less} has not, and {less} {other['lost']:,.{digits}f} that it"
            f" has not{means}."
        )
    return said


def _one(row, measure, several):
    """'(95 % interval +0.4 to +4.1, p = 0.020)'."""
    p = p_value(row["p"])
    if several:
        p += f", after Holm's correction {p_value(row['p_holm']).removeprefix('p ')}"
    return f"(95 % interval {100 * row['low']:+.1f} to {100 * row['high']:+.1f} points, {p})"


def _verdict(holds):
    if holds.all():
        return "Both differences hold."
    if not holds.any():
        return "Neither holds: these turns do not tell the two apart."
    measure, other = ("WA", "UA") if holds["wa"] else ("UA", "WA")
    return f"That in {measure} holds, that in {other} does not."


def cautions(runs, tested, compared):
    """[(short, long)]: what to distrust in a comparison.

    runs: [`evaluation.runs.Finished`]. tested: {protocol: [`evaluation.tested.Tested`]}. compared: {protocol: Compared}.
    """
    named, first = next(iter(tested.values())), runs[0].name
    found = [*_leaks(runs), *_without_record(runs)]
    for protocol, of_protocol in tested.items():
        found += [
            (f"Folds, {protocol_title(protocol)}", said)
            for run in of_protocol[1:]
            if (said := _folds(of_protocol[0], run))
        ]
    family = len(next(iter(compared.values())).pairs)
    if family > 1:
        which = (
            "all pairs are" if len(runs) <= EVERY_PAIR else f"each run is compared with {first}, and these pairs are"
        )
        found.append(
            (
                "Many comparisons",
                f"{len(runs)} runs: {which} one family of {family}, for which p is corrected by Holm's method, in WA and in"
                " UA and under each protocol by itself. Which run is best on these turns is a choice on test turns: its own"
                " score flatters it.",
            )
        )
    found.append(("Seeds", _seeds(runs, named)))
    if spread := _spread(runs, named, next(iter(tested))):
        found.append(("Only seeds differ", spread))
    found.append(("What intervals hold", _intervals(next(iter(compared.values())).clusters)))
    return found


def _intervals(clusters):
    """What is in the intervals, which draw dialogs or speakers."""
    again = "Another training of the same run would differ too"
    if clusters == "dialogs":
        return (
            f"They are of other dialogs of these speakers, scored by these trained models. {again}, and other speakers are in"
            " none of them but those over folds."
        )
    return (
        "This corpus says of no turns that they are of one dialog, so intervals and tests draw whole speakers, all together:"
        f" they are of other speakers, scored by these trained models. {again}."
    )


def _leaks(runs):
    """Runs that chose on test turns."""
    return [
        (
            "Leaks",
            f"{run.name} makes choices on test turns, so its scores flatter it, and a difference in its favour may be nothing"
            f" else: {'; '.join(run.record['leaks'].values())}.",
        )
        for run in runs
        if run.record and run.record["leaks"]
    ]


def _without_record(runs):
    without = [run.name for run in runs if not run.record]
    if not without:
        return []
    return [
        (
            "No record",
            f"There is no record of what {listed(without)} was made with, so neither its settings nor choices on test turns are"
            " known. The next `snakemake` of that run with its config writes one and makes nothing else again.",
        )
    ]


def _folds(first, other):
    """How the folds of two runs differ; '' where they do not."""
    apart = folds_apart(first, other)
    said = []
    if apart["tested"]:
        said.append(f"{apart['tested']:,} turns are tested in another fold of {other.name} than of {first.name}")
    if apart["trained"]:
        sizes = " and ".join(f"{size:,.0f}" for size in apart["sizes"])
        said.append(
            f"{apart['trained']} of {apart['folds']} folds are trained on other turns (on average {sizes}): what differs may be"
            " what was trained on, and not how"
        )
    return f"{first.name} and {other.name}: {'; '.join(said)}." if said else ""


def _seeds(runs, tested):
    counts = [len(run.seeds) for run in tested]
    each = listed([f"{run.name} {', '.join(map(str, run.seeds))}" for run in tested])
    if max(counts) == 1:
        return (
            f"One training each (seed of {each}): how much another seed would change is not known, and may be as much."
        )
    return (
        f"Seeds of {each}. Scores are means over the seeds of a run, and in differences and tests a turn counts by the share of"
        " seeds that have it right. How far seeds scatter stands beside the scores; it is in no interval."
    )


def _spread(runs, tested, protocol):
    """Of runs that differ in their seeds alone, how far all these trainings scatter under a protocol; '' of others. A seed that
    several runs have is one training."""
    if not only_seeds(runs):
        return ""
    final = {
        seed: np.mean(fold.predictions[CHOSEN] == fold.truth)
        for run in tested
        for seed, fold in zip(run.seeds, run.folds, strict=True)
    }
    if len(final) < 2:
        return ""
    wa = 100 * np.array(list(final.values()))
    return (
        "These runs differ in nothing else, so their difference is one draw of how trainings scatter and says nothing of one"
        f" way against another: under the protocol {protocol_title(protocol)} the {len(wa)} trainings have a standard deviation"
        f" of {np.std(wa, ddof=1):.1f} points of WA, from {min(wa):.1f} to {max(wa):.1f} %."
    )
