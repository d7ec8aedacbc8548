"""CREMA-D: 91 actors who say twelve sentences in six emotions, filmed, and what raters saw and heard in them."""

import csv
import io
import re
from collections import Counter
from operator import itemgetter
from pathlib import PurePosixPath

from emofuse.corpora.finding import check_counts, files_below, folder_of, some
from emofuse.corpora.listing import Listing, Row
from emofuse.runtime.errors import EmofuseError

SENTENCE = "CREMA-D: 91 actors say twelve sentences in six emotions"
LABELS = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")

# actor_sentence_emotion_level
NAME = re.compile(
    r"(?P<actor>10[0-8][0-9]|109[01])_(?P<sentence>IEO|TIE|IOM|IWW|TAI|MTI|IWL|ITH|DFA|ITS|TSI|WSI)"
    r"_(?P<emotion>ANG|DIS|FEA|HAP|NEU|SAD)_(?:LO|MD|HI|XX)"
)
LETTERS = {label[0]: label for label in LABELS}
SILENT = "1076_MTI_SAD_XX"  # its recording has no sound
COUNTS = {"turns": 7442, "actors": 91, "NEU": 1087} | dict.fromkeys(("ANG", "DIS", "FEA", "HAP", "SAD"), 1271)
POINTER_BYTES = 200  # what Git LFS leaves in place of a file is 130 bytes long, the shortest recording some 30,000
BOTH = "3"  # queryType of the answers to voice and face together; 1 is voice alone, 2 face alone

PEOPLE, VOTES, ANSWERS = "VideoDemographics.csv", "summaryTable.csv", "finishedResponses.csv"


def read(root, settings):
    """The Listing of the release at `root`: its VideoFlash/*.flv and AudioWAV/*.wav, up to three levels below it.

    turn_id: the files' name, as 1001_IEO_ANG_HI. settings: the config's section `corpus`: assert_counts; `labels` is intended
    (the emotion that the actor was asked for) or perceived (what most raters of voice and face together chose, '' where two
    came first). raters: those of voice and face together, of finishedResponses.csv where it is there. Raises EmofuseError
    where files are missing, are pointers of Git LFS, or are not those of the release.
    """
    root, problems = folder_of(root), []
    files = files_below(root, (".flv", ".wav", ".csv"))
    sounds, pictures = _recordings(root, files, problems)
    tables = {PurePosixPath(path).name: root / path for path, _ in reversed(files) if path.endswith(".csv")}
    turns = sorted(sounds.keys() | pictures.keys())
    labels = {turn: NAME.fullmatch(turn)["emotion"] for turn in turns}
    if settings.get("assert_counts", True):
        counts = {"turns": len(turns), "actors": len({turn[:4] for turn in turns})}
        check_counts("CREMA-D", counts | Counter(labels.values()), COUNTS)
    if settings.get("labels", "intended") == "perceived":
        labels = _perceived(root, tables, turns, problems)
    genders = _genders(tables.get(PEOPLE), problems)
    raters = _raters(tables.get(ANSWERS), set(turns), problems)
    rows = [
        Row(
            turn_id=turn,
            speaker=turn[:4],
            label=labels[turn],
            audio=None if turn == SILENT else sounds.get(turn, pictures.get(turn)),
            video=pictures.get(turn),
            scene=turn[5:8],
            gender=genders.get(turn[:4], ""),
            raters=raters.get(turn, {}),
        )
        for turn in turns
    ]
    _missing_kinds(turns, sounds, pictures, problems)
    return Listing(root, rows, problems)


