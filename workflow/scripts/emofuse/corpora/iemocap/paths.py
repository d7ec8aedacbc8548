"""Where the files of a dialog lie in the release's tree; pure standard library, for the Snakefile imports it."""

import os
from pathlib import Path

from emofuse.corpora.iemocap.names import TURN, dialog_of, matched, session_of

MOTION = {
    "face": "MOCAP_rotated",
    "head": "MOCAP_head",
    "hand": "MOCAP_hand",
}  # the folders of motion capture by its kind


def session_folder(root, dialog):
    """`<root>/SessionN` of a dialog."""
    return Path(root) / f"Session{session_of(dialog)}"


def label_path(root, dialog):
    """The dialog's labels and times."""
    return session_folder(root, dialog) / "dialog" / "EmoEvaluation" / f"{dialog}.txt"


def transcript_path(root, dialog):
    """The dialog's words."""
    return session_folder(root, dialog) / "dialog" / "transcriptions" / f"{dialog}.txt"


def dialog_wav_path(root, dialog):
    """The dialog's sound: 16 kHz, two channels."""
    return session_folder(root, dialog) / "dialog" / "wav" / f"{dialog}.wav"


def avi_path(root, dialog):
    """The dialog's picture: MPEG-4, 720x480, 30000/1001 frames per second."""
    return session_folder(root, dialog) / "dialog" / "avi" / "DivX" / f"{dialog}.avi"


def sentence_wav_path(root, turn_id):
    """A turn's own sound: 16 kHz mono 16 bit."""
    dialog = matched(TURN, turn_id, "turn")["dialog"]
    return session_folder(root, dialog) / "sentences" / "wav" / dialog / f"{turn_id}.wav"


def sentence_wavs(root, dialog):
    """The sentence wavs of a dialog that are there, sorted."""
    folder = session_folder(root, dialog) / "sentences" / "wav" / dialog
    return [path for path in files_in(folder, ".wav") if TURN.fullmatch(path.stem) and dialog_of(path.stem) == dialog]


def sentence_motion_path(root, turn_id, kind):
    """A turn's motion capture of one kind, a key of MOTION: text, 120 rows a second."""
    dialog = matched(TURN, turn_id, "turn")["dialog"]
    return sentence_motion_folder(root, dialog, kind) / f"{turn_id}.txt"


def sentence_motion_folder(root, dialog, kind):
    """The folder of its turns' motion capture of one kind."""
    return session_folder(root, dialog) / "sentences" / MOTION[kind] / dialog


def dialog_motion_paths(root, dialog, kind):
    """Where the motion capture of the whole dialog may lie: that of Ses05M_script01_1b goes without the b."""
    folder = session_folder(root, dialog) / "dialog" / MOTION[kind]
    return [folder / f"{name}.txt" for name in dict.fromkeys([dialog, dialog.removesuffix("b")])]


def files_in(folder, suffix):
    """Files of a folder with this suffix, sorted; none if it is not there. Dot-files (`._x`, by macOS) are no data."""
    try:
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if e.name.endswith(suffix) and not e.name.startswith(".") and e.is_file()]
    except FileNotFoundError:
        return []
    return [folder / name for name in sorted(names)]
