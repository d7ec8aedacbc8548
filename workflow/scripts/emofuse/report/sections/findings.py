"""What the run shows: the final system beside the others, what fusion gave, which differences hold."""

from collections import Counter

from emofuse.report.outputs import split_title
from emofuse.report.pages import number
from emofuse.report.systems import modality_title, ranked


def find(sources):
    """What beats what, by how much: pooled test scores in percent and differences in points of WA."""
    scores = sources.scores
    order = ranked(scores)
    by_system = order.set_index("system")
    final = by_system.loc["chosen"]
    best = order[~order["kind"].isin(["baseline", "chosen"])].iloc[0]
    named = set(order.loc[order["kind"] == "named", "system"])
    sure = sources.intervals.set_index(["system", "measure"]).loc["chosen"].drop(columns="kind").mul(100)
    return {
        "n": int(scores.loc[(scores["split"] == "pooled") & (scores["system"] == "chosen"), "n"].max()),
        "folds": scores.loc[scores["split"] != "pooled", "split"].nunique(),
        "seeds": scores["seed"].nunique(),
        "final": _percent(final) | {"interval": sure.loc["wa"].to_dict()},
        "majority": _percent(by_system.loc["majority"]),
        "scenario": _percent(by_system.loc["scenario"]),
        "single": find_single(order, final, sources),
        "best": {"system": best["system"], **_percent(best)},
        "fused": bool(order["kind"].isin(["early", "late"]).any()),
        "named": [name for name in dict.fromkeys(row["system"] for row in sources.chosen) if name in named],
        "over_majority": 100 * (final["wa"] - by_system.loc["majority", "wa"]),
        "optimism": 100 * (best["wa"] - final["wa"]),
    }


def find_single(order, final, sources):
    """The single modality that the final system is compared with: title, wa, ua, over (points that the final system has
    more), low, high (its 95 % interval), p (of the paired test, Holm), holds, folds_ahead (of the final system), same (whether
    it is the final one everywhere).

    It is the one that each fold would choose on validation; without a validation part the best one on test.
    """
    chosen = sources.chosen
    differences = sources.comparisons.set_index(["second", "measure"])
    names = Counter(row["single"] for row in chosen if row["single"])
    if names:
        second = "chosen-single"
        shares = [f" in {n} of {len(chosen)}" if len(names) > 1 else "" for _, n in names.most_common()]
        titles = [modality_title(name) + share for (name, _), share in zip(names.most_common(), shares, strict=True)]
        single = {
            score: 100 * (final[score] - differences.loc[(second, score), "difference"]) for score in ("wa", "ua")
        }
        ahead = sum(float(row["test_wa"]) > float(row["single_wa"]) for row in chosen)
    else:
        best = order[order["kind"] == "single"].iloc[0]
        second, titles, single, ahead = best["system"], [modality_title(best["system"])], _percent(best), None
    row = differences.loc[(second, "wa")]
    return {
        "title": listed(titles),
        **single,
        "on_validation": bool(names),
        "over": 100 * row["difference"],
        "low": 100 * row["low"],
        "high": 100 * row["high"],
        "p": row["p_holm"],
        "holds": bool(row["holds"]),
        "folds_ahead": ahead,
        "same": all(row["system"] == row["single"] for row in chosen),
    }


def what_fusion_gave(findings):
    """A sentence or two on the final system beside the best single modality, which say plainly where it gave nothing.

    What a named system gives is not laid to fusion, for it may read one modality and the other turns of the dialog.
    """
    single, named = findings["single"], findings["named"]
    than = (
        f"the best single modality as chosen on validation ({single['title']})"
        if single["on_validation"]
        else f"the single modality that does best on the test turns ({single['title']})"
    )
    alone = "" if findings["fused"] else "This run has one modality: nothing is fused."
    if alone and not named:
        return alone
    if single["same"]:
        return f"Fusion gave nothing: in every fold the final system is {than}."
    points = f"{single['over']:+.1f} points of WA (95 % interval {single['low']:+.1f} to {single['high']:+.1f})"
    ahead = (
        f"; by fold and seed it is ahead in {single['folds_ahead']} of {findings['folds'] * findings['seeds']}"
        if single["on_validation"]
        else ""
    )
    final = f"The final system ({listed(named)})" if named else "The final system"
    if single["low"] > 0:
        said = f"{final} gains {points.removeprefix('+')} over {than}{ahead}."
    elif single["high"] < 0:
        beside = f"{points} beside {than}{ahead}."
        said = f"{final} does harm: it has {beside}" if named else f"Fusion did harm: the final system has {beside}"
    else:
        gave = f"{final} gives" if named else "Fusion gave"
        it = "it" if named else "the final system"
        said = f"{gave} nothing that these turns can show: {it} has {points} beside {than}{ahead}."
    return f"{alone} {said}".strip()


def what_annotators_say(ceiling):
    """How the final system stands beside an annotator, and what it knows of turns without a majority: one or two sentences.

    ceiling: ceiling.parquet as a DataFrame.
    """
    key = ["target", "grouping", "group", "who", "measure"]
    rows = ceiling.set_index(key)
    one, system = (("others", "all", "all", who, "wa") for who in ("annotators", "chosen"))
    if one not in rows.index:
        return ["How well annotators agree is not known: no vote can be held against others'."]
    one, system = 100 * rows.loc[[one, system], ["value", "low", "high"]].to_numpy()
    said = (
        f"An annotator agrees with the majority of the others in {one[0]:.1f} % of the votes (95 % interval {one[1]:.1f} to "
        f"{one[2]:.1f}), and the final system in {system[0]:.1f} % ({system[1]:.1f} to {system[2]:.1f})."
    )
    gain = ("spread", "agreement", "none", "chosen", "gain")
    if gain not in rows.index:
        return [said]
    value, low, high, turns = rows.loc[gain, ["value", "low", "high", "turns"]]
    knows = "knows something" if low > 0 else "is worse than knowing nothing" if high < 0 else "shows no knowledge"
    return [
        said,
        f"Of the {turns:,.0f} turns without a majority it {knows} of the votes: {value:+.3f} nats a turn gained on the "
        f"training shares ({low:+.3f} to {high:+.3f}).",
    ]


def _percent(row):
    return {measure: 100 * row[measure] for measure in ("wa", "ua")}


def which_hold(comparisons):
    """Which differences of the final system hold, a sentence for each of WA and UA."""
    sentences = []
    for measure, rows in comparisons.groupby("measure", sort=False):
        above, below = (
            rows.loc[rows["holds"] & sign, "second"] for sign in (rows["difference"] > 0, rows["difference"] <= 0)
        )
        rest = rows.loc[~rows["holds"], "second"]
        said = [
            f"the final system is {where} {listed(names)}"
            for where, names in (("above", above), ("below", below))
            if len(names)
        ]
        none = f"none holds against {listed(rest)}: these turns do not tell the two apart" if len(rest) else ""
        held = f"{len(above) + len(below)} of {len(rows)} differences hold"
        sentences.append(f"In {measure.upper()}, {held}: {'; '.join(filter(None, [*said, none]))}.")
    return sentences


def listed(names):
    """'text, speech and video'."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def chosen_rows(chosen):
    """Which system each fold chose, with its validation and test scores in percent (None without validation)."""
    rows = []
    for row in chosen:
        numbers = {key: number(row[key]) for key in ("val_wa", "val_ua", "test_wa", "test_ua")}
        rows.append(
            {"split": split_title(row["split"]), "seed": row["seed"], "system": row["system"]}
            | {key: None if value is None else 100 * value for key, value in numbers.items()}
        )
    return rows
