"""MELD: scenes of the series Friends, cut into utterances, as its authors released them, in their three parts."""

import csv
import io
import re
import unicodedata
from collections import Counter
from pathlib import PurePosixPath

from emofuse.corpora.finding import check_counts, files_below, folder_of, some
from emofuse.corpora.listing import Listing, Row
from emofuse.corpora.problems import MOST_LISTED
from emofuse.runtime.errors import EmofuseError, listing

SENTENCE = "MELD: 13,708 utterances of dialogs of the series Friends, in its authors' three parts"
LABELS = ("neutral", "joy", "surprise", "anger", "sadness", "disgust", "fear")

TABLES = {"train": "train_sent_emo.csv", "val": "dev_sent_emo.csv", "test": "test_sent_emo.csv"}
WORDS = {"train": "train", "val": "dev", "test": "test"}  # of the names of the folders that hold the clips of a part
CLIP = re.compile(r"dia([0-9]{1,4})_utt([0-9]{1,2})")
NUMBERS, TIMES = ("Dialogue_ID", "Utterance_ID", "Season", "Episode"), ("StartTime", "EndTime")
COLUMNS = ("Utterance", "Speaker", "Emotion", *NUMBERS, *TIMES)
CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2}):([0-9]{2})[,.]([0-9]{1,3})")  # thousandths, not always padded
LONGEST_S, SHORTEST_S = 30, 0.1  # beyond these an utterance was cut wrongly
ABSENT = {("val", 110, 7)}  # its clip is not in the release
# By part, the turns of each of LABELS.
COUNTS = {
    "train": (4710, 1743, 1205, 1109, 683, 271, 268),
    "val": (470, 163, 150, 153, 111, 22, 40),
    "test": (1256, 402, 281, 345, 208, 68, 50),
}
# Copies of the release hold codes of Windows-1252 as if they were characters.
CONTROLS = {code: bytes([code]).decode("cp1252", "replace") for code in range(0x80, 0xA0)}


def read(root, settings):
    """The Listing of the release below `root`, its tables and clips found by their names.

    turn_id: part, dialog and utterance, as train_dia0_utt03 (two digits, so that ids sort as the dialog goes). A clip is a
    file of its own, so no turn has times. group: the episode. settings: the config's section `corpus`, of which assert_counts
    is read. Raises EmofuseError where tables are missing, cannot be understood, or are not those of the release.
    """
    root, problems, faults = folder_of(root), [], []
    files = [path for path, _ in files_below(root, (".csv", ".mp4"))]
    lines = {part: _lines(root, path, faults) for part, path in _tables(root, files, problems).items()}
    if faults:
        raise EmofuseError(f"Tables of MELD with errors: {len(faults)}\n{listing(faults, MOST_LISTED)}")
    if settings.get("assert_counts", True):
        expected = {f"{part} {label}": n for part, of in COUNTS.items() for label, n in zip(LABELS, of, strict=True)}
        check_counts("MELD", Counter(f"{part} {line['Emotion']}" for part in lines for line in lines[part]), expected)
    _list_wrong_cuts(lines, problems)
    clips = _clips(files, lines, problems)
    speakers = _speakers({line["Speaker"] for of_part in lines.values() for line in of_part}, problems)
    rows = [_row(part, line, speakers, clips[part]) for part, of_part in lines.items() for line in of_part]
    for part, dialog, utterance in sorted(ABSENT):
        if clips[part] and (dialog, utterance) not in clips[part]:
            problems.append(
                (_turn_id(part, dialog, utterance), "info", "clip that the release lacks", "it has words alone")
            )
    return Listing(root, sorted(rows, key=lambda row: row.turn_id), problems)


