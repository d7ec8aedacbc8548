"""Says which turns of no class a system is asked about beside the test turns: above all those that annotators disagree on."""

import pandas as pd

from emofuse.runtime.store import read_parquet
from emofuse.splits.parts import read_split

UNLABELLED = "unlabelled"  # their part in prediction files


def unlabelled_turns(turns, labels, split):
    """Ids of the turns of no class that are said by a test speaker in a dialog in which that speaker is tested, sorted.

    turns: path of turns.parquet. labels: the raw labels that fall into a class of the run. split: path of the split file. An
    encoder that may speak of the test turns may speak of these: it has met neither their speaker nor their dialog.
    """
    frame = read_split(split)[0].to_pandas()
    corpus = read_parquet(turns, columns=["turn_id", "dialog", "speaker", "label"]).to_pandas()
    return sorted(of_no_class(corpus, labels, frame[frame["part"] == "test"])["turn_id"])


def of_no_class(corpus, labels, tested):
    """The rows of a DataFrame of the corpus whose label is none of `labels`, and whose dialog and speaker some row of `tested`
    has."""
    pairs, known = (pd.MultiIndex.from_frame(frame[["dialog", "speaker"]]) for frame in (corpus, tested))
    return corpus[~corpus["label"].isin(labels) & pairs.isin(known)]
