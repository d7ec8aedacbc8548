"""RAVDESS: 24 actors who say two sentences in eight emotions, filmed; its speech, from the archives of Zenodo 1188976."""

import re
from collections import Counter
from pathlib import PurePosixPath

from emofuse.corpora.finding import check_counts, files_below, folder_of, some
from emofuse.corpora.listing import Listing, Row
from emofuse.runtime.errors import EmofuseError

SENTENCE = "RAVDESS: 24 actors say two sentences in eight emotions, each in two strengths and twice"
LABELS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")

SUFFIXES = (".mp4", ".wav", ".flac")
# modality-channel-emotion-intensity-statement-repetition-actor; a neutral take has one intensity.
NAME = re.compile(
    r"(?P<modality>0[1-3])-(?P<take>(?P<channel>0[12])-(?P<emotion>0[1-8])-(?P<intensity>0[12])-(?P<statement>0[12])"
    r"-0[12]-(?P<actor>0[1-9]|1[0-9]|2[0-4]))"
)
# A sentence eight times an emotion (two strengths, two repetitions), neutral half as often; 24 actors.
COUNTS = {"turns": 1440, "actors": 24, "neutral": 96} | dict.fromkeys(LABELS[1:], 192)


def read(root, settings):
    """The Listing of the speech below `root`. A turn is a take: its files 01 (sound and picture) and 03 (sound) are one.

    turn_id: the files' name without its modality, as 01-05-02-01-02-12. Video is from 01, sound too, else from 03. settings:
    the config's section `corpus`, of which assert_counts is read. Raises EmofuseError where there are no takes, or not those
    of the release.
    """
    root, problems = folder_of(root), []
    takes = _takes(files_below(root, SUFFIXES), problems)
    if not takes:
        raise EmofuseError(
            f"corpus.root is {root}, but no file up to three levels below it is a take of RAVDESS's speech, such as "
            "01-01-05-02-01-02-12.mp4. It should be the folder in which its archives Video_Speech_Actor_01.zip and so on, "
            "or Audio_Speech_Actors_01-24.zip, are unpacked."
        )
    rows = [_row(take, files) for take, files in sorted(takes.items())]
    seen = {row.turn_id: row for row in rows if row.video}
    sound_alone = [row.turn_id for row in rows if not row.video]
    if seen and sound_alone:
        problems.append((".", "warning", f"takes without a picture: {some(sound_alone)}", "they have no video clip"))
    if settings.get("assert_counts", True):
        counts = {"turns": len(rows), "actors": len({row.speaker for row in rows})}
        check_counts("RAVDESS", counts | Counter(row.label for row in rows), COUNTS)
    return Listing(root, rows, problems)


def _takes(files, problems):
    """{take: {modality: path}} of the speech; what is passed over goes to the problems."""
    takes, twice, song, mute, strange = {}, [], [], [], []
    for path, _ in files:
        name = PurePosixPath(path)
        match = NAME.fullmatch(name.stem)
        if name.name.startswith("."):
            continue
        if not match or (match["emotion"] == "01" and match["intensity"] == "02"):
            strange.append(path)
        elif match["channel"] == "02":
            song.append(path)
        elif match["modality"] == "02":
            mute.append(path)
        elif (match["modality"] == "01") != (name.suffix.lower() == ".mp4"):
            strange.append(path)
        elif takes.setdefault(match["take"], {}).setdefault(match["modality"], path) != path:
            twice.append(path)
    for paths, severity, problem, action in (
        (strange, "warning", "files that are not named as RAVDESS's takes are", "not used"),
        (twice, "warning", "second files of a take", "not used: the first by path is"),
        (song, "info", "songs", "not used: this is the corpus of the speech"),
        (mute, "info", "pictures without sound of takes that are there with sound (02)", "not used"),
    ):
        if paths:
            problems.append((".", severity, f"{problem}: {some(paths)}", action))
    return takes


def _row(take, files):
    match = NAME.fullmatch(f"01-{take}")
    return Row(
        turn_id=take,
        speaker=f"Actor_{match['actor']}",
        label=LABELS[int(match["emotion"]) - 1],
        audio=files.get("01", files.get("03")),
        video=files.get("01"),
        scene=f"statement{int(match['statement'])}",
        gender="M" if int(match["actor"]) % 2 else "F",
    )
