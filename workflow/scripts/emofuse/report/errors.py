"""Lays out the surest errors of the final system, on a page of its own, for it shows the corpus' words and clips."""

import os
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from emofuse.clips.files import clip_path
from emofuse.evaluation.errors import OF_KIND, WORST
from emofuse.evaluation.votes import agreement, read_shares
from emofuse.report.outputs import MODALITY_TITLES, class_title, split_title
from emofuse.report.pages import write_page
from emofuse.runtime.store import read_parquet

ERRORS_PAGE = "errors.html"  # beside the report
PLAYED = {"audio": "audio", "video": "video"}  # modality -> the element that plays its clips


def write_errors(page, run, errors, corpus, seeds, protocol=""):
    """Write the page.

    run: a `run.Run`. errors: of `errors.find_errors`. corpus: a `report.Corpus`. seeds: number of seeds of the run.
    protocol: the title of theirs, where the run has others too.
    """
    ids = errors.index.get_level_values("turn_id")
    turns = read_parquet(corpus.turns, ["turn_id", "speaker"]).to_pandas().set_index("turn_id")["speaker"]
    words = (
        read_parquet(corpus.words).to_pandas().set_index("turn_id")["text"] if corpus.words else pd.Series(dtype=str)
    )
    shares = read_shares(corpus.votes, run.facts["classes"])
    shares = shares[shares.index.get_level_values("turn_id").isin(ids)]
    agree, votes = agreement(shares).to_dict(), shares.groupby(level="turn_id").sum()
    modalities = [name for name in MODALITY_TITLES if name in errors]
    rows = [
        {
            "turn": turn,
            "speaker": turns.get(turn, ""),
            "words": words.get(turn, ""),
            "truth": class_title(row["truth"]),
            "said": class_title(said),
            "split": split_title(row["split"]),
            "probability": None if pd.isna(row["probability"]) else 100 * row["probability"],
            "margin": None if pd.isna(row["margin"]) else row["margin"],
            "seeds": row["seeds"],
            "alone": [_titles(row[name]) for name in modalities],
            "votes": _votes(votes.loc[turn]) if turn in votes.index else "",
            "agreement": agree.get(turn, ""),
            "clips": _clips(turn, corpus.clips, Path(page).parent),
        }
        for (turn, said), row in errors.iterrows()
    ]
    write_page(
        page,
        "errors.html.j2",
        run,
        rows=rows,
        modalities=[MODALITY_TITLES[name] for name in modalities],
        seeds=seeds,
        protocol=protocol,
        sure=any(row["probability"] is not None for row in rows),
        shows={name: any(row[name] for row in rows) for name in ("words", "votes", "clips")},
        worst=WORST,
        of_kind=OF_KIND,
    )


def _titles(said):
    """'ang or sad' -> 'anger or sadness'; an en dash where a modality says nothing alone."""
    return "–" if pd.isna(said) else " or ".join(class_title(name) for name in said.split(" or "))


def _votes(shares):
    """'2 anger, 1 neutral': the votes of a turn; one for several labels counts in equal parts."""
    named = [(class_title(name.strip("()")), number) for name, number in shares.items() if number > 0]
    return ", ".join(f"{number:.2g} {name}" for name, number in sorted(named, key=lambda of: -of[1]))


def _clips(turn, roots, folder):
    """The turn's clips that are there and can be played: (element, path from the page's folder, what it is)."""
    found = []
    for modality, element in PLAYED.items():
        path = clip_path(roots[modality], modality, turn) if modality in roots else None
        if path and path.is_file():
            found.append((element, quote(os.path.relpath(path, folder)), MODALITY_TITLES[modality]))
    return found
