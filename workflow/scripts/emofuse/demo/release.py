"""Writes the demo input: a made-up release tree in IEMOCAP's format, one dialog at a time."""

from pathlib import Path

import numpy as np

from emofuse.demo.annotations import label_file, transcript_file, votes_file
from emofuse.demo.plan import DIALOG_FILES, session_of
from emofuse.demo.turns import direct, medium_end
from emofuse.demo.video import write_avi
from emofuse.demo.voice import sixteen_bit, track_of, voice, write_wav


def write_dialog(out_root, dialog, seed):
    """Write every file that `demo_plan.dialog_files(dialog)` names, below the release root `out_root`."""
    turns = direct(dialog, seed)
    paths = {
        name: Path(out_root, pattern.format(session=session_of(dialog), dialog=dialog))
        for name, pattern in DIALOG_FILES.items()
    }
    sentences = Path(out_root, f"Session{session_of(dialog)}/sentences/wav", dialog)
    for path in [*paths.values(), sentences / "_"]:
        path.parent.mkdir(parents=True, exist_ok=True)

    order = sorted(turns, key=lambda turn: turn.turn_id)
    paths["labels"].write_bytes(label_file(dialog, order, seed))
    paths["apple_double"].write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(range(256)))
    paths["raw_votes"].write_bytes(votes_file(order, seed))
    paths["transcript"].write_bytes(transcript_file(dialog, turns))

    seconds = medium_end(dialog, turns)
    voices = {turn.turn_id: voice(turn, seed) for turn in turns}
    tracks = {gender: track_of(turns, voices, gender, seconds, seed) for gender in "FM"}
    for turn in turns:
        write_wav(sentences / f"{turn.turn_id}.wav", sixteen_bit(voices[turn.turn_id]))
    both = sixteen_bit(np.stack([tracks["F"] + 0.05 * tracks["M"], tracks["M"] + 0.05 * tracks["F"]], axis=1))
    write_wav(paths["wav"], both)
    write_avi(paths["avi"], dialog, turns, tracks, both, seed)
