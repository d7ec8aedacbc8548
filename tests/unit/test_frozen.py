"""Frozen encoders: vectors that know no label, from networks, feature sets and files, and the probes that speak for them."""

import json

import numpy as np
import pyarrow as pa
import pytest
import torch
from fusion_inputs import CLASSES, Corpus, fixed
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from transformers import AutoFeatureExtractor, AutoModel

from emofuse.clips.audio import wav_bytes
from emofuse.clips.files import COLUMNS, clip_path, save_clip
from emofuse.configuration.schema import load_schema
from emofuse.demo.encoders import write_encoder
from emofuse.encoders.features import _opensmile, log_mel, mfcc
from emofuse.encoders.frozen import embed_frozen
from emofuse.encoders.outside import read_vectors
from emofuse.encoders.probe import fit_probe
from emofuse.encoders.proof import check_encoders
from emofuse.encoders.sequences import Sequences
from emofuse.encoders.settings import Data, Encoder, Machine
from emofuse.fusion.classification import Source, classify
from emofuse.fusion.ensemble import Method
from emofuse.runtime import kinds
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_json, read_metadata, read_parquet, write_parquet, write_tsv

STRENGTHS = [1e-3, 1e-2, 1.0]
MACHINE = Machine("cpu", 0, 1)
MFCC = Encoder("audio", "mfcc", {"features": "mfcc"})


@pytest.fixture
def corpus(tmp_path):
    return Corpus(tmp_path, frozen=("audio",))


def write_vectors(corpus, without=(), **changed):
    """The store of a frozen speech encoder, as `embed_frozen` writes it; (turns, vectors, path)."""
    kept = [number for number, turn in enumerate(corpus.turns) if turn not in without]
    turns, vectors = [corpus.turns[number] for number in kept], corpus.vectors("audio")[0][kept]
    metadata = {
        "modality": "audio",
        "encoder": "mfcc",
        "model": "mfcc",
        "revision": "",
        "pooling": "",
        "frozen": "true",
    }
    metadata |= {"parameters": "0", "checkpoint": "c" * 64, "left_out": "{}"} | changed
    path = corpus.folder / "frozen.parquet"
    write_parquet(path, pa.table({"turn_id": turns, "embedding": fixed(vectors)}), metadata)
    return turns, vectors.astype(float), path


def probe(corpus, split, folder="probe", like=None, strengths=STRENGTHS, **changed):
    names = {"head": "head.safetensors", "training": "training.json", "embeddings": "embeddings.parquet"}
    output = {name: corpus.folder / folder / file for name, file in names.items()}
    fit_probe(write_vectors(corpus, **changed)[2], split, MFCC, strengths, 1, 1, output, like)
    return output


def by_hand(x, y, strength):
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1_000)).fit(x, y)


def rows_of(corpus, parts, part):
    return [number for number, turn in enumerate(corpus.turns) if parts.get(turn) == part]


def test_a_probe_against_scikit_learn_alone(corpus):
    split = corpus.write_split(2)
    output = probe(corpus, split)
    turns, x, _ = write_vectors(corpus)
    y = np.array([CLASSES.index(name) if name else -1 for name in corpus.label])
    rows = {part: rows_of(corpus, corpus.parts(2), part) for part in ("train", "val", "test")}
    right = {C: by_hand(x[rows["train"]], y[rows["train"]], C).score(x[rows["val"]], y[rows["val"]]) for C in STRENGTHS}
    best = max(STRENGTHS, key=right.get)
    record, table = read_json(output["training"]), read_parquet(output["embeddings"])
    assert record["C"] == best and record["best_wa"] == right[best]
    assert (record["frozen"], record["chosen_on"], record["best_epoch"]) == (True, "val", None)

    said = np.array(table["logits"].to_pylist())
    fitted = by_hand(x[rows["train"]], y[rows["train"]], best)
    for part in ("val", "test"):  # up to a constant for each turn, of which a softmax knows nothing
        expected = fitted.decision_function(x[rows[part]])
        np.testing.assert_allclose(said[rows[part]], expected, atol=1e-4)
    head = load_file(output["head"])
    weight, bias = head["weight"].numpy(), head["bias"].numpy()
    np.testing.assert_allclose(x[rows["test"]] @ weight.T + bias, said[rows["test"]], atol=1e-4)

    # Of each training turn another probe speaks, which has heard none of its speaker's.
    speakers = np.array([f"{turns[i][:5]}{turns[i][-4]}" for i in rows["train"]])
    held = np.zeros((len(speakers), 4))
    for learn, ask in StratifiedGroupKFold(5).split(speakers, y[rows["train"]], speakers):
        assert not set(speakers[learn]) & set(speakers[ask])
        x_train = x[rows["train"]]
        held[ask] = by_hand(x_train[learn], y[rows["train"]][learn], best).decision_function(x_train[ask])
    np.testing.assert_allclose(said[rows["train"]], held, atol=1e-4)
    assert table["turn_id"].to_pylist() == turns
    np.testing.assert_array_equal(np.array(table["embedding"].to_pylist()), x)
    assert read_metadata(output["embeddings"])["frozen"] == "true"


