"""The surest errors: which they are, and the page that shows them with words and clips."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from report_inputs import make_inputs
from report_run import CLASSES, FACTS, NASTY

from emofuse.evaluation.errors import OF_KIND, WORST, find_errors
from emofuse.report.errors import write_errors
from emofuse.report.report import Corpus
from emofuse.report.run import Run
from emofuse.runtime.store import write_parquet


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_inputs(
        tmp_path_factory.mktemp("errors"), turns_per_session=40, modalities=("text", "audio"), seeds=(1, 2)
    )


def predictions(made):
    """All rows of the files, with the sureness of each; wrong: those of final systems that are."""
    frames = []
    for path in made.prediction_files:
        metadata = {key.decode(): value.decode() for key, value in pq.read_schema(path).metadata.items()}
        frame = pd.read_parquet(path).assign(seed=metadata["seed"])
        rows = pd.read_csv(made.evaluation("chosen.tsv"), sep="\t", dtype=str)
        pick = rows[(rows["split"] == metadata["split"]) & (rows["seed"] == metadata["seed"])]["system"].item()
        frames.append(frame.assign(final=frame["system"] == pick))
    rows = pd.concat(frames)
    rows["sure"] = [row[f"prob_{row['prediction']}"] for row in rows.to_dict("records")]
    return rows, rows[rows["final"] & (rows["truth"] != rows["prediction"])]


def test_the_surest_errors_come_first_and_some_of_each_kind(made):
    found = find_errors(made.prediction_files, made.evaluation("chosen.tsv"), CLASSES)
    rows, wrong = predictions(made)
    weights = wrong.groupby(["turn_id", "prediction"])["sure"].agg(["size", "mean"])
    weights = weights.sort_values(["size", "mean"], ascending=False)
    assert list(found.index[:WORST]) == list(weights.index[:WORST])
    kinds = wrong.drop_duplicates(["turn_id", "prediction"]).groupby(["truth", "prediction"]).size()
    shown = found.reset_index().groupby(["truth", "prediction"]).size()
    assert (shown >= kinds.clip(upper=OF_KIND)).all() and set(shown.index) == set(kinds.index)
    (turn, said), row = found.index[0], found.iloc[0]
    same = wrong[(wrong["turn_id"] == turn) & (wrong["prediction"] == said)]
    assert row["seeds"] == len(same) and row["probability"] == pytest.approx(same["sure"].mean())
    alone = rows[(rows["system"] == "text-bert") & (rows["turn_id"] == turn)]["prediction"]
    assert row["text"].split(" or ") == list(dict.fromkeys(alone))


def test_turns_of_the_validation_part_are_no_errors_here(made, tmp_path):
    path = made.prediction_files[0]
    table = pq.read_table(path)
    metadata = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    parts = pa.array(["val"] * len(table), pa.string())
    write_parquet(
        tmp_path / "other.parquet", table.set_column(table.schema.get_field_index("part"), "part", parts), metadata
    )
    files = [tmp_path / "other.parquet", *made.prediction_files[1:]]
    of_file = set(table["turn_id"].to_pylist())
    found = find_errors(files, made.evaluation("chosen.tsv"), CLASSES)
    both = find_errors(made.prediction_files, made.evaluation("chosen.tsv"), CLASSES)
    assert found.loc[found.index.get_level_values("turn_id").isin(of_file), "seeds"].max() == 1
    assert both.loc[both.index.get_level_values("turn_id").isin(of_file), "seeds"].max() == 2


def test_without_probabilities_the_margin_decides(tmp_path):
    made = make_inputs(tmp_path, turns_per_session=30, modalities=("text",), validated=False)
    found = find_errors(made.prediction_files, made.evaluation("chosen.tsv"), CLASSES)
    assert found["probability"].isna().all() and (np.diff(found["margin"]) <= 0).all()
    page = write(made, found, tmp_path / "run/errors.html", 1)
    assert "Margin" in page and "so nothing says how sure it is" in page


def write(made, errors, page, seeds, **other):
    corpus = {
        "turns": made.turns,
        "votes": made.votes,
        "words": made.words,
        "problems": [],
        "clips": made.clips,
    } | other
    write_errors(page, Run("demo", "clean", "", FACTS), errors, Corpus(**corpus), seeds)
    return page.read_text(encoding="utf-8")


def test_the_page_plays_the_clips_that_are_there(made):
    found = find_errors(made.prediction_files, made.evaluation("chosen.tsv"), CLASSES)
    page = made.root / "run/errors.html"
    html = write(made, found, page, 2)
    sources = [part.split('"')[0] for part in html.split(' src="')[1:]]
    turns = found.index.get_level_values("turn_id")
    assert len(sources) == turns.str.startswith("Ses01").sum() > 0
    assert all(source.startswith("../clips/audio/Ses01") and (page.parent / source).is_file() for source in sources)
    assert html.count('preload="none"') == len(sources) and NASTY not in html and "&lt;script&gt;" in html
    assert "do not publish this page" in html and "3 anger<small>all agree" in html
    assert all(f'id="{turn}"' in html for turn in turns)


def test_words_votes_and_clips_may_be_missing(made, tmp_path):
    found = find_errors(made.prediction_files, made.evaluation("chosen.tsv"), CLASSES)
    votes = tmp_path / "votes.parquet"
    write_parquet(votes, pq.read_table(made.votes).slice(0, 0))
    html = write(made, found, tmp_path / "errors.html", 2, words=None, votes=votes, clips={})
    assert "No clip of these turns can be played" in html
    assert not any(f">{head}</th>" in html for head in ("Words", "Annotators", "Clips"))
    none = write(made, found.iloc[:0], tmp_path / "errors.html", 2)
    assert "None: the final system is right" in none and "nothing says how sure" not in none


def test_a_system_without_errors(made, tmp_path):
    files = []
    for number, path in enumerate(made.prediction_files):
        table = pq.read_table(path)
        metadata = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
        said = table.set_column(table.schema.get_field_index("prediction"), "prediction", table["truth"])
        files.append(tmp_path / f"{number}.parquet")
        write_parquet(files[-1], said, metadata)
    assert find_errors(files, made.evaluation("chosen.tsv"), CLASSES).empty
