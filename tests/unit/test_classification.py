import json

import numpy as np
import pyarrow as pa
import pytest
from fusion_inputs import CLASSES, ENCODERS, Corpus
from sklearn.svm import SVC

from emofuse.classification import classify
from emofuse.errors import EmofuseError
from emofuse.store import read_metadata, read_parquet
from emofuse.systems import systems_of

SETTINGS = {
    "argmax": {},
    "svm": {"C": 1.0, "gamma": "scale"},
    "xgboost": {"n_estimators": 5, "max_depth": 3, "learning_rate": 0.3, "max_bin": 16},
    "mlp": {"width": 8, "alpha": 1e-4, "learning_rate": 1e-2, "max_iter": 40},
}


@pytest.fixture
def corpus(tmp_path):
    return Corpus(tmp_path)


def run(corpus, classifier, stores=None, split=None, threads=1, folder="predictions", names=None):
    """Classify split session2 and return {system: path}."""
    names = names or [system.name for system in systems_of(classifier, ENCODERS)]
    outputs = {name: corpus.folder / folder / f"{name}.parquet" for name in names}
    stores, split = stores or corpus.write_stores(2), split or corpus.write_split(2)
    classify(stores, ENCODERS, split, classifier, SETTINGS[classifier], 1, threads, outputs)
    return outputs


def in_order(corpus, part=None, without=()):
    """Row numbers of the labelled turns of session2's split, of one part or not, in the order of their ids."""
    parts = corpus.parts(2)
    turns = sorted(turn for turn in parts if turn not in without and part in (None, parts[turn]))
    return [corpus.turns.index(turn) for turn in turns]


def softmax(x):
    powers = np.exp(x.astype(float))
    return powers / powers.sum(axis=1, keepdims=True)


def columns(table, prefix):
    return np.stack([table[f"{prefix}_{name}"].to_numpy() for name in CLASSES], axis=1)


@pytest.mark.parametrize("classifier", SETTINGS)
def test_files_follow_the_contract(corpus, classifier):
    expected = sorted(turn for turn, part in corpus.parts(2).items() if part != "train")
    outputs = run(corpus, classifier)
    for system in systems_of(classifier, ENCODERS):
        table, metadata = read_parquet(outputs[system.name]), read_metadata(outputs[system.name])
        names = [
            "turn_id",
            "part",
            "truth",
            "prediction",
            *(f"score_{c}" for c in CLASSES),
            *(f"prob_{c}" for c in CLASSES),
        ]
        assert table.column_names == names
        assert {table.schema.field(name).type for name in names[4:]} == {pa.float32()}
        assert table["turn_id"].to_pylist() == expected
        assert table["part"].to_pylist() == [corpus.parts(2)[turn] for turn in expected]
        assert table["truth"].to_pylist() == [corpus.label[corpus.turns.index(turn)] for turn in expected]
        assert np.isfinite(columns(table, "score")).all()
        assert all(table[name].null_count == (len(expected) if classifier == "svm" else 0) for name in names[8:])
        described = (system.name, system.kind, system.combination, classifier, list(system.modalities))
        found = [metadata[key] for key in ("system", "kind", "combination", "classifier")]
        assert (*found, json.loads(metadata["modalities"])) == described
        assert json.loads(metadata["encoders"]) == {modality: ENCODERS[modality] for modality in system.modalities}
        stores = json.loads(metadata["stores"])
        assert list(stores) == list(system.modalities) and all(
            store["checkpoint"] == "0" * 64 for store in stores.values()
        )
        assert (metadata["split"], metadata["seed"], metadata["left_out"]) == ("session2", "1", "{}")
        assert json.loads(metadata["classes"]) == CLASSES
        assert json.loads(metadata["settings"]) == SETTINGS[classifier]