def test_the_test_part_has_no_say(corpus):
    one = probe(corpus, corpus.write_split(2), "one")
    tested = {turn: CLASSES[(CLASSES.index(name) + 1) % 4] for turn, name in zip(corpus.turns, corpus.label, strict=True)
              if corpus.parts(2).get(turn) == "test"}  # fmt: skip
    other = probe(corpus, corpus.write_split(2, labels=tested), "other")
    assert one["head"].read_bytes() == other["head"].read_bytes()
    assert read_parquet(one["embeddings"]).equals(read_parquet(other["embeddings"]))


def test_a_refit_takes_the_strength_and_learns_from_both_parts(corpus):
    first = probe(corpus, corpus.write_split(2))
    again = probe(corpus, corpus.write_split(2, suffix="-refit"), "refit", like=first["training"])
    record = read_json(again["training"])
    assert record["C"] == read_json(first["training"])["C"] and record["best_wa"] is record["chosen_on"] is None
    assert record["turns"]["train"] == 4 * 32
    assert first["head"].read_bytes() != again["head"].read_bytes()


@pytest.mark.parametrize("count", [2, 3])
def test_classes_without_a_training_vector_are_as_good_as_impossible(corpus, count):
    """With two classes left scikit-learn has one row of weights."""
    gone = {t for t, name in zip(corpus.turns, corpus.label, strict=True) if name in CLASSES[count:]}
    gone &= {turn for turn, part in corpus.parts(2).items() if part == "train"}
    table = read_parquet(probe(corpus, corpus.write_split(2), without=gone)["embeddings"])
    logits = np.array(table["logits"].to_pylist())
    powers = np.exp(logits - logits.max(1, keepdims=True))
    assert np.isfinite(logits).all() and (powers[:, count:] < 1e-6 * powers.sum(1, keepdims=True)).all()
    turns, x, _ = write_vectors(corpus, without=gone)
    truth = dict(zip(corpus.turns, corpus.label, strict=True))
    parts = corpus.parts(2)
    train, test = ([i for i, turn in enumerate(turns) if parts.get(turn) == part] for part in ("train", "test"))
    y = [CLASSES.index(truth[turns[i]]) for i in train]
    fitted = by_hand(x[train], y, read_json(corpus.folder / "probe/training.json")["C"])
    said = (powers / powers.sum(1, keepdims=True))[test, :count]
    np.testing.assert_allclose(said, fitted.predict_proba(x[test]), atol=1e-4)


def test_a_planted_fine_tuned_store_is_refused(corpus):
    store = corpus.write_store("video", 3)  # of an encoder that learned from labels, those of session 2 among them
    with pytest.raises(EmofuseError, match=r"fine-tuned by emofuse on labels of the training part of session3"):
        fit_probe(store, corpus.write_split(2), MFCC, STRENGTHS, 1, 1, {})
    with pytest.raises(EmofuseError, match=r"does not hold the vectors of encoders.audio.mfcc"):
        probe(corpus, corpus.write_split(2), encoder="log_mel")
    turns = [turn for turn in corpus.turns if turn]
    with pytest.raises(EmofuseError, match=r"encoders.text.mine.vectors|fine-tuned by emofuse"):
        read_vectors(store, turns, {}, "encoders.text.mine.vectors", drop=False)


