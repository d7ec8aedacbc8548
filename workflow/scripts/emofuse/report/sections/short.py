"""What the first screen of the report says: at most ten lines, each with the sections that back it."""

from emofuse.report.confusion import most_confused
from emofuse.report.pages import p_value, points
from emofuse.report.sections.findings import what_fusion_gave

CAUTIONS = 2  # that are worth a line here: those about the most points
SCENES = ("Scripts", "Scenes")  # cautions with a line of their own


def short(findings, cautions, annotators, left_out, cells, scene, clusters):
    """[(title, text, [(link's text, its target)])].

    findings: of `findings.find`. cautions: of `cautions.cautions`. annotators: of `findings.what_annotators_say`. left_out: of
    `data.turns_left_out`. cells: of `confusion.confusion_cells`. scene: whether the run has a page on the scene. clusters: what
    tests flip: dialogs or speakers.
    """
    lines = [_final(findings), _fusion(findings, clusters), _single(findings)]
    lines.append(
        (
            "Majority class",
            f"Who always says the most frequent class has {findings['majority']['wa']:.1f} % WA: the final system is "
            f"{points(findings['over_majority'])} that.",
            [("all kinds of systems", "#results")],
        )
    )
    lines.append(_confused(most_confused(cells)))
    # The sort is stable: those of equal weight stay in the order of the section.
    worst = sorted((c for c in cautions if c.points > 0), key=lambda c: -c.points)[:CAUTIONS]
    scenes = [c for c in cautions if c.title in SCENES]
    lines += [(f"Distrust: {_lowered(c.title)}", c.lead, [("how far to trust it", "#trust")]) for c in worst]
    page = [("what the scene is worth", "scene.html")] if scene else []
    lines += [(c.title, c.lead, [("how far to trust it", "#trust"), *page]) for c in scenes]
    lines.append(("Left out", _left_out(left_out), [("turns without a clip", "#data")]))
    lines.append(("Ceiling", annotators[0], [("what annotators agree on", "#ceiling")]))
    return lines


def _final(findings):
    final, seeds = findings["final"], findings["seeds"]
    sure = final["interval"]
    of = f"{findings['n']:,} test turns, {findings['folds']} fold{'s' if findings['folds'] > 1 else ''}"
    return (
        "Final system",
        f"{final['wa']:.1f} % WA (95 % interval {sure['low']:.1f} to {sure['high']:.1f}), {final['ua']:.1f} % UA, on {of}, "
        f"{seeds} seed{'s' if seeds > 1 else ''}.",
        [("which it is, fold by fold", "#folds"), ("the protocol", "#protocol")],
    )


def _fusion(findings, clusters):
    single, said = findings["single"], what_fusion_gave(findings)
    if (findings["fused"] or findings["named"]) and not single["same"] and single["p"] == single["p"]:
        holds = "holds" if single["holds"] else "does not hold"
        said += f" Paired test by {clusters}, corrected for all comparisons: {p_value(single['p'])}, the difference {holds}."
    return "Fusion", said, [("which differences hold", "#differences")]


def _single(findings):
    single = findings["single"]
    how = "as chosen on validation" if single["on_validation"] else "on test"
    return (
        "Best single modality",
        f"{single['wa']:.1f} % WA, {single['ua']:.1f} % UA: {single['title']}, {how}.",
        [("all kinds of systems", "#results")],
    )


def _confused(cell):
    title, matrix = "Largest confusion", ("all confusions", "#confusions")
    if not cell["share"]:
        return title, "Nothing: the final system is right on every test turn.", [matrix]
    return title, cell["says"], [matrix, ("the surest errors, to hear and see", "errors.html")]


def _left_out(left_out):
    missing = {row["turn_id"] for row in left_out if row["class"]}
    if not missing:
        return "No labelled turn: each has a clip in every modality."
    lack = "1 labelled turn lacks" if len(missing) == 1 else f"{len(missing):,} labelled turns lack"
    return f"{lack} a clip in some modality, and are in no score of any system."


def _lowered(text):
    return text[:1].lower() + text[1:]
