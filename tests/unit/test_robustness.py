"""Degradations are as strong as they say, the same each time, and nothing degraded is nothing changed; what is made of them."""

import hashlib
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from fusion_inputs import ENCODERS, Corpus, fixed
from safetensors.numpy import save_file
from transformers import BertTokenizer, Wav2Vec2FeatureExtractor
from transformers.models.videomae.image_processing_pil_videomae import VideoMAEImageProcessorPil

from emofuse.clips.files import clip_path
from emofuse.configuration.robustness import severities, splits
from emofuse.demo.encoders import write_encoder
from emofuse.encoders.context import PassageDataset
from emofuse.encoders.frozen import embed_frozen
from emofuse.encoders.inputs import AudioInputs, TextInputs, VideoInputs
from emofuse.encoders.records import cost
from emofuse.encoders.settings import Data, Encoder, Machine
from emofuse.encoders.stores import write_embeddings
from emofuse.encoders.texts import ContextInputs
from emofuse.fusion.classification import Source, classify
from emofuse.fusion.ensemble import Method
from emofuse.media.wav import RATE, wav_bytes
from emofuse.report.robustness import findings, limits, table_of
from emofuse.robustness import speaking
from emofuse.robustness.answering import Fold, answer
from emofuse.robustness.degradations import _noise, babble, compression, darkness, reverberation
from emofuse.robustness.inputs import degraded
from emofuse.robustness.scoring import score
from emofuse.robustness.turns import DEGRADATIONS, Sound, changing
from emofuse.runtime import kinds
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_metadata, read_parquet, write_parquet, write_tsv