def test_a_store_that_calls_itself_frozen_against_its_training_is_refused(corpus):
    stores, trainings, split = corpus.write_source(2)
    corpus.frozen = ("audio", "text")
    stores["text"] = corpus.write_store("text", 2)
    method = Method("svm", {"C": 1.0, "gamma": "scale"}, ["concat"], "validation", 1, 1)
    with pytest.raises(EmofuseError, match=r"Leak.*(?s:.)*text.*its vectors are of another encoder"):
        classify(
            Source(stores, trainings, split), {"text": "bert", "audio": "mfcc"}, method, corpus.folder / "out.parquet"
        )


def svm_by_hand(x, y, learned, asked):
    scaler = StandardScaler().fit(x[learned])
    return SVC(C=1.0, gamma="scale").fit(scaler.transform(x[learned]), y[learned]).predict(scaler.transform(x[asked]))


@pytest.mark.parametrize("kind", ["validation", "cross_fitted"])
def test_systems_of_frozen_encoders_alone_learn_from_the_training_part(corpus, kind):
    source = corpus.write_source(2)
    folds = (
        [Source(*corpus.write_source(2, suffix=f"-without{k}")) for k in (3, 4, 5)] if kind == "cross_fitted" else ()
    )
    labels = {"text": "bert", "audio": "mfcc"}
    method = Method("svm", {"C": 1.0, "gamma": "scale"}, ["concat"], kind, 1, 1)
    only = [Source({m: of[0][m] for m in labels}, {m: of[1][m] for m in labels}, of[2])
            for of in (source, *((f.embeddings, f.trainings, f.split) for f in folds))]  # fmt: skip
    classify(only[0], labels, method, corpus.folder / "out.parquet", folds=only[1:])
    table = read_parquet(corpus.folder / "out.parquet").to_pandas()
    said = {s["name"]: s["train_vectors"] for s in json.loads(read_metadata(corpus.folder / "out.parquet")["systems"])}
    assert said["audio.early-svm"] == said["audio.late-svm"] == "in_sample"
    assert said["text.early-svm"] == said["early-concat-svm"] == said["late-concat-svm"] == kind

    x = corpus.vectors("audio")[0].astype(float)
    y = np.array([CLASSES.index(name) if name else -1 for name in corpus.label])
    rows = {part: rows_of(corpus, corpus.parts(2), part) for part in ("train", "val", "test")}
    for part in ("val", "test"):
        got = table[(table.system == "audio.early-svm") & (table.part == part)]
        expected = [CLASSES[code] for code in svm_by_hand(x, y, rows["train"], rows[part])]
        assert got.prediction.tolist() == expected
    if kind == "validation":
        x = corpus.vectors("text")[0].astype(float)
        got = table[(table.system == "text.early-svm") & (table.part == "test")]
        assert got.prediction.tolist() == [CLASSES[code] for code in svm_by_hand(x, y, rows["val"], rows["test"])]


TURNS = [f"Ses01F_impro01_F{number:03}" for number in range(4)]
EXCUSED = {TURNS[3]: "no_words"}
ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


def save(folder, form, ids=TURNS, rows=ROWS):
    path = folder / f"vectors.{form}"
    if form == "parquet":
        write_parquet(path, pa.table({"turn_id": ids, "embedding": [list(map(float, row)) for row in rows]}))
    elif form == "npz":
        np.savez(path, turn_id=np.array(ids), embedding=rows)
    elif form == "each.npz":
        np.savez(path, **dict(zip(ids, rows, strict=True)))
    elif form == "npy":
        np.save(path, rows)
        path.with_suffix(".txt").write_text("\n".join(ids))
    else:
        for turn, row in zip(ids, rows, strict=True):
            (path / turn[:14]).mkdir(parents=True, exist_ok=True)
            np.save(path / turn[:14] / f"{turn}.npy", row)
    return path


