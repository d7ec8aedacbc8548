import itertools

import numpy as np
import pytest
from fusion_inputs import CLASSES, Corpus

from emofuse.fusion.alignment import align, combine, log_softmax, refuse_foreign, scale, softmax, temperatures
from emofuse.fusion.systems import CHOSEN, MAJORITY, SCENARIO, System, candidates, systems, systems_of
from emofuse.runtime.errors import EmofuseError

ENCODERS = {"video": "videomae", "text": "bert", "audio": "wav2vec2"}


@pytest.fixture
def corpus(tmp_path):
    return Corpus(tmp_path)


ALL = ("text", "audio", "video")


def test_systems_are_named_in_a_fixed_order():
    known = systems(ENCODERS, ["mlp", "svm"])
    names = [system.name for system in known]
    assert names[:3] == ["text-bert", "audio-wav2vec2", "video-videomae"]
    assert names[3:6] == ["early-sum-svm", "early-sum-mlp", "early-product-svm"]
    assert names[16] == "late-concat-mlp"
    assert names[17:19] == ["text+audio.early-sum-svm", "text+audio.early-sum-mlp"]
    assert names[-1] == "late-concat-mlp.no-video"
    assert len(set(names)) == len(names) == 2 * 48 + 11
    assert names == [system.name for system in systems(dict(sorted(ENCODERS.items())), ["svm", "mlp"])]
    kinds = [kind for kind, _ in itertools.groupby(system.kind for system in known)]
    assert kinds[0] == "single" and kinds[-1] == "substituted"
    assert all(one.order < other.order for one, other in itertools.pairwise(known))
    assert max(known, key=lambda s: s.order).order < MAJORITY.order < SCENARIO.order < CHOSEN.order


def test_systems_of_one_classifier_partition_the_list():
    jobs = [systems_of(name, ENCODERS) for name in ("argmax", "svm", "xgboost", "mlp")]
    whole = systems(ENCODERS, ["svm", "xgboost", "mlp"])
    assert sorted(s.name for job in jobs for s in job) == sorted(s.name for s in whole)
    assert [len(job) for job in jobs] == [11, 48, 48, 48]
    assert [s.name for s in jobs[0]][3:5] == ["late-sum-argmax", "late-product-argmax"]
    assert jobs[1][0] == System("early-sum-svm", "early", "sum", "svm", ALL)


def test_all_seven_subsets_early_and_late():
    known = {system.name: system for system in systems_of("svm", ENCODERS)}
    for size in (1, 2, 3):
        for subset in itertools.combinations(ALL, size):
            for kind in ("early", "late"):
                found = {s.combination for s in known.values() if (s.kind, s.modalities) == (kind, subset)}
                assert found == ({""} if size == 1 else {"sum", "product", "concat"})
    assert known["text+video.late-product-svm"].modalities == ("text", "video")
    assert known["audio.early-svm"] == System("audio.early-svm", "early", "", "svm", ("audio",))
    argmax = [s.name for s in systems_of("argmax", ENCODERS)]
    assert {"text+audio.late-product-argmax", "audio+video.late-sum-argmax"} < set(argmax)
    assert not any(name.endswith("concat-argmax") or "early" in name for name in argmax)


def test_each_full_fusion_of_a_classifier_is_also_without_each_modality():
    known = systems(ENCODERS, ["xgboost"])
    substituted = [system for system in known if system.kind == "substituted"]
    full = [s for s in known if s.kind in ("early", "late") and s.modalities == ALL and s.classifier == "xgboost"]
    expected = {(f"{system.name}.no-{modality}", modality) for system in full for modality in ALL}
    assert {(system.name, system.missing) for system in substituted} == expected and len(expected) == 18
    assert all(system.modalities == ALL for system in substituted)
    assert System("early-sum-svm", "early", "sum", "svm", ALL).without("text") == System(
        "early-sum-svm.no-text", "substituted", "sum", "svm", ALL, "text"
    )


def test_the_final_system_is_a_single_modality_or_a_fusion_of_all():
    known = [*systems(ENCODERS, ["svm"]), MAJORITY, SCENARIO, CHOSEN]
    found = candidates(known)
    combined = [f"{kind}-{how}-svm" for kind in ("early", "late") for how in ("sum", "product", "concat")]
    alone = ["text-bert", "audio-wav2vec2", "video-videomae"]
    assert sorted(s.name for s in found) == sorted([*alone, *combined, "late-sum-argmax", "late-product-argmax"])
    assert sorted(s.name for s in found if s.learns) == sorted(combined)
    two = candidates(systems({"audio": "wav2vec2", "video": "videomae"}, ["svm"], early=["concat"]))
    assert {s.modalities for s in two} == {("audio",), ("video",), ("audio", "video")}
    assert "early-concat-svm" in [s.name for s in two]
    assert [s.name for s in candidates(systems({"audio": "wav2vec2"}, ["svm"]))] == ["audio-wav2vec2"]


