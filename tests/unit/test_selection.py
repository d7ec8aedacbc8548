"""The comparison of encoders and the choice from it, against NumPy and against each other."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from fusion_inputs import CLASSES, Corpus

from emofuse.evaluation.selection import choose_encoder, compare_encoders
from emofuse.report.paper import beside_paper
from emofuse.report.sources import Sources
from emofuse.report.table import to_csv, to_latex, to_markdown
from emofuse.report.tables import encoders
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_json, read_metadata, read_parquet, read_tsv, write_json, write_parquet

NUMBERS = Path(__file__).parents[2] / "resources/paper_numbers.tsv"


@pytest.fixture
def corpus(tmp_path):
    return Corpus(tmp_path)


def compare(corpus, names=("wav2vec2", "hubert"), seeds=(1,)):
    """Stores and training records of some encoders, compared; their logits by (encoder, seed)."""
    split, stores, trainings, logits = corpus.write_split(5), [], [], {}
    for i, name in enumerate(names):
        for seed in seeds:

            def change(turns, parts, embeddings, values, key=(name, seed), noise=(i, seed)):
                values += np.random.default_rng(noise).normal(size=values.shape).astype(np.float32)
                logits[key] = dict(zip(turns, values.astype(float), strict=True))

            checkpoint = f"{i}{seed}".zfill(64)
            path = corpus.write_store("audio", 5, change=change, encoder=name, seed=str(seed), checkpoint=checkpoint)
            stores.append(path.rename(path.with_name(f"{name}-{seed}.parquet")))
            trainings.append(corpus.folder / f"{name}-{seed}.json")
            cost = {"best_epoch": 3, "seconds": 10.5 + i, "samples_per_second": 80.0, "peak_memory_mb": 900 + i}
            who = {"encoder": name, "seed": seed, "checkpoint": checkpoint, "parameters": 1000, "device": "CPU"}
            write_json(trainings[-1], who | cost)
    output = corpus.folder / "selection/audio.parquet"
    compare_encoders(split, stores, trainings, output)
    return output, logits


def by_hand(corpus, logits, part):
    """Loss, WA and UA of one encoder, from logits and labels with NumPy alone."""
    parts = corpus.parts(5)
    rows = [i for i, turn in enumerate(corpus.turns) if parts.get(turn) == part]
    x = np.array([logits[corpus.turns[i]] for i in rows])
    truth = np.array([CLASSES.index(corpus.label[i]) for i in rows])
    log_p = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
    right = x.argmax(axis=1) == truth
    recalls = [right[truth == c].mean() for c in range(len(CLASSES))]
    return -log_p[np.arange(len(rows)), truth].mean(), right.mean(), np.mean(recalls)


def test_scores_by_hand(corpus):
    output, logits = compare(corpus)
    frame = read_parquet(output).to_pandas().set_index(["encoder", "part"])
    assert len(frame) == 4
    for (name, _), values in logits.items():
        for part in ("val", "test"):
            row = frame.loc[name, part]
            assert [row.loss, row.wa, row.ua] == pytest.approx(by_hand(corpus, values, part))
            assert row.n == 8 * len(CLASSES)
    facts = read_metadata(output)
    assert facts["split"] == "session5" and facts["sessions"] == '{"test": [5], "train": [1, 2, 3], "val": [4]}'


def test_a_store_of_another_checkpoint_is_refused(corpus):
    output, _ = compare(corpus)
    training = corpus.folder / "hubert-1.json"
    write_json(training, read_json(training) | {"checkpoint": "f" * 64})
    stores = [corpus.folder / f"embeddings/{name}-1.parquet" for name in ("wav2vec2", "hubert")]
    trainings = [corpus.folder / f"{name}-1.json" for name in ("wav2vec2", "hubert")]
    with pytest.raises(EmofuseError, match=r"hubert-1\.parquet is not of the checkpoint"):
        compare_encoders(corpus.folder / "splits/session5.parquet", stores, trainings, output)


def choice(folder, rows, on):
    """The choice from rows (encoder, part, wa, ua)."""
    frame = pd.DataFrame(rows, columns=["encoder", "part", "wa", "ua"])
    write_parquet(folder / "text.parquet", pa.Table.from_pandas(frame))
    choose_encoder(folder / "text.parquet", on, folder / "chosen.json")
    return read_json(folder / "chosen.json")


def test_validation_and_test_may_choose_differently(tmp_path):
    rows = [("a", "val", 0.6, 0.5), ("a", "test", 0.5, 0.5), ("b", "val", 0.5, 0.6), ("b", "test", 0.7, 0.6)]
    assert choice(tmp_path, rows, "validation")["encoder"] == "a"
    chosen = choice(tmp_path, rows, "test")
    assert (
        chosen["encoder"] == "b" and chosen["chosen_on"] == "test" and chosen["scores"]["a"] == {"wa": 0.5, "ua": 0.5}
    )


def test_test_turns_have_no_say_in_the_choice_on_validation(tmp_path):
    rows = [("a", "val", 0.6, 0.5), ("b", "val", 0.5, 0.6)]
    for wa in (0.0, 1.0):
        assert (
            choice(tmp_path, [*rows, ("a", "test", wa, wa), ("b", "test", 1 - wa, 0.5)], "validation")["encoder"] == "a"
        )


def test_the_mean_over_seeds_chooses_and_ties_go_by_ua_then_name(tmp_path):
    seeds = [("a", "val", 0.9, 0.5), ("a", "val", 0.3, 0.5), ("b", "val", 0.7, 0.5), ("b", "val", 0.7, 0.5)]
    assert choice(tmp_path, seeds, "validation")["encoder"] == "b"
    assert choice(tmp_path, [("b", "val", 0.5, 0.6), ("a", "val", 0.5, 0.5)], "validation")["encoder"] == "b"
    assert choice(tmp_path, [("b", "val", 0.5, 0.5), ("a", "val", 0.5, 0.5)], "validation")["encoder"] == "a"


@pytest.mark.parametrize("seeds", [(1,), (1, 2)])
def test_table_2_shows_them_beside_the_papers_numbers(corpus, seeds):
    output, logits = compare(corpus, seeds=seeds)
    ours = encoders.make("table2", Sources("", ["audio"], CLASSES, selection=[output]))
    assert ours.name == "table2" and ours.values.index.tolist() == ["wav2vec2", "hubert"]
    for name in ours.values.index:
        mean = np.mean([by_hand(corpus, logits[name, seed], "test") for seed in seeds], axis=0)
        shown = ours.values.loc[name, "Test"]
        assert [shown["Loss"], shown["WA"] / 100, shown["UA"] / 100] == pytest.approx(mean)
    assert "trained on sessions 1, 2, 3, validated on 4, tested on 5" in ours.caption
    assert ours.values.loc["hubert", ("Training", "Runtime (s)")] == pytest.approx(11.5)

    table = beside_paper(ours, read_tsv(NUMBERS))
    assert table.values.loc["wav2vec2", "Paper"].tolist() == [0.95, 68, 90.6]
    assert table.values.loc["hubert", "Paper"].tolist() == [1.07, 62.5, 73.84]
    assert table.text().loc["hubert", "Paper"].tolist() == ["1.07", "62.5", "73.84"]
    read = pd.read_csv(io.StringIO(to_csv(table)), skiprows=1)
    assert read["Paper Runtime"].tolist() == [90.6, 73.84]
    assert "62.5" in to_markdown(table) and "62.5" in to_latex(table)


def test_a_table_without_known_numbers_says_so(corpus):
    output, _ = compare(corpus)
    ours = encoders.make("table2", Sources("", ["audio"], CLASSES, selection=[output]))
    table = beside_paper(ours, [])
    assert table.caption.endswith("The paper's numbers are not known.") and "Paper" not in table.values
