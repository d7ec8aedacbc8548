"""A turn's words within those of the turns around it: which, in what order, cut where, and that nothing else gets in."""

import shutil

import numpy as np
import pyarrow as pa
import pytest
from test_proof import gpt2
from training_inputs import fine_tune, make_corpus, same
from transformers import AutoTokenizer

from emofuse.clips.files import COLUMNS, clip_path, read_manifests, save_clip
from emofuse.encoders.architectures import build
from emofuse.encoders.context import make_dataset, read_passages
from emofuse.encoders.embedding import embed
from emofuse.encoders.frozen import embed_frozen
from emofuse.encoders.inference import apply
from emofuse.encoders.inputs import make_inputs
from emofuse.encoders.model import load_classifier, load_processor
from emofuse.encoders.sequences import Sequences
from emofuse.encoders.settings import Data, Encoder, Machine
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_json, read_parquet, write_parquet, write_tsv

A, B = "Ses01F_impro01", "Ses01F_impro02"
TALK = (  # turn, start, end, label, words: M000 and F001 begin together, F001 ends after M001 has begun, M002 says nothing
    (f"{A}_F000", 1.0, 2.0, "xxx", "all"),
    (f"{A}_F001", 3.0, 9.0, "neu", "them"),
    (f"{A}_F002", 8.0, 9.5, "sad", "now find down"),
    (f"{A}_M000", 3.0, 4.0, "oth", "like him"),
    (f"{A}_M001", 5.0, 6.0, "ang", "two"),
    (f"{A}_M002", 7.0, 7.5, "ang", None),
    (f"{B}_F000", 1.5, 4.5, "ang", "people"),
)
WORDS = sorted({*" ".join(words or "" for *_, words in TALK).split(), "me", "you"})


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    """The folder of two dialogs: clips, turns.parquet, manifest.tsv."""
    folder, rows = tmp_path_factory.mktemp("talk"), []
    for turn, *_, words in TALK:
        row = {"turn": turn, "status": "no_words", "bytes": 0, "frames": 0, "checksum": "", "note": ""}
        if words:
            path = clip_path(folder / "clips", "text", turn)
            path.parent.mkdir(parents=True, exist_ok=True)
            row |= {"status": "ok", "frames": len(words.split())} | save_clip(path, f"{words}\n".encode())
        rows.append(row)
    write_tsv(folder / "manifest.tsv", rows, COLUMNS)
    turns, start, end, label, _ = zip(*reversed(TALK), strict=True)  # whose order must not matter
    index = {"turn_id": turns, "start_s": start, "end_s": end, "label": label}
    index |= {"dialog": [turn[:-5] for turn in turns], "speaker": [f"Ses01_{turn[-4]}" for turn in turns]}
    write_parquet(folder / "turns.parquet", pa.table({name: list(values) for name, values in index.items()}))
    return folder


def dataset(talk, tokenizer, turns, before=9, after=9, **settings):
    settings = {"max_tokens": 64, "markers": "keep", "context": {"before": before, "after": after}} | settings
    inputs = make_inputs("text", tokenizer, None, settings)
    manifest = read_manifests([talk / "manifest.tsv"])
    return make_dataset(inputs, talk / "clips", "text", turns, manifest, order=talk / "turns.parquet")


def text_of(tokenizer, window):
    """(the window, what is said in its own place) in the tokenizer's own spelling."""
    return [tokenizer.decode(ids, clean_up_tokenization_spaces=False) for ids in (window.ids, window.ids[window.own])]


def windows(talk, tokenizer, turns, **settings):
    return [text_of(tokenizer, item["windows"][0])[0] for item in dataset(talk, tokenizer, turns, **settings)]


@pytest.fixture(scope="module")
def roberta():
    return build("roberta", WORDS)[1]


def test_a_window_holds_the_turns_of_its_dialog_in_the_order_in_which_they_begin(talk, roberta):
    [item] = dataset(talk, roberta, [f"{A}_M000"])
    assert text_of(roberta, item["windows"][0]) == [
        "<s> You: all You: them</s></s> Me: like him</s></s> Me: two You: now find down</s>",
        " Me: like him",
    ]
    assert windows(talk, roberta, [f"{A}_F000", f"{A}_M001", f"{A}_F002", f"{B}_F000"], before=2, after=1) == [
        "<s> Me: all</s></s> Me: them</s>",
        "<s> You: them Me: like him</s></s> Me: two</s></s> You: now find down</s>",
        "<s> You: like him You: two</s></s> Me: now find down</s>",
        "<s> Me: people</s>",
    ]
    assert windows(talk, roberta, [f"{A}_M001"], before=1, after=0) == ["<s> Me: like him</s></s> Me: two</s>"]


