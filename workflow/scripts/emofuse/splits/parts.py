"""Splits the labelled turns into training, validation and test parts, and checks that no part leaks into another.

Terms: the test part of split `session3` is session 3; a speaker is session + turn letter, so sessions keep speakers apart.
`folds` names the splits, `protocols` makes them.
"""

import hashlib
import json
from itertools import combinations

import pyarrow as pa
import pyarrow.compute as pc

from emofuse.runtime import kinds
from emofuse.runtime.errors import EmofuseError, listing
from emofuse.runtime.store import read_parquet, write_parquet
from emofuse.splits.folds import KIND, UNVALIDATED, constant, parse_split

PARTS = ("train", "val", "test", "held")
CHOICE_PARTS = {"validation": "val", "test": "test"}  # what the config calls the parts on which something is chosen


def make_split(turns, split, classes, subset, scheme, output):
    """Write the split file of one fold, whose protocol and test part its name tells (`folds.parse_split`).

    turns: path of turns.parquet. classes: class -> list of raw labels. subset: 'all', or the style of the turns to take,
    'improvised' or 'scripted'. scheme: `rules.Scheme`. What the parts are, the protocol's file says (`splits/protocols`).

    Most protocols need the rule 'previous_session'. The suffix -refit comes with the rule 'none': what validated trains
    too. The suffix -without<k> takes session k out of the training part and calls it `held`: the turns that an encoder may
    be asked about as one that has never seen them. Columns: turn_id, part (train, val, test, held), class, session, dialog,
    scenario, speaker, style, sorted by turn_id; metadata: split, protocol, validation (the rule, or what the protocol
    calls its own), subset, classes (JSON), and groups (JSON) of a protocol that deals them. Raises EmofuseError for another
    rule than a protocol's, and for a split that `check_split` refuses.
    """
    fold = parse_split(split)
    rule = scheme.rule
    if not constant(fold.protocol, "ANY_RULE") and rule != ("none" if fold.refit else "previous_session"):
        raise EmofuseError(
            f"split {split}: the protocol {fold.protocol} has a validation part of its own and not one by the rule"
            f" '{rule}'; set validation.rule: previous_session, or leave the protocol out."
        )
    columns = ["turn_id", "session", "dialog", "scenario", "speaker", "style", "label"]
    columns += constant(fold.protocol, "READS", ())
    table = read_parquet(turns, columns=columns).sort_by("turn_id")
    class_of = {label: name for name, labels in classes.items() for label in labels}
    wanted = pc.is_in(table["label"], pa.array(list(class_of)))
    if subset != "all":
        wanted = pc.and_(wanted, pc.equal(table["style"], subset))
    labelled = table.filter(wanted)
    facts = {name: labelled[name].to_numpy() for name in columns}
    part = kinds.load(KIND, fold.protocol).parts(facts, fold, scheme)
    part[(part == "train") & (facts["session"] == fold.without)] = "held"
    result = pa.table(
        {
            "turn_id": labelled["turn_id"],
            "part": pa.array(part, pa.string()),
            "class": pa.array([class_of[label] for label in facts["label"]], pa.string()),
            **{name: labelled[name] for name in ("session", "dialog", "scenario", "speaker", "style")},
        }
    ).filter(pa.array(part != ""))
    check_split(result, split, sorted(classes), validated=rule not in UNVALIDATED)
    metadata = {
        "split": split,
        "protocol": fold.protocol,
        "validation": _validation(fold, scheme),
        "subset": subset,
        "classes": json.dumps(sorted(classes)),
    }
    if scheme.groups:
        metadata["groups"] = json.dumps(scheme.groups, sort_keys=True)
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

    No turn may stand in it twice. The test speakers (but for a protocol that leaves the parts to the corpus), and what the
    protocol keeps apart besides, are in no other part. No
    dialog is in two parts; but for a protocol whose validation and test part share dialogs. No session is in both the
    training and the held part. No part is empty (`validated`: there is a validation part), and the training part has a turn
    of each of `classes`.
    """
    fold = parse_split(split)
    turns = table.to_pandas()
    pairs = list(combinations(PARTS, 2))
    tested = [pair for pair in pairs if "test" in pair]
    shared = [("val", "test")] if constant(fold.protocol, "SHARES_DIALOGS") else []
    apart = [
        ("turns", turns["turn_id"], pairs),
        ("speakers", turns["speaker"], [] if constant(fold.protocol, "SHARES_SPEAKERS") else tested),
        ("dialogs", turns["dialog"], [pair for pair in pairs if pair not in shared]),
        ("sessions", turns["session"], [("train", "held")]),
    ]
    protocol = kinds.load(KIND, fold.protocol)
    if hasattr(protocol, "apart"):
        apart += [(what, names, tested) for what, names in protocol.apart(turns).items()]
    of_part = {part: turns["part"] == part for part in PARTS}
    faults = _fault("turns in a part that there is not", turns["turn_id"][~turns["part"].isin(PARTS)])
    for part, rows in of_part.items():
        names = turns["turn_id"][rows]
        faults += _fault(f"turns more than once in the {part} part", names[names.duplicated()])
    for kind, names, between in apart:
        for one, other in between:
            both = set(names[of_part[one]]) & set(names[of_part[other]])
            faults += _fault(f"{kind} in the {one} and the {other} part", both)
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


def _validation(fold, scheme):
    """What the metadata calls the validation part."""
    own = constant(fold.protocol, "OWN_VALIDATION")
    if own and not fold.refit:
        return own
    return f"share {scheme.share:g}, seed {scheme.seed}" if scheme.rule == "share" else scheme.rule


def _fault(what, names):
    """[one line with the first few of `names`], or [] where there is none."""
    names = sorted(map(str, names))
    more = f", ... ({len(names)} in all)" if len(names) > 3 else ""
    return [f"{what}: {', '.join(names[:3])}{more}"] if names else []