def _tables(root, files, problems):
    """{part: path} of the three tables; copies of one must be alike."""
    found, errors = {}, []
    for part, name in TABLES.items():
        paths = [path for path in files if PurePosixPath(path).name == name]
        if not paths:
            errors.append(f"{name} is not there")
        elif len({(root / path).read_bytes() for path in paths}) > 1:
            errors.append(f"{name} is there several times, with different contents: {', '.join(paths)}")
        elif len(paths) > 1:
            problems.append((paths[0], "info", f"copies of a table: {some(paths[1:])}", "not used"))
        found[part] = paths[0] if paths else None
    if errors:
        raise EmofuseError(
            f"corpus.root is {root}; up to three levels below it MELD's tables are looked for:\n{listing(errors)}\n"
            "They are in the archive MELD.Raw.tar.gz, and in the folder data/MELD of its repository."
        )
    return found


def _lines(root, path, faults):
    """The lines of a table as dicts of COLUMNS, ids as numbers; what is wrong with them goes to `faults`."""
    reader = csv.DictReader(io.StringIO(_text((root / path).read_bytes()), newline=""))
    if lacking := [column for column in COLUMNS if column not in (reader.fieldnames or ())]:
        faults.append(f"{path}: lacks columns: {', '.join(lacking)}")
        return []
    lines, seen = [], set()
    for line in reader:
        where = f"{path}, line {reader.line_num}"
        if None in line or None in line.values():
            faults.append(f"{where}: more or fewer fields than the first line has")
            continue
        found = {column: " ".join(line[column].split()) for column in COLUMNS}
        found["Emotion"] = found["Emotion"].lower()
        wrong = [column for column in NUMBERS if not re.fullmatch("[0-9]{1,4}", found[column])]
        wrong += [column for column in TIMES if not CLOCK.fullmatch(found[column])]
        if wrong:
            faults.append(f"{where}: no number, or no time: {', '.join(wrong)}")
            continue
        found |= {column: int(found[column]) for column in NUMBERS}
        name = found["Dialogue_ID"], found["Utterance_ID"]
        if name in seen:
            faults.append(f"{where}: a second line of dialog {name[0]}, utterance {name[1]}")
        if found["Emotion"] not in LABELS:
            faults.append(f"{where}: {found['Emotion']!r} is none of {', '.join(LABELS)}")
        if not found["Speaker"]:
            faults.append(f"{where}: no speaker")
        seen.add(name)
        lines.append(found)
    return lines


def _list_wrong_cuts(lines, problems):
    """List the utterances whose times cannot be right, as the clips were cut by them."""
    lasts = {
        _turn_id(part, line["Dialogue_ID"], line["Utterance_ID"]): _seconds(line["EndTime"])
        - _seconds(line["StartTime"])
        for part, of_part in lines.items()
        for line in of_part
    }
    for words, turns in (
        (f"over {LONGEST_S}", [turn for turn, seconds in lasts.items() if seconds > LONGEST_S]),
        (f"under {SHORTEST_S:g}", [turn for turn, seconds in lasts.items() if seconds < SHORTEST_S]),
    ):
        if turns:
            told = f"utterances that last {words} s by their tables: {some(sorted(turns))}"
            problems.append((".", "warning", told, "kept, and cut wrongly"))


def _seconds(time):
    """`00:16:16,059` -> 976.059"""
    hours, minutes, seconds, thousandths = map(int, CLOCK.fullmatch(time).groups())
    return hours * 3600 + minutes * 60 + seconds + thousandths / 1000


def _turn_id(part, dialog, utterance):
    return f"{part}_dia{dialog}_utt{utterance:02}"


def _text(data):
    """A table's text: UTF-8, or Windows-1252 in lines that are not, and single codes of Windows-1252 made characters."""
    lines = []
    for line in data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").split(b"\n"):
        try:
            lines.append(line.decode())
        except UnicodeDecodeError:
            lines.append(line.decode("cp1252", "replace"))
    return "\n".join(lines).translate(CONTROLS)