def _recordings(root, files, problems):
    """({turn: wav}, {turn: flv}), paths relative to the root."""
    found, pointers, strange, twice = {".wav": {}, ".flv": {}}, [], [], []
    for path, size in files:
        name = PurePosixPath(path)
        suffix = name.suffix.lower()
        if suffix not in found or name.name.startswith("."):
            continue
        if not NAME.fullmatch(name.stem):
            strange.append(path)
        elif size < POINTER_BYTES:
            pointers.append(path)
        elif found[suffix].setdefault(name.stem, path) != path:
            twice.append(path)
    sounds, pictures = found[".wav"], found[".flv"]
    if pointers:
        raise EmofuseError(
            f"{len(pointers)} of the recordings below {root} are no recordings but pointers of Git LFS, of some 130 bytes, "
            f"such as {pointers[0]}. Run `git lfs pull` in the clone (a zip from GitHub holds pointers alone)."
        )
    if not sounds and not pictures:
        raise EmofuseError(
            f"corpus.root is {root}, but no file up to three levels below it is a clip of CREMA-D, such as "
            "1001_IEO_ANG_HI.flv or 1001_IEO_ANG_HI.wav. It should be the folder that holds VideoFlash and AudioWAV."
        )
    if strange:
        problems.append(
            (".", "warning", f"files that are not named as CREMA-D's clips are: {some(strange)}", "not used")
        )
    if twice:
        told = f"second files of a clip: {some(twice)}"
        problems.append((".", "warning", told, "not used: the first by path is"))
    return sounds, pictures


def _missing_kinds(turns, sounds, pictures, problems):
    """List what has no sound or no picture."""
    if SILENT in turns:
        problems.append((SILENT, "warning", "recording without sound, in the release itself", "it has no audio clip"))
    if unseen := [turn for turn in turns if turn not in pictures]:
        problems.append((".", "warning", f"clips without a flv: {some(unseen)}", "they have no video clip"))
    if unheard := [turn for turn in turns if turn not in sounds]:
        problems.append((".", "info", f"clips without a wav: {some(unheard)}", "their sound is that of the flv"))


def _table(path, columns):
    """Yield of each line of a table of the release the values of these columns, a tuple. One has 220,000 lines."""
    try:
        lines = csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig", errors="replace")))
    except OSError as error:
        raise EmofuseError(f"{path} cannot be read: {error.strerror}.") from None
    head = next(lines, [])
    if lacking := [column for column in columns if column not in head]:
        raise EmofuseError(
            f"{path} lacks columns: {', '.join(lacking)}. It should be the file of CREMA-D's repository."
        )
    pick, width = itemgetter(*map(head.index, columns)), len(head)
    for line in lines:
        if len(line) == width:
            yield pick(line)
        elif line:
            raise EmofuseError(f"{path}, line {lines.line_num}: {len(line)} fields, not {width}. Fetch the file anew.")


def _perceived(root, tables, turns, problems):
    """{turn: label} by the most votes of those who saw and heard it; '' where two emotions have the same."""
    if VOTES not in tables:
        raise EmofuseError(
            f"corpus.labels is perceived, but {VOTES} is not below {root}. It lies in the folder processedResults of "
            "CREMA-D's repository; or set corpus.labels to intended."
        )
    votes = dict(_table(tables[VOTES], ["FileName", "MultiModalVote"]))
    labels = {turn: LETTERS.get(votes.get(turn), "") for turn in turns}
    if tied := [turn for turn in turns if turn in votes and not labels[turn]]:
        told = f"no emotion with most votes by voice and face: {some(tied)}"
        problems.append((".", "info", told, "no label: they are in no split"))
    if unknown := [turn for turn in turns if turn not in votes]:
        problems.append((".", "warning", f"clips without votes: {some(unknown)}", "no label: they are in no split"))
    return labels


def _genders(path, problems):
    if path is None:
        problems.append((".", "info", f"{PEOPLE} is not there", "the actors' gender is left empty"))
        return {}
    return {actor: sex[:1] for actor, sex in _table(path, ["ActorID", "Sex"]) if sex[:1] in ("F", "M")}


def _raters(path, turns, problems):
    """{turn: {rater: label}} of the answers to voice and face together."""
    if path is None:
        problems.append((".", "info", f"{ANSWERS} is not there", "no votes of single raters, so no ceiling"))
        return {}
    found, unknown = {}, 0
    for rater, kind, turn, letter in _table(path, ["localid", "queryType", "clipName", "respEmo"]):
        if kind == BOTH and turn in turns:
            if letter in LETTERS:
                found.setdefault(turn, {})[rater] = LETTERS[letter]
            else:
                unknown += 1
    if unknown:
        problems.append(
            (ANSWERS, "warning", f"answers that are none of {', '.join(LETTERS)}: {unknown}", "not counted")
        )
    return found