@pytest.mark.parametrize("form", ["parquet", "npz", "each.npz", "npy", "folder"])
def test_vectors_that_were_made_elsewhere(tmp_path, form):
    shuffled = [2, 0, 3, 1]
    path = save(tmp_path, form, [*(TURNS[i] for i in shuffled), "Ses05F_impro09_F000"], [*ROWS[shuffled], ROWS[0]])
    left_out, vectors = read_vectors(path, TURNS, EXCUSED, "encoders.audio.mine.vectors", drop=False)
    assert left_out == {} and vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, ROWS)


@pytest.mark.parametrize(
    "ids, rows, said",
    [
        (TURNS[:1], ROWS[:1], rf"{TURNS[1]}: it has no vector of this turn\n  {TURNS[2]}: "),
        ([*TURNS, TURNS[0]], [*ROWS, ROWS[0]], f"{TURNS[0]}: it has 2 vectors"),
        (TURNS, [*ROWS[:3], np.zeros(4)], f"{TURNS[3]}: its vector has 4 numbers, and most have 3"),
        (TURNS, [*ROWS[:3], [0, np.nan, 1]], f"{TURNS[3]}: its vector holds values that are no finite"),
        (TURNS, [*ROWS[:3], [0, np.inf, 1]], f"{TURNS[3]}: its vector holds values that are no finite"),
        (["a", "b"], ROWS[:2], rf"no vector of any turn of this corpus; it names 'a', and the corpus '{TURNS[0]}'"),
        (TURNS, [*ROWS[:3], []], rf"{TURNS[3]}: it has an array of shape \(0,\)"),
    ],
)
def test_each_mistake_in_vectors_is_told(tmp_path, ids, rows, said):
    with pytest.raises(EmofuseError, match=rf"encoders.audio.mine.vectors: (?s:.)*{said}"):
        read_vectors(save(tmp_path, "parquet", ids, rows), TURNS, EXCUSED, "encoders.audio.mine.vectors", drop=False)


def test_turns_without_vectors_are_left_out_with_their_reason(tmp_path):
    path = save(tmp_path, "parquet", TURNS[:2], ROWS[:2])
    left_out, vectors = read_vectors(path, TURNS, EXCUSED, "key", drop=True)
    assert left_out == {TURNS[2]: "missing: no vector in vectors.parquet", TURNS[3]: "no_words"}
    assert len(vectors) == 2
    with pytest.raises(EmofuseError, match=f"{TURNS[2]}: it has no vector") as told:  # the one without words is excused
        read_vectors(path, TURNS, EXCUSED, "key", drop=False)
    assert TURNS[3] not in str(told.value)


@pytest.mark.parametrize(
    "make, said",
    [
        (lambda path: np.save(path / "v.npy", np.zeros((2, 3))), "the ids of its rows are missing"),
        (lambda path: np.savez(path / "v.npz", turn_id=["a"], embedding=np.zeros((2, 3))), "it has 1 ids and 2 rows"),
        (
            lambda path: np.savez(path / "v.npz", **{TURNS[0]: np.zeros((5, 3))}),
            r"an array of shape \(5, 3\), and not one",
        ),
        (lambda path: np.savez(path / "v.npz", **{TURNS[0]: np.array([{}], dtype=object)}), "cannot be read: .*pickle"),
        (
            lambda path: write_parquet(path / "v.parquet", pa.table({"id": ["a"]})),
            "lacks the column turn_id and embedding",
        ),
        (lambda path: (path / "v.npz").write_bytes(b"nothing"), "cannot be read"),
        (lambda path: (path / "v.parquet").write_bytes(b"nothing"), "cannot be read as Parquet"),
    ],
)
def test_files_that_are_no_vectors(tmp_path, make, said):
    make(tmp_path)
    [path] = [path for path in tmp_path.iterdir() if path.suffix != ".txt"]
    with pytest.raises(EmofuseError, match=said):
        read_vectors(path, TURNS, {}, "key", drop=False)


