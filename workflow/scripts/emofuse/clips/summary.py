"""Sums up for `snakemake check` what is in a release, what is wrong with it, and which clips are sound."""

from collections import Counter, defaultdict

from emofuse.clips import files as clip_files
from emofuse.corpora.problems import SEVERITIES
from emofuse.runtime import store

RELEASED = ("avi", "dialog_wav", "sentence_wav")  # kinds of IEMOCAP's media
LISTED = ("sound", "picture")  # of a listing's


def summarise(turns_path, words_path, media_path, problems_paths, clips_roots, classes):
    """A text for the user: dialogs or files, turns, classes, hours, media, problems by kind, and the clips that exist.

    `problems_paths` are the corpus' list and others beside it; `classes` maps a class to its raw labels; `clips_roots` are
    folders of clips. Every clip that a manifest calls ok is compared with its checksum.
    """
    turns = store.read_parquet(turns_path).to_pylist()
    files = store.read_parquet(media_path).to_pylist()
    words = len(store.read_parquet(words_path, ["turn_id"]))
    lines = [
        f"{_recordings(files)}, {len(turns)} turns ({_hours(turns):.2f} h), {words} of them with words",
        "",
        *_class_table(turns, classes),
        "",
        *_media_lines(files),
        "",
        *_problem_lines([row for path in problems_paths for row in store.read_tsv(path)]),
        "",
        *(line for root in clips_roots for line in _clip_lines(root)),
    ]
    return "\n".join(lines) + "\n"


def _recordings(files):
    """IEMOCAP's dialogs, or the files of a listing, and their hours."""
    hours = Counter()
    for row in files:
        hours[row["kind"]] += (row["seconds"] or 0) / 3600
    if any(row["kind"] in LISTED for row in files):
        lengths = ", ".join(f"{hours[kind]:.2f} h of {kind}" for kind in LISTED)
        return f"{len({row['path'] for row in files})} files ({lengths})"
    return f"{len({row['dialog'] for row in files})} dialogs ({hours['avi']:.2f} h of video)"


def _hours(turns):
    """The hours of turns whose spans are stated; the others are files of their own."""
    return sum(turn["end_s"] - turn["start_s"] for turn in turns if turn["end_s"] is not None) / 3600


def _class_table(turns, classes):
    class_of = {label: name for name, labels in classes.items() for label in labels}
    groups = defaultdict(list)
    for turn in turns:
        groups[turn["session"]].append(turn)
    names = [*classes, "unused"]
    lines = ["session   " + "".join(f"{name:>8}" for name in names) + "   turns   hours of the classes"]
    for session, group in [*sorted(groups.items()), ("all", turns)]:
        counts = Counter(class_of.get(turn["label"], "unused") for turn in group)
        hours = _hours(turn for turn in group if turn["label"] in class_of)
        cells = "".join(f"{counts[name]:>8}" for name in names)
        lines.append(f"{session!s:<10}{cells}{len(group):>8}   {hours:.2f}")
    return lines


def _media_lines(files):
    counts = defaultdict(Counter)
    for row in files:
        counts[row["kind"]][row["status"]] += 1
    kinds = LISTED if counts.keys() & set(LISTED) else RELEASED
    return ["media"] + [f"  {kind:<14}{_counts(counts[kind])}" for kind in kinds]


def _problem_lines(problems):
    if not problems:
        return ["problems: none"]
    kinds = Counter((row["severity"], row["problem"].split(":")[0], row["action"]) for row in problems)
    order = sorted(kinds.items(), key=lambda item: (SEVERITIES.index(item[0][0]), item[0]))
    return [f"problems: {len(problems)}"] + [
        f"  {count:>6}  {severity:<8} {kind} ({action})" for (severity, kind, action), count in order
    ]


def _clip_lines(root):
    found = clip_files.verify_clips(root)
    lines = [root if found else f"{root}: none yet"]
    for modality, clips in found.items():
        lines.append(f"  {modality:<14}{_counts({state: len(turns) for state, turns in clips.items()})}")
        for state in ("missing", "damaged"):
            lines += [f"    {state}: {turn}" for turn in clips[state][:10]]
        if clips["missing"] or clips["damaged"]:
            lines.append("    delete the damaged ones; the next run cuts their dialogs again")
    return lines


def _counts(counter):
    return ", ".join(f"{count} {name}" for name, count in counter.items() if count) or "none"