def _clips(files, lines, problems):
    """{part: {(dialog, utterance): path}} of the clips; what is passed over goes to the problems.

    A part with some clips has a path for each of its lines: where its file is missing, that is the index's to say. But those
    which the release lacks, and the lines of a part without any clips, have none.
    """
    found = _sorted_clips([PurePosixPath(path) for path in files if path.lower().endswith(".mp4")], problems)
    for part, clips in found.items():
        known = {(line["Dialogue_ID"], line["Utterance_ID"]) for line in lines[part]}
        if extra := [clips.pop(name) for name in sorted(clips.keys() - known)]:
            problems.append((".", "info", f"clips without a line in {TABLES[part]}: {some(extra)}", "not used"))
        if not clips:
            problems.append(
                (TABLES[part], "warning", f"no clips of its {len(known)} utterances", "they have words alone")
            )
            continue
        folder = Counter(PurePosixPath(path).parent for path in clips.values()).most_common(1)[0][0]
        for dialog, utterance in known - clips.keys():
            if (part, dialog, utterance) not in ABSENT:
                clips[dialog, utterance] = str(folder / f"dia{dialog}_utt{utterance}.mp4")
    return found


def _sorted_clips(paths, problems):
    """{part: {(dialog, utterance): path}} of the files that are named as clips are."""
    found, unclear, hidden, strange, twice = {part: {} for part in TABLES}, set(), [], [], []
    for path in paths:
        part, match = _part_of(path), CLIP.fullmatch(path.stem)
        if path.name.startswith("."):
            hidden.append(str(path))
        elif not match:
            strange.append(str(path))
        elif part is None:
            unclear.add(str(path.parent))
        elif found[part].setdefault((int(match[1]), int(match[2])), str(path)) != str(path):
            twice.append(str(path))
    if unclear:
        raise EmofuseError(
            "These folders hold clips, but the name of none of them, nor of one above, says of which part of MELD: call one so "
            f"that it holds train, dev or test and no other of these.\n{listing(sorted(unclear))}"
        )
    for names, severity, problem, action in (
        (hidden, "info", "files that macOS left (._*)", "not used"),
        (
            strange,
            "info",
            "clips that are not named as utterances are, such as copies (final_videos_test*)",
            "not used",
        ),
        (twice, "warning", "second files of an utterance", "not used: the first by path is"),
    ):
        if names:
            problems.append((".", severity, f"{problem}: {some(names)}", action))
    return found


def _part_of(path):
    """The part that the folder of a clip, or the nearest one above it that tells, names; else None."""
    for folder in path.parent.parts[::-1]:
        named = [part for part, word in WORDS.items() if word in folder.lower()]
        if named:
            return named[0] if len(named) == 1 else None
    return None


def _speakers(names, problems):
    """{name: name that may be part of a file's}, each its own: `Mr. Treeger` -> `Mr_Treeger`, two alike are numbered."""
    found, taken = {}, set()
    for name in sorted(names):
        plain = unicodedata.normalize("NFKD", name.replace("’", "'")).encode("ascii", "ignore").decode()
        plain = base = re.sub("[^A-Za-z0-9-]+", "_", plain.replace("'", "")).strip("_-")[:80] or "unnamed"
        number = 1
        while plain.lower() in taken:
            number += 1
            plain = f"{base}_{number}"
        taken.add(plain.lower())
        found[name] = plain
    if changed := [f"{name} -> {plain}" for name, plain in found.items() if name != plain]:
        problems.append((".", "info", f"speakers whose names cannot be part of a file's: {some(changed)}", "renamed"))
    return found


def _row(part, line, speakers, clips):
    dialog, utterance = line["Dialogue_ID"], line["Utterance_ID"]
    clip = clips.get((dialog, utterance))
    return Row(
        turn_id=_turn_id(part, dialog, utterance),
        speaker=speakers[line["Speaker"]],
        label=line["Emotion"],
        audio=clip,
        video=clip,
        text=line["Utterance"] or None,
        dialog=f"{part}_dia{dialog}",
        group=f"s{line['Season']:02}e{line['Episode']:02}",
        part=part,
    )