def test_what_parts_the_turns_is_the_tokenizers_own(talk, tmp_path):
    bert = build("bert", WORDS)[1]
    wanted = {"turns": [f"{A}_F001"], "before": 1, "after": 1}
    assert windows(talk, bert, **wanted) == ["[CLS] me : all [SEP] me : them [SEP] you : like him [SEP]"]
    gpt2(tmp_path, "mean")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert windows(talk, tokenizer, **wanted) == [" Me: all\n Me: them\n You: like him"]
    tokenizer.sep_token = "<|endoftext|>"
    assert windows(talk, tokenizer, **wanted) == [" Me: all<|endoftext|> Me: them<|endoftext|> You: like him"]


def test_the_furthest_turns_go_first_and_own_words_last(talk, roberta):
    """Each line has its mark, two tokens, and its words; <s> and </s> take two, each separator two."""
    found = {most: windows(talk, roberta, [f"{A}_M000"], max_tokens=most)[0] for most in range(3, 27)}
    everything = "<s> You: all You: them</s></s> Me: like him</s></s> Me: two You: now find down</s>"
    steps = {
        3: "<s> Me</s>",
        4: "<s> Me:</s>",
        5: "<s> Me: like</s>",
        6: "<s> Me: like him</s>",
        11: "<s> You: them</s></s> Me: like him</s>",
        16: "<s> You: them</s></s> Me: like him</s></s> Me: two</s>",
        19: "<s> You: all You: them</s></s> Me: like him</s></s> Me: two</s>",
        24: everything,
    }
    assert found == {most: steps[max(step for step in steps if step <= most)] for most in found}
    kept = windows(
        talk, roberta, [f"{A}_F002"], max_tokens=15
    )  # a word too few for the next, and none further is taken
    assert kept == ["<s> You: two</s></s> Me: now find down</s>"]


def test_markers_are_removed_all_around_and_lengths_are_those_of_windows(talk, roberta, tmp_path):
    copy = shutil.copytree(talk, tmp_path / "talk")
    say(copy, f"{A}_M001", "[LAUGHTER]")
    say(copy, f"{A}_F001", "[BREATHING] you them", "manifest.tsv")
    turns = [f"{A}_M000", f"{A}_M001"]
    assert windows(copy, roberta, turns, before=1, after=1, markers="remove") == [
        "<s> You: you them</s></s> Me: like him</s></s> Me:</s>",
        "<s> Me: like him</s></s> Me:</s></s> You: now find down</s>",
    ]
    assert dataset(copy, roberta, turns, before=1, after=1).lengths == [6, 6]


def say(corpus, turn, words, manifest="manifest.tsv"):
    """Let a turn say something else, as if its dialog had been cut again."""
    rows = list(read_manifests([corpus / manifest]).values())
    [row] = [row for row in rows if row["turn"] == turn]
    path = clip_path(corpus / "clips", "text", turn)
    row |= {"status": "ok", "frames": len(words.split())} | save_clip(path, words.encode())
    write_tsv(corpus / manifest, rows, COLUMNS)


def test_a_turn_around_that_is_not_as_it_was_cut_ends_the_job(talk, roberta, tmp_path):
    copy = shutil.copytree(talk, tmp_path / "talk")
    data = dataset(copy, roberta, [f"{A}_M000"])
    path = clip_path(copy / "clips", "text", f"{A}_F000")
    path.write_text("all work")
    with pytest.raises(EmofuseError, match=rf"{path} does not hold the 1 words"):
        data[0]
    path.write_text("who")  # as many
    with pytest.raises(EmofuseError, match=r"not as they were cut: 1\n.*_F000\.txt \(damaged\)"):
        dataset(copy, roberta, [f"{A}_M000"])
    dataset(copy, roberta, [f"{A}_M001"], before=2)  # it is not around this one


CONTEXT = {"epochs": 2, "max_tokens": 64, "context": {"before": 2, "after": 0}}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    """The folder of an encoder that was trained with two turns before each."""
    output = tmp_path_factory.mktemp("out") / "encoder"
    return output, fine_tune(corpus, output, settings=CONTEXT)


