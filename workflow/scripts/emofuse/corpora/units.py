"""Deals the turns of a corpus to the jobs that cut their clips; pure standard library, for the Snakefile imports it."""

import zlib

from emofuse.corpora.iemocap.names import dialog_of

UNITS = 16  # jobs that cut the clips of one modality of a corpus that is not IEMOCAP


def unit_of(turn_id):
    """The folder of a turn's clips, which one job cuts: IEMOCAP's dialog, elsewhere one of sixteen, dealt by the id's CRC.

    So a corpus of 7,442 files is not 7,442 jobs, and a turn that is added cuts a sixteenth again.
    """
    dialog = dialog_of(turn_id)
    return dialog if dialog != turn_id else f"part-{zlib.crc32(turn_id.encode()) % UNITS:x}"
