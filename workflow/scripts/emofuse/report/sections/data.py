"""What became of the corpus: turns left out, and problems found."""

import json
import re
from collections import Counter

from emofuse.report.outputs import MODALITY_TITLES, class_title

SEVERITIES = ("error", "warning", "info")
# Such a problem quotes a line of the corpus, whose text is in no page that may be passed on.
QUOTING = re.compile(r"^((?:line|vote) not understood: line \d+).*", re.S)


def turns_left_out(stores, turns, class_of):
    """Turns of the corpus that have no clip in a modality: turn_id, class ('' without one), label, modality, reason."""
    labels = turns.set_index("turn_id")["label"]
    reasons = {}
    for store in stores:
        for turn, reason in json.loads(store["left_out"]).items():
            reasons[turn, store["modality"]] = reason
    return [
        {
            "turn_id": turn,
            "label": labels.get(turn, ""),
            "class": class_title(class_of.get(labels.get(turn), "")),
            "modality": MODALITY_TITLES[modality],
            "reason": reason,
        }
        for (turn, modality), reason in sorted(reasons.items())
    ]


def problem_kinds(problems):
    """The problems, gravest first, and the number of each kind: what stands before the colon of its sentence. Lines that they
    quote are in the corpus' list alone."""
    problems = [row | {"problem": QUOTING.sub(r"\1", row["problem"])} for row in problems]
    problems.sort(key=lambda row: (SEVERITIES.index(row["severity"]), row["subject"]))
    counts = Counter((row["severity"], row["problem"].split(":")[0], row["action"]) for row in problems)
    kinds = [{"severity": s, "problem": p, "action": a, "count": n} for (s, p, a), n in counts.most_common()]
    return {"rows": problems, "kinds": sorted(kinds, key=lambda row: SEVERITIES.index(row["severity"]))}
