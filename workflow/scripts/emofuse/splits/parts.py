"""Splits the labelled turns into training, validation and test parts, and checks that no part leaks into another.

Terms: the test part of split `session3` is session 3; a speaker is session + turn letter, so sessions keep speakers apart.
`protocols` names the splits.
"""

import hashlib
import json
from itertools import combinations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emofuse.runtime.errors import EmofuseError, listing
from emofuse.runtime.store import read_parquet, write_parquet
from emofuse.splits.protocols import BY_SCENARIO, UNVALIDATED, parse_split, play_of

PARTS = ("train", "val", "test", "held")
CHOICE_PARTS = {"validation": "val", "test": "test"}  # what the config calls the parts on which something is chosen


def make_split(turns, split, sessions, classes, subset, rule, share, seed, groups, output):
    """Write the split file of one fold, whose protocol and test part its name tells (`protocols.parse_split`).

    turns: path of turns.parquet. sessions: all sessions of the corpus, in order. classes: class -> list of raw labels.
    subset: 'all', or the style of the turns to take, 'improvised' or 'scripted'. rule: 'previous_session' (validation =
    the session before the test session, cyclic), 'share' (validation = whole dialogs of the training sessions, drawn by
    `seed` until they hold `share` of the turns), 'none', or 'test' (no validation part either, and epochs are chosen on
    the test part). groups: {play: group}, for the protocols by scenario. By protocol, the test part and the others are:

    - session: a session; the other sessions, after the rule.
    - speaker: a speaker; validation is the partner, who shares the dialogs, training the other sessions.
    - scenario: a session's turns of one group of plays; the other sessions' turns of the other groups, validation being
      the session before.
    - scenario_control: as scenario's; of each other session as many turns as in scenario's fold, drawn without
      replacement from all its turns by a generator of `seed`, fold and session alone.

    All but session need the rule 'previous_session'. The suffix -refit comes with the rule 'none': what validated trains
    too, but for speaker, whose partner is then in no part, for the partner's dialogs are tested. The suffix -without<k>
    puts the training turns of session k into the part `held`, to which an encoder trained without them is applied.
    Columns written: turn_id, part (train, val, test, held), class, session, dialog, scenario, speaker, style, sorted by
    turn_id; metadata: split, protocol, validation (the rule, or 'partner'), subset, classes (JSON), and groups (JSON) by
    scenario. Raises EmofuseError for another rule than a protocol's, and for a split that `check_split` refuses.
    """
    fold = parse_split(split)
    if fold.protocol != "session" and rule != ("none" if fold.refit else "previous_session"):
        raise EmofuseError(
            f"split {split}: the protocol {fold.protocol} has a validation part of its own and not one by the rule"
            f" '{rule}'; set validation.rule: previous_session, or leave the protocol out."
        )
    columns = ["turn_id", "session", "dialog", "scenario", "speaker", "style", "label"]
    table = read_parquet(turns, columns=columns).sort_by("turn_id")
    class_of = {label: name for name, labels in classes.items() for label in labels}
    wanted = pc.is_in(table["label"], pa.array(list(class_of)))
    if subset != "all":
        wanted = pc.and_(wanted, pc.equal(table["style"], subset))
    labelled = table.filter(wanted)
    part = _parts(labelled, fold, sessions, rule, share, seed, groups)
    result = pa.table(
        {
            "turn_id": labelled["turn_id"],
            "part": pa.array(part, pa.string()),
            "class": pa.array([class_of[label] for label in labelled["label"].to_pylist()], pa.string()),
            **{name: labelled[name] for name in ("session", "dialog", "scenario", "speaker", "style")},
        }
    ).filter(pa.array(part != ""))
    check_split(result, split, sorted(classes), validated=rule not in UNVALIDATED)
    metadata = {
        "split": split,
        "protocol": fold.protocol,
        "validation": _validation(fold, rule, share, seed),
        "subset": subset,
        "classes": json.dumps(sorted(classes)),
    }
    if fold.protocol in BY_SCENARIO:
        metadata["groups"] = json.dumps(groups, sort_keys=True)
    write_parquet(output, result, metadata)


def read_split(path):
    """Read a split file, checked again: a table (columns as written) and its classes (sorted list of names)."""
    table = read_parquet(path)
    metadata = {k.decode(): v.decode() for k, v in table.schema.metadata.items()}
    classes = json.loads(metadata["classes"])
    try:
        check_split(table, metadata["split"], classes, validated=metadata["validation"] not in UNVALIDATED)
    except EmofuseError as error:
        raise EmofuseError(f"{path}: {error}\nDelete it and run again.") from error
    return table, classes


