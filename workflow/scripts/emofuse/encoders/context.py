"""Finds which turns stand around a turn in its dialog, and gives them to the encoders that read a turn among its neighbours."""

from itertools import groupby
from operator import itemgetter

from emofuse.clips.files import clip_path, require_whole_clips
from emofuse.corpora.turns import in_order_of_time
from emofuse.encoders.inputs import TurnDataset
from emofuse.encoders.texts import ContextInputs, Line, Passage
from emofuse.runtime.store import read_parquet


def read_passages(order, clips, manifest, context):
    """{turn: Passage} of all turns that have a text clip, labelled or not, each within its own dialog.

    order: path of turns.parquet, of which no label is read. Turns stand in the order in which they begin, those that begin
    together in that of their ids; one without a clip is passed over. clips: folder of all clips. manifest: turn id -> row.
    context: {before: n, after: n}, the turns that a passage holds at most.
    """
    turns = read_parquet(order, ["turn_id", "dialog", "speaker", "start_s"]).to_pylist()
    spoken = [turn for turn in turns if manifest[turn["turn_id"]]["status"] == "ok"]
    found = {}
    for _, dialog in groupby(in_order_of_time(spoken), key=itemgetter("dialog")):
        lines = tuple(_line(turn["turn_id"], turn["speaker"], clips, manifest) for turn in dialog)
        for i, line in enumerate(lines):
            before = lines[max(0, i - context["before"]) : i]
            found[line.turn] = Passage(before, line, lines[i + 1 : i + 1 + context["after"]])
    return found


def _line(turn, speaker, clips, manifest):
    return Line(turn, clip_path(clips, "text", turn), int(manifest[turn]["frames"]), speaker)


class PassageDataset(TurnDataset):
    """Turns of text with those around them; `lengths` are the words of all of these together."""

    def __init__(self, inputs, clips, turns, manifest, labels, order):
        super().__init__(inputs, clips, "text", turns, manifest, labels)
        passages = read_passages(order, clips, manifest, inputs.context)
        self.passages = [passages[turn] for turn in turns]
        self.lengths = [sum(line.words for line in passage.lines) for passage in self.passages]
        around = {line.turn for passage in self.passages for line in passage.lines}
        require_whole_clips(clips, "text", sorted(around - set(turns)), manifest)

    def windows(self, index, rng):
        """The windows of the turn of this number; nothing of them is random."""
        return self.inputs.windows(self.passages[index])


def make_dataset(inputs, clips, modality, turns, manifest, labels=None, seed=None, order=None):
    """The TurnDataset of some turns, whose clips are known to be whole, as the encoder's inputs take them.

    order: path of turns.parquet, for inputs that read a turn among its neighbours; EmofuseError where a clip of these is
    not as it was cut. All else: as for TurnDataset.
    """
    if isinstance(inputs, ContextInputs):
        return PassageDataset(inputs, clips, turns, manifest, labels, order)
    return TurnDataset(inputs, clips, modality, turns, manifest, labels, seed)
