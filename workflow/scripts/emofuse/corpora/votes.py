"""Indexes what each annotator said of each turn: votes.parquet, from the label files."""

from collections import Counter, defaultdict
from fractions import Fraction

import pyarrow as pa
from tqdm import tqdm

from emofuse.corpora.class_sets import NO_MAJORITY
from emofuse.corpora.iemocap.paths import label_path
from emofuse.corpora.iemocap.text import read_text
from emofuse.corpora.iemocap.votes import parse_votes
from emofuse.corpora.problems import Problems
from emofuse.corpora.turns import VOTES_SCHEMA, turns_by_dialog
from emofuse.runtime import store


def index_votes(root, dialogs, turns_path, votes_path, problems_path):
    """Write votes.parquet (schema VOTES_SCHEMA, a row a vote, sorted by turn_id and annotator) and problems.

    labels: raw labels, as in turns.parquet, in the order that the annotator named them. self: whether it is the actor's own
    report and no evaluator's. What cannot be counted is listed and ends nothing: a word that is no label, a line that cannot be
    read, a turn of which no evaluator has voted. So is a label that the votes contradict. Missing label files are index_turns'
    to report.
    """
    problems, rows = Problems(root), []
    label_of = {
        turn["turn_id"]: turn["label"] for turn in store.read_parquet(turns_path, ["turn_id", "label"]).to_pylist()
    }
    for dialog, turns in tqdm(turns_by_dialog(turns_path, dialogs).items(), "votes"):
        if not turns:
            continue
        path = label_path(root, dialog)
        votes, faults = parse_votes(read_text(path)[0])
        known = {turn["turn_id"] for turn in turns}
        for turn, problem, action in faults:
            problems.add(turn if turn in known else path, "warning", problem, action)
        rows += [dict(zip(VOTES_SCHEMA.names, vote, strict=True)) for vote in votes if vote.turn_id in known]
        said = defaultdict(list)
        for vote in votes:
            if vote.turn_id in known and not vote.own:
                said[vote.turn_id].append(vote.labels)
        for turn, of_turn in said.items():
            if heard := contradiction(label_of[turn], of_turn):
                told = f"label is not what evaluators say: {label_of[turn]}, and they say {heard}"
                problems.add(turn, "info", told, "both are kept")
        lost = known - said.keys()
        if lost == known:
            problems.add(path, "warning", f"no evaluator's vote of any turn: {len(lost)} turns", "not in the ceiling")
            continue
        for turn in sorted(lost):
            problems.add(turn, "warning", "turn without an evaluator's vote", "not in the ceiling")
    problems.finish(problems_path, "drop")
    rows.sort(key=lambda row: (row["turn_id"], row["annotator"]))
    store.write_parquet(votes_path, pa.Table.from_pylist(rows, VOTES_SCHEMA))


def contradiction(label, votes):
    """What evaluators say, as text, where a turn's label cannot be the majority of their votes (lists of labels); else ''.

    A vote for several labels counts in equal parts. Ties are left to the release, which does not say how it breaks them.
    """
    counts = Counter()
    for labels in votes:
        counts.update(dict.fromkeys(labels, Fraction(1, len(labels))))
    most = max(counts.values())
    wrong = most > Fraction(len(votes), 2) if label == NO_MAJORITY else counts[label] < most
    return ", ".join(f"{name} {float(number):g}" for name, number in counts.most_common()) if wrong else ""