def test_argmax_by_hand(corpus):
    outputs = run(corpus, "argmax")
    rows = [row for row in in_order(corpus) if corpus.session[row] in (1, 2)]
    each = {modality: softmax(corpus.vectors(modality)[1][rows]) for modality in ENCODERS}
    total, product = sum(each.values()), np.prod(list(each.values()), axis=0)
    expected = {
        "text-bert": each["text"],
        "video-videomae": each["video"],
        "late-sum-argmax": total / 3,
        "late-product-argmax": product / product.sum(axis=1, keepdims=True),
    }
    for name, probabilities in expected.items():
        table = read_parquet(outputs[name])
        np.testing.assert_allclose(columns(table, "prob"), probabilities, rtol=1e-5)
        assert table["prediction"].to_pylist() == [CLASSES[i] for i in probabilities.argmax(axis=1)]
    np.testing.assert_allclose(columns(read_parquet(outputs["late-sum-argmax"]), "score"), total, rtol=1e-5)
    np.testing.assert_allclose(
        columns(read_parquet(outputs["late-product-argmax"]), "score"), np.log(product), rtol=1e-5
    )


def test_svm_systems_by_hand(corpus):
    """The whole way again with plain NumPy and sklearn's own RBF kernel."""
    outputs = run(corpus, "svm")
    rows = in_order(corpus)
    training = np.array([corpus.session[row] in (3, 4, 5) for row in rows])
    truth = np.array([corpus.label[row] for row in rows])
    scaled, late = [], []
    for modality in ENCODERS:
        x = corpus.vectors(modality)[0][rows].astype(float)
        scaled.append((x - x[training].mean(axis=0)) / x[training].std(axis=0))
        late.append(softmax(corpus.vectors(modality)[1][rows]))
    for kind, vectors in (("early", scaled), ("late", late)):
        fused = {"sum": sum(vectors), "product": np.prod(vectors, axis=0), "concat": np.hstack(vectors)}
        for how, x in fused.items():
            reference = SVC().fit(x[training], truth[training])
            table = read_parquet(outputs[f"{kind}-{how}-svm"])
            assert table["prediction"].to_pylist() == reference.predict(x[~training]).tolist()
            np.testing.assert_allclose(columns(table, "score"), reference.decision_function(x[~training]), atol=1e-3)


@pytest.mark.parametrize("classifier", SETTINGS)
@pytest.mark.parametrize(("spoiled", "kept"), [("test", "val"), ("val", "test")])
def test_what_is_not_training_changes_nothing_elsewhere(corpus, classifier, spoiled, kept):
    """Garbage vectors and shuffled labels in one part leave the predictions for the other as they were, bit by bit."""
    before = run(corpus, classifier)

    def spoil(turns, parts, embeddings, logits):
        embeddings[parts == spoiled] = 77
        logits[parts == spoiled] = -33

    stores = {m: corpus.write_store(m, 2, change=spoil) for m in ENCODERS}
    turns = [corpus.turns[row] for row in in_order(corpus, spoiled)]
    labels = dict(zip(turns, [corpus.label[corpus.turns.index(turn)] for turn in turns[1:] + turns[:1]], strict=True))
    after = run(corpus, classifier, stores, corpus.write_split(2, labels=labels), folder="spoiled")
    for name in before:
        one, two = (read_parquet(paths[name]) for paths in (before, after))
        mask = np.array(one["part"].to_pylist()) == kept
        assert one.filter(mask).equals(two.filter(mask))
        assert not one.filter(~mask).equals(two.filter(~mask))


def test_training_turns_do_change_something(corpus):
    before = run(corpus, "svm")

    def spoil(turns, parts, embeddings, logits):
        embeddings[parts == "train"] *= np.float32(-1)

    after = run(corpus, "svm", {m: corpus.write_store(m, 2, change=spoil) for m in ENCODERS}, folder="spoiled")
    one, two = (read_parquet(paths["early-concat-svm"]) for paths in (before, after))
    assert one["prediction"] != two["prediction"]


@pytest.mark.parametrize("classifier", SETTINGS)
def test_the_same_bytes_again_and_on_more_threads(corpus, classifier):
    before = run(corpus, classifier)
    after = run(corpus, classifier, threads=2, folder="again")
    for name in before:
        assert before[name].read_bytes() == after[name].read_bytes()


@pytest.mark.parametrize("classifier", ["argmax", "svm"])
def test_all_systems_see_the_turns_that_every_modality_has(corpus, classifier):
    gone = {
        "text": {corpus.turns[in_order(corpus, "test")[0]]: "no words"},
        "video": {corpus.turns[in_order(corpus, "train")[3]]: "past the end"},
    }
    stores = {m: corpus.write_store(m, 2, left_out=gone.get(m)) for m in ENCODERS}
    expected = {turn: f"{m}: {reason}" for m, turns in gone.items() for turn, reason in turns.items()}
    for path in run(corpus, classifier, stores).values():
        assert json.loads(read_metadata(path)["left_out"]) == expected
        turns = read_parquet(path)["turn_id"].to_pylist()
        assert len(turns) == len(in_order(corpus, "val")) + len(in_order(corpus, "test")) - 1
        assert not set(turns) & expected.keys()