RNG = np.random.default_rng(0)
# Two seconds of which the middle one is speech, as far as a level goes, and the rest 60 dB below it.
SPEECH = (RNG.standard_normal(2 * RATE) * np.repeat([5e-5, 0.05, 5e-5], [RATE // 2, RATE, RATE // 2])).astype(
    np.float32
)
SPEAKERS = {"a1": "A", "a2": "A", "b1": "B", "b2": "B"}


@pytest.fixture
def sound(tmp_path):
    manifest = {}
    for number, turn in enumerate(SPEAKERS):
        path = clip_path(tmp_path, "audio", turn)
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = (3000 * np.random.default_rng(number).standard_normal(8_000 + 1000 * number)).astype(np.int16)
        path.write_bytes(wav_bytes(samples))
        manifest[turn] = {"status": "ok", "frames": str(len(samples))}
    return Sound(tmp_path, manifest | {"b3": {"status": "missing"}}, SPEAKERS | {"b3": "B"})


@pytest.mark.parametrize("name", ["white", "babble"])
@pytest.mark.parametrize("snr", [20, 10, 0, -5])
def test_noise_is_as_far_below_active_speech_as_it_says(sound, name, snr):
    noise = changing(name, snr, 0, sound)("a1", SPEECH).astype(float) - SPEECH
    active = np.sqrt(np.mean(SPEECH[RATE // 2 : -RATE // 2].astype(float) ** 2))
    assert 20 * np.log10(active / np.sqrt(np.mean(noise**2))) == pytest.approx(snr, abs=0.1)


@pytest.mark.parametrize("name", ["white", "babble"])
def test_loud_sound_is_made_quieter_and_not_clipped(sound, name):
    quiet, loud = (changing(name, 0, 0, sound)("a1", factor * SPEECH) for factor in (1, 4))
    assert np.abs(quiet).max() < 1 and np.abs(loud).max() == pytest.approx(1)
    np.testing.assert_allclose(loud / np.abs(loud).max(), quiet / np.abs(quiet).max(), atol=1e-6)


@pytest.mark.parametrize("name", ["white", "babble", "reverberation"])
def test_silence_stays_and_chance_is_of_seed_and_turn_alone(sound, name):
    silence = np.zeros(5_000, np.float32)
    assert changing(name, 1, 0, sound)("a1", silence) is silence
    assert changing(name, 1, 0, sound)("a1", silence[:0]).size == 0
    said = changing(name, 1, 0, sound)("a1", SPEECH)
    assert said.dtype == np.float32 and said.shape == SPEECH.shape
    np.testing.assert_array_equal(said, changing(name, 1, 0, sound)("a1", SPEECH))
    for other in (changing(name, 1, 1, sound)("a1", SPEECH), changing(name, 1, 0, sound)("b1", SPEECH)):
        assert np.abs(other - said).max() > 1e-3


def test_all_severities_meet_the_same_noise(sound):
    weak, strong = (changing("white", snr, 0, sound)("a1", SPEECH).astype(float) - SPEECH for snr in (20, 10))
    assert np.corrcoef(weak, strong)[0, 1] > 0.9999


def test_babble_is_of_other_speakers_and_of_other_turns_where_there_is_one_speaker(sound):
    def heard(turn):
        return sorted(map(len, sound.others(turn, np.random.default_rng(0), 6)))

    assert (heard("a1"), heard("b2")) == ([10_000, 11_000], [8_000, 9_000])
    sound.speakers = dict.fromkeys(SPEAKERS, "A")
    assert heard("a1") == [9_000, 10_000, 11_000]
    sound.voices = ["a1"]
    assert heard("a1") == [] and changing("babble", 0, 0, sound)("a1", SPEECH) is SPEECH


@pytest.mark.parametrize("seconds", [0.3, 0.6, 1.0])
def test_a_room_decays_in_its_time_by_schroeders_integration(seconds):
    response = reverberation.impulse_response(seconds, np.random.default_rng(1))
    assert response[0] == 1 and np.sum(response[1:] ** 2) == pytest.approx(1)
    decibels = 10 * np.log10(np.cumsum(response[::-1] ** 2)[::-1] / np.sum(response**2))
    fitted = np.flatnonzero((decibels < -5) & (decibels > -35))
    slope = np.polyfit(fitted / RATE, decibels[fitted], 1)[0]
    assert -60 / slope == pytest.approx(seconds, rel=0.05)


def test_reverberation_keeps_the_level():
    wet = changing("reverberation", 0.6, 0, None)("a1", SPEECH)
    assert _noise.active_level(wet) == pytest.approx(_noise.active_level(SPEECH), rel=1e-3)
    assert np.abs(wet[-RATE // 4 :]).max() > 1e-4  # where it was silent


def test_words_are_dropped_at_their_share_and_more_of_the_same():
    words = [str(number) for number in range(4_000)]
    left = {share: changing("dropped_words", share, 0, None)("a1", " ".join(words)).split() for share in (0, 10, 50)}
    assert left[0] == words and set(left[50]) < set(left[10])
    assert [len(left[share]) / 4_000 for share in (10, 50)] == pytest.approx([0.9, 0.5], abs=0.02)
    assert left[50] == sorted(left[50], key=int)
    assert changing("dropped_words", 100, 0, None)("a1", "all of it") == ""


def test_recognised_words_are_those_of_the_noisy_sound(sound):
    def listen(samples):
        return f"{np.sqrt(np.mean(samples**2)):.2f}"

    clean = f"{np.sqrt(np.mean(sound.read('a1') ** 2)):.2f}"
    assert changing("recognised_words", 60, 0, sound, listen)("a1", "hello") == clean
    assert float(changing("recognised_words", -10, 0, sound, listen)("a1", "hello")) > 2 * float(clean)
    assert changing("recognised_words", 60, 0, sound, listen)("b3", "hello") == ""


def test_pictures_lose_detail_light_and_bits():
    fine = np.tile(np.indices((16, 16)).sum(0) % 2 * 200, (4, 3, 1, 1)).astype(np.uint8)
    assert (changing("resolution", 2, 0, None)("a1", fine) == 100).all()  # a chequered board of single pixels
    np.testing.assert_array_equal(changing("resolution", 1, 0, None)("a1", fine), fine)
    coarse = np.kron(fine, np.ones((1, 1, 2, 2), np.uint8))
    halved = changing("resolution", 2, 0, None)("a1", coarse).astype(int)
    assert halved.shape == coarse.shape and halved.std() > 20 > changing("resolution", 4, 0, None)("a1", coarse).std()
    dark = darkness.degrade(np.full((1, 3, 2, 2), 200, np.uint8), 2, None)
    assert (dark / 255.0) ** 2.2 == pytest.approx((200 / 255) ** 2.2 / 4, rel=0.03)
    smooth = np.cumsum(np.random.default_rng(0).normal(0, 4, (5, 3, 33, 35)), axis=3) + 120
    smooth = smooth.clip(0, 255).astype(np.uint8)
    errors = [np.abs(compression.degrade(smooth, crf, None).astype(int) - smooth).mean() for crf in (10, 35, 51)]
    assert errors[0] < 10 and errors[0] < errors[1] < errors[2]
    np.testing.assert_array_equal(compression.degrade(smooth, 43, None), compression.degrade(smooth, 43, None))


def test_what_a_degradation_leaves_as_it_is_reaches_the_encoder_bit_by_bit(sound, tmp_path, monkeypatch):
    heard = []

    def same(turn, signal):
        heard.append(turn)
        return signal

    audio = AudioInputs(Wav2Vec2FeatureExtractor(), 0.3)
    for turn, rows in sound.manifest.items():
        if rows["status"] == "ok":
            given = clip_path(sound.clips, "audio", turn), int(rows["frames"])
            one, other = audio.windows(*given), degraded(audio, same).windows(*given)
            assert len(one) == len(other) > 1
            assert all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    (tmp_path / "short.wav").write_bytes(wav_bytes(np.arange(50, dtype=np.int16)))
    for seconds, samples in ((0.3, 4_000), (0.2, 3_200)):
        audio = AudioInputs(Wav2Vec2FeatureExtractor(), seconds)
        one, other = (of.windows(tmp_path / "short.wav", 50) for of in (audio, degraded(audio, same)))
        assert np.array_equal(one, other) and one[0].shape == (samples,)

    processor = VideoMAEImageProcessorPil(size={"shortest_edge": 8}, crop_size={"height": 8, "width": 8})
    video = VideoInputs(processor, 2, 1, 2, 0.5)
    pictures = RNG.integers(0, 255, (9, 12, 16, 3), np.uint8)
    monkeypatch.setattr("emofuse.encoders.inputs.read_frames", lambda path, wanted: pictures[list(wanted)])
    assert np.array_equal(video.windows("v.mp4", 9), degraded(video, same).windows("v.mp4", 9))
    assert heard[-3:] == ["short", "v", "v"]


def test_words_around_a_turn_are_degraded_too(tmp_path):
    (tmp_path / "vocab.txt").write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "me", "you", ":", "a", "b", "c"])
    )
    tokenizer = BertTokenizer(vocab=str(tmp_path / "vocab.txt"))
    order = {"turn_id": ["d_1", "d_2"], "dialog": ["d", "d"], "speaker": ["x", "y"], "start_s": [0.0, 1.0]}
    write_parquet(tmp_path / "turns.parquet", pa.table(order))
    for turn, words in (("d_1", "a b"), ("d_2", "b c")):
        path = clip_path(tmp_path, "text", turn)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(words)
    row = {"status": "ok", "frames": "2", "checksum": ""}
    plain = ContextInputs(tokenizer, 40, "keep", {"before": 1, "after": 0})
    found = {}
    for name, inputs in {
        "as it is": plain,
        "same": degraded(plain, lambda turn, words: words),
        "changed": degraded(plain, lambda turn, words: words.replace("b", "c") if turn == "d_1" else words),
    }.items():
        data = PassageDataset(
            inputs, tmp_path, ["d_1", "d_2"], {"d_1": row, "d_2": row}, None, tmp_path / "turns.parquet"
        )
        found[name] = tokenizer.decode(data[1]["windows"][0].ids)
    assert found["same"] == found["as it is"] and found["changed"] == found["as it is"].replace("a b", "a c")
    alone = degraded(TextInputs(tokenizer, 40, "keep"), lambda turn, words: "")
    assert alone.windows(clip_path(tmp_path, "text", "d_1"), 2) == [""]


def test_an_encoder_that_says_something_else_than_the_run_is_refused():
    stored = pa.table({"turn_id": ["a", "b"], "embedding": fixed(np.ones((2, 3))), "logits": fixed(np.eye(2))})
    assert speaking.require_like_stored((np.ones((2, 3)), np.eye(2)), stored, "x.parquet", 1e-5) == 0
    for said in ((np.ones((2, 3)), np.eye(2) * 1.01), (np.ones((2, 3)) + 1e-3, np.eye(2))):
        with pytest.raises(
            EmofuseError, match=r"^The encoder says something else of turns as they are than x\.parquet"
        ):
            speaking.require_like_stored(said, stored, "x.parquet", 1e-5)


def test_what_a_gpu_embedded_may_differ_as_much_on_a_cpu():
    of_cpu = {"frozen": False, "settings": {"model": "m"}, "device": cost("cpu", 0, 0, 0, {})["device"]}
    of_gpu = of_cpu | {"device": "NVIDIA H100 80GB HBM3"}
    assert [speaking.tolerance(of, "cpu") for of in (of_cpu, of_gpu, of_cpu | {"frozen": True})] == [1e-5, 1e-3, 1e-3]
    assert speaking.tolerance(of_cpu, "cuda") == 1e-3
    assert speaking.tolerance(of_cpu | {"frozen": True, "settings": {"features": "mfcc"}}, "cpu") == 1e-5


@pytest.mark.parametrize("kind", ["features", "model"])
def test_frozen_encoders_speak_through_their_probe(tmp_path, monkeypatch, sound, kind):
    turns, settings, folder = list(SPEAKERS), {"features": "mfcc"}, None
    if kind == "model":
        folder = tmp_path / "wav2vec2"
        write_encoder("wav2vec2", folder, seed=0)
        settings = {"model": str(folder), "pooling": "mean", "layer": "last", "eval_batch_size": 2, "max_seconds": 0.5}
    settings["frozen"] = True
    rows = [
        {"turn": turn, "status": "ok", "bytes": 0, "note": "", "frames": row["frames"]}
        | {"checksum": hashlib.sha256(clip_path(tmp_path, "audio", turn).read_bytes()).hexdigest()}
        for turn, row in sound.manifest.items()
        if turn in SPEAKERS
    ]
    write_tsv(tmp_path / "manifest.tsv", rows, list(rows[0]))
    write_parquet(tmp_path / "turns.parquet", pa.table({"turn_id": turns}))
    machine, data = Machine("cpu", 0, 1), Data(None, [tmp_path / "manifest.tsv"], tmp_path)
    encoder = Encoder("audio", "mine", settings, folder)
    embed_frozen(tmp_path / "turns.parquet", encoder, data, machine, 1, False, tmp_path / "vectors.parquet")
    embedding = np.array(read_parquet(tmp_path / "vectors.parquet")["embedding"].to_pylist(), np.float32)
    head = {"weight": RNG.normal(size=(3, embedding.shape[1])).astype(np.float32), "bias": np.zeros(3, np.float32)}
    save_file(head, tmp_path / "head.safetensors")
    record = {
        "modality": "audio",
        "encoder": "mine",
        "settings": settings,
        "frozen": True,
        "seed": 0,
        "device": "x86_64",
        "checkpoint": "x",
    }
    (tmp_path / "training.json").write_text(json.dumps(record))
    told = {"modality": "audio", "encoder": "mine", "split": "session1", "seed": "0", "checkpoint": "x"}
    parts = dict(zip(turns, ["test", "test", "val", "test"], strict=True))
    logits = (embedding @ head["weight"].T).astype(np.float32)
    write_embeddings(tmp_path / "store.parquet", turns, parts, embedding, logits, told)
    split = {"turn_id": turns, "part": list(parts.values()), "speaker": list(SPEAKERS.values())}
    monkeypatch.setattr(speaking, "read_split", lambda path: (pa.table(split), None))
    speaking.degrade(
        speaking.Trained("split.parquet", tmp_path / "store.parquet", tmp_path, folder),
        speaking.Corpus(tmp_path / "turns.parquet", {"audio": tmp_path}, {"audio": [tmp_path / "manifest.tsv"]}),
        speaking.Conditions({"white": [90, 0], "babble": [0]}, 0),
        machine,
        1,
        tmp_path / "degraded.parquet",
    )
    found = read_parquet(tmp_path / "degraded.parquet").to_pandas()
    assert found["turn_id"].tolist() == 3 * ["a1", "a2", "b2"]
    mild, strong = (np.stack(found["logits"][found["severity"] == snr][:3]) for snr in (90, 0))
    clean = logits[[0, 1, 3]]
    assert 0 < np.abs(mild - clean).max() < 0.1 * np.abs(strong - clean).max()


@pytest.fixture(scope="module")
def fold(tmp_path_factory):
    """(a Fold of three modalities whose final system is a network, its Method): `white` changes nothing, `babble` all."""
    folder = tmp_path_factory.mktemp("fold")
    corpus = Corpus(folder)
    source = Source(*corpus.write_source(2))
    for path in source.trainings.values():  # what the run's own say of an encoder's settings
        path.write_text(json.dumps(json.loads(path.read_text()) | {"settings": {}}))
    predictions = []
    for classifier, settings in (("argmax", {}), ("mlp", {"width": 6, "max_iter": 40})):
        predictions.append(folder / f"{classifier}.parquet")
        classify(source, ENCODERS, Method(classifier, settings, ["concat"], "validation", 1, 1), predictions[-1])
    chosen = folder / "chosen.tsv"
    write_tsv(chosen, [{"split": "session2", "seed": 1, "system": "early-concat-mlp"}], ["split", "seed", "system"])
    store = read_parquet(source.embeddings["audio"])
    tables = []
    for name, sign in (("white", 1), ("babble", -1)):
        changed = {c: fixed(sign * np.array(store[c].to_pylist(), np.float32)) for c in ("embedding", "logits")}
        tables.append(
            pa.table(
                {"degradation": [name] * len(store), "severity": [10.0] * len(store), "turn_id": store["turn_id"]}
                | changed
            )
        )
    write_parquet(folder / "audio.parquet", pa.concat_tables(tables), {"modality": "audio"})
    return Fold(source, None, predictions, chosen, [folder / "audio.parquet"]), Method(
        "", {}, ["concat"], "validation", 1, 1
    )


def test_systems_answer_as_in_the_run_where_nothing_has_changed(fold, tmp_path):
    answer(*fold, tmp_path / "answers.parquet")
    said = read_parquet(tmp_path / "answers.parquet").to_pandas()
    wide = said.pivot(index="turn_id", columns=["system", "degradation", "modality"], values="prediction")
    assert set(wide.columns.get_level_values(0)) == {
        *(f"{m}-{e}" for m, e in ENCODERS.items()),
        "late-sum-argmax",
        "chosen",
    }
    assert len(wide) == 32
    for system in ("audio-wav2vec2", "late-sum-argmax", "chosen"):
        assert wide[system, "white", "audio"].equals(
            wide[system, "clean", ""].rename(wide[system, "white", "audio"].name)
        )
        assert (wide[system, "babble", "audio"] != wide[system, "clean", ""]).mean() > 0.2
    assert "babble" not in wide["text-bert"] and "missing" not in wide["text-bert"]
    run = read_parquet(fold[0].predictions[1]).to_pandas()
    for system, stored in (("clean", "early-concat-mlp"), ("missing", "early-concat-mlp.no-audio")):
        rows = run[(run["system"] == stored) & (run["part"] == "test")].set_index("turn_id")["prediction"]
        assert (wide["chosen", system, "" if system == "clean" else "audio"] == rows).all()
    assert read_metadata(tmp_path / "answers.parquet")["final"] == "early-concat-mlp"


def test_a_final_system_that_cannot_be_asked_is_said_to_be_one(fold, tmp_path, monkeypatch):
    monkeypatch.setattr("emofuse.robustness.answering.obstacle", lambda *given: "it reads dialogs")
    answer(*fold, tmp_path / "answers.parquet")
    assert "chosen" not in read_parquet(tmp_path / "answers.parquet")["system"].to_pylist()
    score(
        [tmp_path / "answers.parquet"],
        [fold[0].source.split],
        tmp_path / "scores.parquet",
        {"video": "why"},
        resamples=20,
    )
    rows, told = read_parquet(tmp_path / "scores.parquet").to_pandas(), read_metadata(tmp_path / "scores.parquet")
    assert "late-sum-argmax" in set(rows["system"])
    obstacles, untried = (json.loads(told[name]) for name in ("obstacles", "untried"))
    said = limits(obstacles, json.loads(told["final"]), untried, "late-sum-argmax")
    assert said[0] == "The final system of session 2 (early-concat-mlp) cannot be asked again: it reads dialogs."
    assert said[1].startswith("In its place stands late-sum-argmax") and said[2] == "Video is not degraded: why."


@pytest.fixture
def scored(tmp_path):
    """Scores of two folds: under white noise the final system has a quarter less right, without sound an eighth less."""
    corpus = Corpus(tmp_path, per_class=8)
    split_files, answers = [corpus.write_split(test) for test in (1, 2)], []
    for path in split_files:
        table = read_parquet(path).to_pandas()
        test = table[table["part"] == "test"].reset_index(drop=True)
        rows = []
        for system, modality, degradation, severity, wrong in (
            ("text-bert", "", "clean", None, 16),
            ("audio-wav2vec2", "", "clean", None, 20),
            ("audio-wav2vec2", "audio", "white", 10.0, 24),
            ("audio-wav2vec2", "audio", "white", 0.0, 28),
            ("late-sum-argmax", "", "clean", None, 0),
            ("chosen", "", "clean", None, 4),
            ("chosen", "audio", "white", 10.0, 12),
            ("chosen", "audio", "white", 0.0, 16),
            ("chosen", "audio", "missing", None, 8),
            *([("chosen", "text", "missing", None, 8)] if path == split_files[0] else []),
        ):
            said = test["class"].where(
                test.index >= wrong, test["class"].map(dict(ang="hap", hap="neu", neu="sad", sad="ang"))
            )
            rows.append(
                test[["turn_id"]].assign(system=system, modality=modality, degradation=degradation, severity=severity)
            )
            rows[-1]["prediction"] = said
        answers.append(tmp_path / f"{path.stem}.answers.parquet")
        frame = pd.concat(rows).astype({"severity": float})
        metadata = {"split": path.stem, "seed": "0", "final": "late-sum-argmax", "obstacle": ""}
        write_parquet(answers[-1], pa.Table.from_pandas(frame, preserve_index=False), metadata)
    score(answers, split_files, tmp_path / "scores.parquet", resamples=200)
    return read_parquet(tmp_path / "scores.parquet").to_pandas()


def test_scores_are_of_all_folds_and_differences_of_the_same_turns(scored):
    rows = scored.set_index(["system", "degradation", "severity"])
    assert set(scored["n"]) == {64} and "late-sum-argmax" not in set(scored["system"])
    assert set(scored.loc[scored["degradation"] == "missing", "modality"]) == {"audio"}  # of text one fold alone
    worst = rows.loc[("chosen", "white", 0.0)]
    assert (worst["wa"], worst["wa_change"], worst["wa_over_missing"]) == (0.5, -0.375, -0.25)
    assert worst["wa_low"] <= 0.5 <= worst["wa_high"] and worst["wa_change_low"] < -0.375 < worst["wa_change_high"] <= 0
    assert np.isnan(rows.loc[("audio-wav2vec2", "white", 10.0), "wa_over_missing"])


def test_the_page_says_what_is_lost_when_it_is_as_good_as_text_and_whether_sound_still_helps(scored):
    degradations = kinds.constants(DEGRADATIONS)
    scored[[name for name in scored if name.startswith(("wa", "ua"))]] *= 100
    first, second = findings(scored, degradations, "chosen")
    assert first.startswith("White noise (speech), 10 dB: the final system loses 25.0 points of WA (95 % interval")
    assert first.endswith("and has 62.5 %. At 0 dB it has fallen to the level of text alone (50.0 %).")
    assert second.startswith(
        "Without any speech the final system has 75.0 % WA; with speech at its worst (white noise, 0 dB) 50.0 %."
    )
    assert "would be better off without it: it has 25.0 points less with it (" in second
    table = table_of(scored, degradations)
    assert table.values.index.names == ["Input", "Severity", "System"] and len(table.values) == len(scored)
    assert table.values.loc[("White noise (speech)", "0 dB", "final system"), "WA, change"] == -37.5


@pytest.mark.parametrize(
    ("difference", "low", "verdict"),
    [
        (
            -25.0,
            -30,
            "These turns cannot tell whether it would be better off without it: it has 25.0 points less with it",
        ),
        (25.0, -30, "These turns cannot tell whether it is better with it: it has 25.0 points more with it"),
        (25.0, 20, "It is better with it, by 25.0 points"),
    ],
)
def test_the_page_says_no_more_than_turns_can_tell_and_names_the_stand_in(scored, difference, low, verdict):
    scored[[name for name in scored if name.startswith(("wa", "ua"))]] *= 100
    scored[["wa_over_missing", "wa_over_missing_low", "wa_over_missing_high"]] = [difference, low, 30.0]
    scored["system"] = scored["system"].replace("chosen", "late-sum-argmax")
    loss, without = findings(scored, kinds.constants(DEGRADATIONS), "late-sum-argmax")
    assert f"50.0 %. {verdict} (95 % interval of the difference {low:+.1f} to +30.0)." in without
    assert ", 10 dB: late-sum-argmax loses" in loss and "Without any speech late-sum-argmax has" in without


CONFIG = {
    "fusion": {"text": "bert", "audio": "own"},
    "encoders": {"text": {"bert": {}}, "audio": {"own": {"model": "x"}}},
    "predict": {"asr": None},
}


def test_degradations_are_those_of_the_config_or_all_that_can_be():
    def of(degradations, **changed):
        return severities(
            CONFIG | {"robustness": {"degradations": degradations}} | changed, {"text": "bert", "audio": "own"}
        )

    assert of(None) == (
        {
            "text": {"dropped_words": [10, 30, 50]},
            "audio": {n: kinds.constants(DEGRADATIONS)[n]["SEVERITIES"] for n in ("babble", "white", "reverberation")},
        },
        {},
    )
    assert "recognised_words" in of(None, predict={"asr": "whisper"})[0]["text"]
    assert of({"white": [3, -3]}) == ({"audio": {"white": [3, -3]}}, {"text": "no degradation of it is asked for"})
    outside = CONFIG["encoders"] | {"audio": {"own": {"vectors": "x.parquet"}}}
    assert of(None, encoders=outside)[1]["audio"].startswith("its vectors were made elsewhere")
    with pytest.raises(
        EmofuseError, match=r"white: 200 is not from -60 to 100(.|\n)*recognised_words: it needs a Whisper model"
    ):
        of({"white": [200], "recognised_words": None})
    with pytest.raises(EmofuseError, match=r"nothing of this run(.|\n)*text: no degradation of it is asked for"):
        of({"resolution": [2]})
    chosen = {"fusion": CONFIG["fusion"] | {"audio": {"choose": "validation"}}}
    chosen["encoders"] = CONFIG["encoders"] | {"audio": CONFIG["encoders"]["audio"] | {"brought": {"vectors": "x"}}}
    assert set(of({"white": None}, **chosen)[0]) == {"audio"}
    config = CONFIG | {"robustness": {"degradations": None}} | chosen
    found, untried = severities(config, {"text": "bert", "audio": "brought"})
    assert set(found) == {"text"} and untried["audio"].startswith("its vectors were made elsewhere")
    known = ["session1", "session2"]
    assert splits({"robustness": {"folds": None}}, known) == known
    assert splits({"robustness": {"folds": ["session2"]}}, known) == ["session2"]
    with pytest.raises(EmofuseError, match="has no fold session9; it has session1, session2"):
        splits({"robustness": {"folds": ["session9"]}}, known)


def test_every_degradation_says_all_that_is_asked_of_it():
    for name, of in kinds.constants(DEGRADATIONS).items():
        assert {"PLACE", "TITLE", "MODALITY", "UNIT", "SAID", "SENTENCE", "SEVERITIES", "RANGE"} <= of.keys(), name
        low, high = of["RANGE"]
        assert all(low <= value <= high for value in of["SEVERITIES"]) and of["SAID"].format(1.0) != of["SAID"]
    assert babble.VOICES == 6