@pytest.fixture
def sounds(tmp_path):
    """Four turns of sound, of which one has no clip: (turns.parquet, Data, {turn: samples})."""
    rng, rows, samples = np.random.default_rng(0), [], {}
    for turn, length in zip(TURNS, (16_000, 300, 40_000, 0), strict=True):
        row = {"turn": turn, "status": "past_end", "frames": 0, "bytes": 0, "checksum": "", "note": "why"}
        if length:
            samples[turn] = (3_000 * rng.standard_normal(length)).astype(np.int16)
            path = clip_path(tmp_path / "clips", "audio", turn)
            path.parent.mkdir(parents=True, exist_ok=True)
            row |= {"status": "ok", "frames": length, "note": ""} | save_clip(path, wav_bytes(samples[turn]))
        rows.append(row)
    write_tsv(tmp_path / "manifest.tsv", rows, COLUMNS)
    write_parquet(tmp_path / "turns.parquet", pa.table({"turn_id": TURNS}))
    return tmp_path / "turns.parquet", Data(None, [tmp_path / "manifest.tsv"], tmp_path / "clips"), samples


@pytest.mark.parametrize("workers", [0, 2])
def test_a_feature_set_is_embedded_once(sounds, tmp_path, workers):
    turns, data, samples = sounds
    embed_frozen(turns, MFCC, data, Machine("cpu", workers, 1), 1, False, tmp_path / "out.parquet")
    table, metadata = read_parquet(tmp_path / "out.parquet"), read_metadata(tmp_path / "out.parquet")
    assert table["turn_id"].to_pylist() == TURNS[:3] and table.column_names == ["turn_id", "embedding"]
    expected = [mfcc.make()(samples[turn].astype(np.float32) / 32_768) for turn in TURNS[:3]]
    np.testing.assert_array_equal(np.array(table["embedding"].to_pylist(), np.float32), np.stack(expected))
    assert metadata["frozen"] == "true" and json.loads(metadata["left_out"]) == {TURNS[3]: "past_end: why"}