def test_a_class_that_lost_its_training_turns_has_no_score(corpus):
    sad = [corpus.turns[row] for row in in_order(corpus, "train") if corpus.label[row] == "sad"]
    stores = corpus.write_stores(2)
    stores["audio"] = corpus.write_store("audio", 2, left_out=dict.fromkeys(sad, "no wav"))
    outputs = run(corpus, "xgboost", stores)
    table = read_parquet(outputs["early-sum-xgboost"])
    assert table["score_sad"].null_count == table.num_rows
    assert set(table["prob_sad"].to_pylist()) == {0.0}
    assert "sad" not in table["prediction"].to_pylist()


def test_unequal_widths_are_refused_before_anything_is_written(corpus):
    stores = corpus.write_stores(2)
    stores["audio"] = corpus.write_store("audio", 2, width=9)
    with pytest.raises(EmofuseError, match="text 6, audio 9, video 6"):
        run(corpus, "svm", stores)
    assert not (corpus.folder / "predictions").exists()
    run(corpus, "svm", stores, names=["early-concat-svm", "late-sum-svm"])


def test_two_modalities_and_no_validation_part(corpus):
    stores = {m: corpus.write_store(m, 2, validation=False) for m in ("video", "text")}
    outputs = {"early-concat-svm": corpus.folder / "one.parquet"}
    labels = {modality: ENCODERS[modality] for modality in stores}
    classify(stores, labels, corpus.write_split(2, validation=False), "svm", SETTINGS["svm"], 1, 1, outputs)
    assert set(read_parquet(outputs["early-concat-svm"])["part"].to_pylist()) == {"test"}
    assert json.loads(read_metadata(outputs["early-concat-svm"])["modalities"]) == ["text", "video"]


def test_a_system_of_another_classifier_is_refused(corpus):
    with pytest.raises(EmofuseError, match="svm makes no system late-sum-mlp; it makes early-sum-svm"):
        run(corpus, "svm", names=["late-sum-mlp"])


@pytest.mark.parametrize("classifier", ["argmax", "svm"])
def test_refit_says_the_test_turns_and_the_first_training_the_validation_turns(corpus, tmp_path, classifier):
    first = run(corpus, classifier, folder="first")
    anew = Corpus(tmp_path / "anew")
    refit = anew.write_stores(2, validation=False), anew.write_split(2, validation=False)
    alone = run(anew, classifier, *refit, folder="alone")
    outputs = {name: tmp_path / f"both/{name}.parquet" for name in first}
    stores, split = corpus.write_stores(2), corpus.write_split(2)
    classify(stores, ENCODERS, split, classifier, SETTINGS[classifier], 1, 1, outputs, refit=refit)
    differ = False
    for name, path in outputs.items():
        both, validated, trained = (
            read_parquet(p).to_pandas().set_index("turn_id") for p in (path, first[name], alone[name])
        )
        assert set(trained.part) == {"test"} and read_metadata(path)["refit"] == "true"
        assert both[both.part == "val"].equals(validated[validated.part == "val"])
        assert both[both.part == "test"].equals(trained)
        differ |= not trained.equals(validated[validated.part == "test"])
    assert differ == (classifier == "svm")  # the SVM learned from the validation turns too


def test_a_chosen_encoder_is_called_so_and_named_in_the_metadata(corpus):
    labels = ENCODERS | {"audio": "chosen"}
    names = [system.name for system in systems_of("argmax", labels)]
    assert "audio-chosen" in names and "audio-wav2vec2" not in names
    outputs = {name: corpus.folder / f"{name}.parquet" for name in names}
    classify(corpus.write_stores(2), labels, corpus.write_split(2), "argmax", {}, 1, 1, outputs)
    assert json.loads(read_metadata(outputs["audio-chosen"])["encoders"]) == {"audio": "wav2vec2"}
