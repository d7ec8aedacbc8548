"""Lets three evaluators vote on each turn: its label is what most of them say, and `xxx` where there is no majority."""

from emofuse.demo.chance import generator

EVALUATORS = ("E2", "E3", "E4")
WORDS = {
    "neu": "Neutral",
    "ang": "Anger",
    "sad": "Sadness",
    "hap": "Happiness",
    "exc": "Excited",
    "fru": "Frustration",
    "sur": "Surprise",
    "oth": "Other",
}
SAME = ({"hap", "exc"},)  # labels that the demo's classes do not tell apart
DISSENT, MORE = 0.1, 0.25  # how often one evaluator disagrees, and how much more often for each modality that misleads
TWO = 0.15  # how often an evaluator names frustration too


def evaluators(turn, seed):
    """{evaluator: the words of the vote} on a turn.

    On a turn with a majority one evaluator at most says something else, most likely what some modality shows that shows
    another class than the label; the more of them do, the more often. On `xxx` each says something else.
    """
    rng = generator(seed, turn.turn_id, "votes")
    shown = [turn.words_class, turn.voice_class, turn.face_class]
    if turn.label not in WORDS:
        heard = list(dict.fromkeys([*shown, "fru", *rng.permutation(["neu", "sur"]).tolist()]))[:3]
        votes = [WORDS[label] for label in heard]
    else:
        misleading = [name for name in shown if not _alike(name, turn.label)]
        votes = [WORDS[turn.label]] * 3
        if rng.random() < DISSENT + MORE * len(misleading):
            others = [name for name in ("fru", "neu", "exc") if name != turn.label]
            votes[0] = WORDS[str(rng.choice(misleading or others))]
        elif rng.random() < TWO and turn.label != "fru":
            votes[0] = f"{votes[0]}; {WORDS['fru']}"
    return dict(zip(EVALUATORS, rng.permutation(votes).tolist(), strict=True))


def _alike(one, other):
    return one == other or any({one, other} <= labels for labels in SAME)