def embedded(corpus, encoder, output):
    """{turn: vector} and the sequences' file."""
    data = Data(corpus / "split.parquet", [corpus / "all.manifest.tsv"], corpus / "clips")
    sequences = (True, output.with_suffix(".sequences"))
    embed(corpus / "turns.parquet", data, encoder, Machine("cpu", 0, 1), 1, output, sequences)
    table = read_parquet(output)
    return dict(zip(table["turn_id"].to_pylist(), np.array(table["embedding"].to_pylist()), strict=True))


def test_it_is_trained_with_its_context_and_embedded_as_it_was_trained(corpus, trained, tmp_path):
    output, weights = trained
    assert not same(weights, fine_tune(corpus, tmp_path / "plain", settings=CONTEXT | {"context": None}))
    assert same(weights, fine_tune(corpus, tmp_path / "again", settings=CONTEXT))
    record = read_json(output / "training.json")
    assert record["settings"]["context"] == {"before": 2, "after": 0}
    vectors = embedded(corpus, output, tmp_path / "store.parquet")
    assert len(vectors) == 71
    store = (
        read_parquet(tmp_path / "store.parquet").to_pandas().merge(read_parquet(corpus / "split.parquet").to_pandas())
    )
    validation = store[store.part == "val"]
    guess = np.array(["ang", "neu", "sad"])[np.stack(validation.logits).argmax(1)]
    assert (guess == validation["class"]).mean() == pytest.approx(record["best_wa"])

    model = load_classifier(output, "mean")
    inputs = make_inputs("text", load_processor(output / "processor", "text"), None, record["settings"])
    manifest = read_manifests([corpus / "all.manifest.tsv"])
    data = make_dataset(inputs, corpus / "clips", "text", list(vectors), manifest, order=corpus / "turns.parquet")
    alone, _ = apply(model, data, 1, 0, "")  # beside no other
    np.testing.assert_allclose(alone, np.stack(list(vectors.values())), atol=1e-5)
    for number, (turn, states, _) in enumerate(Sequences(tmp_path / "store.sequences")):
        assert len(states) == 2 + int(manifest[turn]["frames"]), number  # its words and `Me:`, nothing else
        np.testing.assert_allclose(states.mean(0), vectors[turn], atol=2e-3)


def test_no_later_turn_and_no_other_dialog_has_a_say(corpus, trained, tmp_path):
    """Turn 11, which is in no class, says something else: its own vector changes and those of the two turns after it."""
    before = embedded(corpus, trained[0], tmp_path / "before.parquet")
    copy = shutil.copytree(corpus, tmp_path / "corpus")
    turn = "Ses03F_impro01_F011"
    old = clip_path(corpus / "clips", "text", turn).read_text()
    say(copy, turn, " ".join(["hate"] * (len(old.split()))), "all.manifest.tsv")
    after = embedded(copy, trained[0], tmp_path / "after.parquet")
    changed = {turn for turn, vector in after.items() if np.abs(vector - before[turn]).max() > 1e-4}
    assert changed == {f"Ses03F_impro01_F{number:03}" for number in (11, 12, 13)}


def test_a_frozen_encoder_reads_its_context_too(corpus, tmp_path):
    found = {}
    for context in (None, {"before": 1, "after": 0}, {"before": 0, "after": 1}):
        settings = {"model": "x", "frozen": True, "pooling": "mean", "layer": "last", "eval_batch_size": 8}
        settings |= {"max_tokens": 64, "markers": "keep", "context": context}
        data = Data(None, [corpus / "all.manifest.tsv"], corpus / "clips")
        encoder = Encoder("text", "bert", settings, corpus / "bert")
        embed_frozen(corpus / "turns.parquet", encoder, data, Machine("cpu", 0, 1), 1, False, tmp_path / "out.parquet")
        found[str(context)] = np.array(read_parquet(tmp_path / "out.parquet")["embedding"].to_pylist())
    plain, before, after = found.values()
    assert plain.shape == before.shape == after.shape == (71, 16)
    assert min(np.abs(one - other).max(1).min() for one, other in ((plain, before), (plain, after))) > 1e-3
    assert np.abs(before - after).max(1).min() > 1e-3


def test_labels_are_in_no_passage(talk):
    manifest = read_manifests([talk / "manifest.tsv"])
    context = {"before": 9, "after": 9}
    found = read_passages(talk / "turns.parquet", talk / "clips", manifest, context)
    table = read_parquet(talk / "turns.parquet").drop_columns(["label"])
    assert list(found) == [f"{A}_{turn}" for turn in ("F000", "F001", "M000", "M001", "F002")] + [f"{B}_F000"]
    write_parquet(talk / "unlabelled.parquet", table)
    assert found == read_passages(talk / "unlabelled.parquet", talk / "clips", manifest, context)