def check_split(table, split, classes, validated):
    """Raise EmofuseError, naming each fault and the first of what it concerns, if a split leaks or lacks something.

    No turn may stand in it twice. The test speakers, and by scenario the plays of the test part, are in no other part. No
    dialog is in two parts; but for the protocol speaker, where validation and test part share dialogs. No session is in
    both the training and the held part. No part is empty (`validated`: there is a validation part), and the training
    part has a turn of each of `classes`.
    """
    fold = parse_split(split)
    turns = table.to_pandas()
    pairs = list(combinations(PARTS, 2))
    tested = [pair for pair in pairs if "test" in pair]
    apart = [
        ("turns", turns["turn_id"], pairs),
        ("speakers", turns["speaker"], tested),
        ("dialogs", turns["dialog"], [p for p in pairs if fold.protocol != "speaker" or p != ("val", "test")]),
        ("sessions", turns["session"], [("train", "held")]),
    ]
    if fold.protocol == "scenario":
        apart.append(("plays", turns["scenario"].map(play_of), tested))
    of_part = {part: turns["part"] == part for part in PARTS}
    faults = _fault("turns in a part that there is not", turns["turn_id"][~turns["part"].isin(PARTS)])
    for part, rows in of_part.items():
        names = turns["turn_id"][rows]
        faults += _fault(f"turns more than once in the {part} part", names[names.duplicated()])
    for kind, names, between in apart:
        for one, other in between:
            shared = set(names[of_part[one]]) & set(names[of_part[other]])
            faults += _fault(f"{kind} in the {one} and the {other} part", shared)
    faults += _fault("classes without a training turn", set(classes) - set(turns["class"][of_part["train"]]))
    needed = {"train": True, "val": validated, "test": True, "held": fold.without is not None}
    faults += [f"the {part} part is empty" for part in PARTS if needed[part] and not of_part[part].any()]
    if faults:
        raise EmofuseError(f"split {split} is not sound:\n{listing(faults)}")


def turns_digest(ids):
    """sha256 (64 hex digits) of a set of turn ids, in whatever order they come."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


def shared_dialogs(table):
    """Number of dialogs that the test and the validation part of a split share: none but in the protocol speaker."""
    dialogs = {part: table.filter(pc.equal(table["part"], part))["dialog"].to_pylist() for part in ("val", "test")}
    return len(set(dialogs["val"]) & set(dialogs["test"]))


def _parts(turns, fold, sessions, rule, share, seed, groups):
    """The part of each turn, empty for turns in none: an object array, for a table of turns sorted by id."""
    session = turns["session"].to_numpy()
    here = session == fold.session
    part = np.where(here, "test", "train").astype(object)
    if fold.protocol == "speaker":
        partner = here & (np.array(turns["speaker"].to_pylist()) != f"Ses0{fold.session}_{fold.which}")
        part[partner] = "" if fold.refit else "val"
    elif rule == "previous_session":
        part[session == sessions[sessions.index(fold.session) - 1]] = "val"
    elif rule == "share":
        part[np.isin(turns["dialog"].to_pylist(), _drawn_dialogs(turns, fold.session, share, seed))] = "val"
    if fold.protocol in BY_SCENARIO:
        of_group = np.array([groups[play_of(scenario)] == fold.which for scenario in turns["scenario"].to_pylist()])
        kept = here == of_group
        if fold.protocol == "scenario_control":
            for other in set(sessions) - {fold.session}:
                rows = np.flatnonzero(session == other)
                rng = np.random.default_rng([seed, fold.session, ord(fold.which), other])
                drawn = rng.choice(rows, np.count_nonzero(kept[rows]), replace=False)
                kept[rows] = False
                kept[drawn] = True
        part[~kept] = ""
    part[(part == "train") & (session == fold.without)] = "held"
    return part


def _drawn_dialogs(labelled, test, share, seed):
    """Whole dialogs outside the test session, drawn in random order until they hold `share` of those sessions' turns."""
    outside = labelled.filter(pc.not_equal(labelled["session"], test))
    names, sizes = np.unique(np.array(outside["dialog"].to_pylist()), return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    enough = int(np.searchsorted(np.cumsum(sizes[order]), share * sizes.sum())) + 1
    return names[order[:enough]]


def _validation(fold, rule, share, seed):
    """What the metadata calls the validation part."""
    if fold.protocol == "speaker" and not fold.refit:
        return "partner"
    return f"share {share:g}, seed {seed}" if rule == "share" else rule


def _fault(what, names):
    """[one line with the first few of `names`], or [] where there is none."""
    names = sorted(map(str, names))
    more = f", ... ({len(names)} in all)" if len(names) > 3 else ""
    return [f"{what}: {', '.join(names[:3])}{more}"] if names else []