def test_the_steps_of_a_feature_set_are_its_frames_averaged(sounds, tmp_path):
    """A frame every 10 ms, so ten to a step, of a turn's own time alone; nothing else comes out than without."""
    turns, data, samples = sounds
    embed_frozen(turns, MFCC, data, MACHINE, 1, False, tmp_path / "plain.parquet")
    sequences = ({"rate": 10}, tmp_path / "s.parquet")
    embed_frozen(turns, MFCC, data, Machine("cpu", 2, 1), 1, False, tmp_path / "out.parquet", sequences)
    assert read_parquet(tmp_path / "out.parquet") == read_parquet(tmp_path / "plain.parquet")
    metadata = read_metadata(tmp_path / "s.parquet")
    assert (metadata["frozen"], metadata["model"], metadata["width"]) == ("true", "mfcc", "40")
    found = list(Sequences(tmp_path / "s.parquet"))
    assert [(turn, len(states)) for turn, states, _ in found] == [(TURNS[0], 10), (TURNS[1], 1), (TURNS[2], 25)]
    for turn, states, seconds in found:
        frames, times = mfcc.make_steps()(samples[turn].astype(np.float32) / 32_768)
        np.testing.assert_allclose(np.diff(times), 0.01)
        np.testing.assert_allclose(seconds, np.arange(len(states)) / 10 + 0.05, rtol=1e-6)
        last = -(-len(samples[turn]) // 160)  # frames whose middle is in the turn
        expected = [frames[10 * step : min(10 * step + 10, last)].mean(axis=0) for step in range(len(states))]
        np.testing.assert_allclose(states, expected, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("steps", [np.zeros(4), np.full((3, 2), np.nan), np.zeros((0, 2)), np.zeros((4, 2))])
def test_steps_that_are_none_are_refused_before_anything_is_cut(monkeypatch, tmp_path, steps):
    """The last of them are four frames with the seconds of three."""
    entry = {"modality": "audio", "encoder": "x", "model": None, "small": None}
    entry["settings"] = {"features": "mfcc", "sequences": {"rate": 10}}
    assert check_encoders([entry], 1, tmp_path / "proven.json")[0]["width"] == 60
    monkeypatch.setattr(mfcc, "make_steps", lambda: lambda samples: (steps, np.arange(min(len(steps), 3)) / 100))
    with pytest.raises(EmofuseError, match=r"encoders.audio.x.sequences: mfcc makes no finite states"):
        check_encoders([entry], 1, tmp_path / "proven.json")


def test_log_mel_and_mfcc_against_numpy_alone():
    samples = np.random.default_rng(0).standard_normal(16_000).astype(np.float32) / 10
    padded = np.pad(samples, 200, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    frames = np.stack([padded[i : i + 400] * window for i in range(0, len(samples) + 1, 160)])
    power = np.abs(np.fft.rfft(frames)) ** 2
    mel = np.linspace(0, 2595 * np.log10(1 + 8_000 / 700), 42)
    edges, bins = 700 * (10 ** (mel / 2595) - 1), np.linspace(0, 8_000, 201)
    rising = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    logarithm = np.log(power @ np.maximum(0, np.minimum(rising, falling)) + 1e-6)
    number = np.arange(40)
    cosines = np.sqrt(2 / 40) * np.cos(np.pi / 40 * (number[:, None] + 0.5) * np.arange(20))
    cosines[:, 0] /= np.sqrt(2)
    for features, of in ((log_mel, logarithm), (mfcc, logarithm @ cosines)):
        wide = np.pad(of, ((2, 2), (0, 0)), mode="edge")
        slopes = sum(step * wide[2 + step : len(of) + 2 + step] for step in (-2, -1, 1, 2)) / 10
        expected = np.concatenate([of.mean(0), of.std(0), slopes.std(0)])
        np.testing.assert_allclose(features.make()(samples), expected, rtol=1e-3, atol=1e-3)
        steps, seconds = features.make_steps()(samples)
        expected = np.hstack([of, slopes]) if features is mfcc else of
        np.testing.assert_allclose(steps, expected, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(seconds, np.arange(101) / 100)


def test_a_network_is_embedded_as_it_is(sounds, tmp_path):
    turns, data, samples = sounds
    write_encoder("wav2vec2", tmp_path / "wav2vec2", seed=0)
    settings = {
        "model": str(tmp_path / "wav2vec2"),
        "frozen": True,
        "pooling": "mean",
        "layer": "last",
        "eval_batch_size": 2,
        "max_seconds": 10,
    }
    encoder = Encoder("audio", "wav2vec2", settings, tmp_path / "wav2vec2")
    embed_frozen(turns, encoder, data, MACHINE, 1, False, tmp_path / "out.parquet")
    model = AutoModel.from_pretrained(tmp_path / "wav2vec2").eval()
    extractor = AutoFeatureExtractor.from_pretrained(tmp_path / "wav2vec2")
    found = np.array(read_parquet(tmp_path / "out.parquet")["embedding"].to_pylist())
    for row, turn in ((0, TURNS[0]), (2, TURNS[2])):
        waveform = extractor(samples[turn].astype(np.float32) / 32_768, sampling_rate=16_000, return_tensors="pt")
        with torch.no_grad():
            expected = model(waveform["input_values"]).last_hidden_state[0].mean(0)
        np.testing.assert_allclose(found[row], expected, atol=1e-4)
    assert int(read_metadata(tmp_path / "out.parquet")["parameters"]) == sum(p.numel() for p in model.parameters())


def test_opensmile_is_asked_for_by_name(sounds, tmp_path, monkeypatch):
    turns, data, _ = sounds
    monkeypatch.setattr(_opensmile, "find_spec", lambda name: None)
    for name in ("egemaps", "compare"):
        with pytest.raises(
            EmofuseError, match=rf"encoders.audio.x.features: {name}: .*pip install opensmile.*research"
        ):
            embed_frozen(turns, Encoder("audio", "x", {"features": name}), data, MACHINE, 1, False, tmp_path / "out")


def test_the_description_names_every_feature_set():
    schema = load_schema("workflow/schemas/config.schema.yaml")
    features = schema["$defs"]["feature_set"]["properties"]["features"]
    assert features["enum"] == list(kinds.constants("encoders/features"))
    assert all(f"`{name}`" in features["description"] for name in features["enum"])