def test_systems_of_one_modality_or_without_early_sums():
    assert [s.name for s in systems({"audio": "w"}, ["svm"])] == ["audio-w", "audio.early-svm", "audio.late-svm"]
    names = [s.name for s in systems(ENCODERS, ["svm"], early=["concat"])]
    assert "early-concat-svm" in names and "late-sum-svm" in names
    assert not any("early-sum" in name or "early-product" in name for name in names)


def test_combine_by_hand():
    vectors = {
        "text": np.array([[1.0, 2], [3, 4]]),
        "audio": np.array([[10.0, 20], [30, 40]]),
        "video": np.full((2, 2), 2.0),
    }
    assert combine(vectors, "sum").tolist() == [[13, 24], [35, 46]]
    assert combine(vectors, "product").tolist() == [[20, 80], [180, 320]]
    assert combine(vectors, "concat").tolist() == [[1, 2, 10, 20, 2, 2], [3, 4, 30, 40, 2, 2]]
    assert combine(vectors | {"text": np.array([[5.0, 6]])}, "sum").tolist() == [[17, 28], [37, 48]]


@pytest.mark.parametrize("how", ["sum", "product"])
def test_unequal_widths_are_named(how):
    vectors = {"text": np.zeros((3, 768)), "audio": np.zeros((3, 512)), "video": np.zeros((3, 768))}
    assert combine(vectors, "concat").shape == (3, 2048)
    with pytest.raises(
        EmofuseError, match=f"by {how} .* text 768, audio 512, video 768 .*early_fusion: .concat.*encoders of one"
    ):
        combine(vectors, how)


def test_softmax_does_not_overflow():
    logits = np.array([[1000.0, 1001, 999], [-5, 0, 5]])
    shifted = np.exp(np.array([[0.0, 1, -1], [-5, 0, 5]]))
    np.testing.assert_allclose(softmax(logits), shifted / shifted.sum(axis=1, keepdims=True), rtol=1e-12)
    np.testing.assert_allclose(np.exp(log_softmax(logits)).sum(axis=1), 1, rtol=1e-12)


def test_scaling_is_fitted_on_training_rows_alone():
    rng = np.random.default_rng(0)
    x = rng.normal(3, 5, (40, 4))
    training = np.arange(40) < 25
    scaled = scale({"text": x}, training)["text"]
    np.testing.assert_allclose(scaled, (x - x[:25].mean(axis=0)) / x[:25].std(axis=0), rtol=1e-12)
    garbage = x.copy()
    garbage[25:] = 1e6
    np.testing.assert_array_equal(scale({"text": garbage}, training)["text"][:25], scaled[:25])


def test_align_puts_the_turns_of_a_split_in_one_order(corpus):
    data = align(corpus.write_stores(2), corpus.write_split(2), seed=1)
    assert data.turns.tolist() == sorted(corpus.parts(2))  # the unlabelled turns are not in it
    assert data.parts.tolist() == [corpus.parts(2)[turn] for turn in data.turns]
    assert (data.split, data.classes, data.encoders["audio"]) == ("session2", CLASSES, "wav2vec2")
    rows = [corpus.turns.index(turn) for turn in data.turns]
    assert data.truth.tolist() == [corpus.label[row] for row in rows]
    assert [CLASSES[label] for label in data.labels] == data.truth.tolist()
    assert data.dialogs.tolist() == [turn[:-5] for turn in data.turns]
    assert data.asked.tolist() == [corpus.session[row] in (1, 2) for row in rows]
    for modality in ("text", "audio", "video"):
        embeddings, logits = corpus.vectors(modality)
        assert data.embeddings[modality].dtype == np.float64
        np.testing.assert_array_equal(data.embeddings[modality], embeddings[rows])
        np.testing.assert_array_equal(data.logits[modality], logits[rows])
    assert data.left_out == {}
    assert align(corpus.write_stores(2), corpus.write_split(2), 1, embeddings=False).embeddings == {}


def test_turns_that_a_modality_lacks_are_left_out_and_listed(corpus):
    one, two = corpus.turns[0], corpus.turns[40]
    unlabelled = next(turn for turn, label in zip(corpus.turns, corpus.label, strict=True) if label is None)
    stores = corpus.write_stores(2)
    stores["video"] = corpus.write_store(
        "video", 2, left_out={one: "past the end", two: "past the end", unlabelled: "x"}
    )
    stores["audio"] = corpus.write_store("audio", 2, left_out={two: "no wav"})
    data = align(stores, corpus.write_split(2), seed=1)
    assert data.left_out == {one: "video: past the end", two: "audio: no wav; video: past the end"}
    assert not {one, two} & set(data.turns)
    assert len(data.turns) == len(corpus.parts(2)) - 2


def test_other_splits_seeds_and_classes_are_refused_all_at_once(corpus):
    stores = corpus.write_stores(2)
    stores["text"] = corpus.write_store("text", 3)
    stores["audio"] = corpus.write_store("audio", 2, seed="4", classes='["ang", "sad"]')
    with pytest.raises(EmofuseError) as caught:
        align(stores, corpus.write_split(2), seed=1)
    message = str(caught.value)
    assert "text-session3.parquet: split is 'session3', not 'session2'" in message
    assert "seed is '4', not '1'" in message and "classes is ['ang', 'sad']" in message
    assert "video" not in message


def test_swapped_modalities_are_refused(corpus):
    stores = corpus.write_stores(2)
    stores["text"], stores["audio"] = stores["audio"], stores["text"]
    with pytest.raises(EmofuseError, match="modality is 'audio', not 'text'"):
        align(stores, corpus.write_split(2), seed=1)


def test_other_turn_sets_are_refused_with_examples(corpus):
    stores = corpus.write_stores(2)
    gone = corpus.turns[7]
    stores["audio"] = corpus.write_store("audio", 2, unmentioned=[gone])
    with pytest.raises(EmofuseError, match=rf"audio-session2.parquet: says nothing of 1 turn \({gone}\)"):
        align(stores, corpus.write_split(2), seed=1)


def test_a_turn_in_another_part_than_the_split_says_is_refused(corpus):
    turn = corpus.turns[3]

    def move(turns, parts, embeddings, logits):
        parts[turns == turn] = "test"

    stores = corpus.write_stores(2)
    stores["text"] = corpus.write_store("text", 2, change=move)
    with pytest.raises(EmofuseError, match=f"{turn}.* not in the part that"):
        align(stores, corpus.write_split(2), seed=1)


def test_values_that_are_no_numbers_are_refused(corpus):
    def spoil(turns, parts, embeddings, logits):
        embeddings[3, 2] = np.nan

    stores = corpus.write_stores(2)
    stores["text"] = corpus.write_store("text", 2, change=spoil)
    with pytest.raises(EmofuseError, match=f"embedding of text: 1 turn .{corpus.turns[3]}.*learning rate"):
        align(stores, corpus.write_split(2), seed=1)


def test_a_part_that_missing_clips_empty_is_refused(corpus):
    stores = corpus.write_stores(2)
    gone = {turn: "no video" for turn, session in zip(corpus.turns, corpus.session, strict=True) if session == 2}
    stores["video"] = corpus.write_store("video", 2, left_out=gone)
    with pytest.raises(EmofuseError, match="session2: no turn of part test has a clip in every modality"):
        align(stores, corpus.write_split(2), seed=1)


def test_align_keeps_the_turns_held_out_of_a_training(corpus):
    stores, _, split = corpus.write_source(2, suffix="-without4")
    data = align(stores, split, seed=1)
    rows = [corpus.turns.index(turn) for turn in data.turns]
    assert {
        part: {corpus.session[r] for r, p in zip(rows, data.parts, strict=True) if p == part}
        for part in ("train", "held", "val", "test")
    } == {"train": {3, 5}, "held": {4}, "val": {1}, "test": {2}}
    assert (data.asked == np.isin(data.parts, ["val", "test"])).all()


def test_temperatures_are_one_where_nothing_can_be_fitted(corpus):
    data = align(corpus.write_stores(2), corpus.write_split(2), seed=1)
    assert temperatures(data, np.zeros(len(data.turns), bool)) == dict.fromkeys(ALL, 1.0)
    before = temperatures(data, data.parts == "val")
    data.logits["text"] *= 3
    after = temperatures(data, data.parts == "val")
    assert after["text"] == pytest.approx(3 * before["text"], rel=1e-4)
    assert {m: after[m] for m in ("audio", "video")} == {m: before[m] for m in ("audio", "video")}


def test_every_foreign_encoder_is_named_at_once(corpus):
    stores, trainings, split = corpus.write_source(2)
    refuse_foreign(stores, trainings, split, seed=1)
    trainings["audio"] = corpus.write_trainings(3)["audio"]
    stores["video"] = corpus.write_store("video", 2, checkpoint="e" * 64)
    with pytest.raises(EmofuseError, match=r"^Leak: not the encoders of session2") as caught:
        refuse_foreign(stores, trainings, split, seed=1)
    message = str(caught.value)
    assert "audio-session3.json: its encoder learned from other turns" in message
    assert "audio-session2.parquet: its vectors are of another encoder" in message
    assert "video-session2.parquet: its vectors are of another encoder" in message
    assert "text" not in message
