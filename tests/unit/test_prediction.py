"""Exports say what the run said, of whatever is there; users' clips, lists and transcripts are read or refused."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from fusion_inputs import ENCODERS, Corpus
from safetensors.numpy import save_file

from emofuse.clips.files import COLUMNS, clip_path, read_manifests, save_clip
from emofuse.corpora.listing import Row
from emofuse.demo.encoders import write_encoder
from emofuse.encoders.frozen import embed_frozen
from emofuse.encoders.settings import Data, Encoder, Machine
from emofuse.fusion import learning as classifiers
from emofuse.fusion.classification import Source, classify
from emofuse.fusion.distances import Distances
from emofuse.fusion.ensemble import Method
from emofuse.fusion.systems import System
from emofuse.fusion.vectors import Lesson
from emofuse.media.wav import RATE, wav_bytes
from emofuse.prediction import encoders, learning, system
from emofuse.prediction.choice import obstacle, system_of
from emofuse.prediction.clips import Clips, turns_of
from emofuse.prediction.page import write_page
from emofuse.prediction.record import digests, read_export
from emofuse.prediction.sources import Recording, find, name_of
from emofuse.prediction.system import KEPT
from emofuse.prediction.transcripts import Span, read_transcript
from emofuse.runtime import kinds
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import read_metadata, read_parquet, write_json, write_parquet, write_tsv

SETTINGS = {
    "argmax": {},
    "svm": {"C": 1.0, "gamma": "scale"},
    "xgboost": {"n_estimators": [2, 4], "max_depth": 3},
    "mlp": {"width": 6, "max_iter": 20},
}


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("classifier", ["svm", "svm of many turns", "xgboost", "mlp"])
def test_a_kept_classifier_says_what_the_trained_one_says(tmp_path, monkeypatch, classifier, count):
    if classifier.endswith("many turns"):
        classifier = "svm"
        monkeypatch.setattr(kinds.load("fusion/classifiers", "svm"), "MOST", 40)
    rng = np.random.default_rng(0)
    blocks = {name: rng.normal(size=(60, 3)) for name in ("text", "audio")}
    labels = np.arange(60) % count
    blocks["text"][:, 0] += labels
    settings = {key: value[0] if isinstance(value, list) else value for key, value in SETTINGS[classifier].items()}
    lesson = Lesson(blocks, labels, 0, 1, Distances(blocks))
    trained = classifiers.fit(classifier, lesson, list("abcd")[:count], [settings])
    module = kinds.load(KEPT, classifier)
    module.keep(trained.classifier, blocks, tmp_path)
    asked = {name: 2 * rng.normal(size=(80, 3)) for name in blocks}
    asked["text"][:, 0] += np.arange(80) % count
    [expected] = trained.predict(asked, [0])
    said = module.Kept(tmp_path).predict(np.hstack(list(asked.values())))
    np.testing.assert_allclose(said.scores, expected.scores, atol=1e-6)
    assert said.classes.tolist() == expected.classes.tolist() and len(set(said.classes.tolist())) > 1


TWO = ("text", "video")  # calibrating decision values takes most of the time


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A function that gives ({name: Stored}, Source, Source or None, Method) of a classified fold of two modalities."""

    @cache
    def made(classifier, vectors, refit):
        corpus = Corpus(tmp_path_factory.mktemp(classifier))
        source, anew = (
            Source({m: stores[m] for m in TWO}, {m: trainings[m] for m in TWO}, split)
            for stores, trainings, split in (corpus.write_source(2, suffix=suffix) for suffix in ("", "-refit"))
        )
        method = Method(classifier, SETTINGS[classifier], ["product"], vectors, seed=1, threads=1)
        path, anew = corpus.folder / "predictions.parquet", anew if refit else None
        classify(source, {m: ENCODERS[m] for m in TWO}, method, path, refit=anew)
        return learning.systems_in(path, read_metadata(path)["systems"]), source, anew, method

    return made


@pytest.mark.parametrize(
    "classifier, vectors, refit, names",
    [
        ("argmax", "in_sample", True, ["late-product-argmax", "video-videomae"]),
        ("svm", "validation", False, ["early-product-svm", "text.early-svm"]),
        ("xgboost", "in_sample", False, ["late-concat-xgboost"]),
        ("mlp", "in_sample", True, ["early-product-mlp", "late-product-mlp"]),
    ],
)
def test_a_kept_system_says_what_the_run_stored_with_and_without_each_modality(
    stored, tmp_path, classifier, vectors, refit, names
):
    known, source, anew, method = stored(classifier, vectors, refit)
    for name in names:
        final, keep, speaks = learning.learn(known[name], system_of(known[name]), source, anew, method)
        system.save(final, keep, tmp_path / name)
        worst, turns = learning.require_alike(system.load(tmp_path / name), known[name], speaks, speaks.logits)
        assert worst < 1e-6 and turns == 32
    assert set(known[names[0]].variants()) == {(), ("text",), ("video",)}
    assert len(known[names[-1]].variants()) == (1 if names[-1] in ("text.early-svm", "video-videomae") else 3)


def test_what_differs_from_the_stored_predictions_is_refused(stored, tmp_path):
    known, source, _, method = stored("svm", "validation", False)
    one = known["late-sum-svm"]
    final, keep, speaks = learning.learn(one, system_of(one), source, None, method)
    system.save(final, keep, tmp_path / "kept")
    loaded = system.load(tmp_path / "kept")
    for changed, name in (
        (replace(loaded, neutral={m: x + 0.1 for m, x in loaded.neutral.items()}), r"late-sum-svm\.no-text"),
        (replace(loaded, temperatures={m: 1.01 * t for m, t in loaded.temperatures.items()}), "late-sum-svm"),
    ):
        with pytest.raises(EmofuseError, match=f"^{name}, trained again .* says something else .* run it again"):
            learning.require_alike(changed, one, speaks, speaks.logits)


def test_three_modalities_of_which_two_or_all_are_missing(tmp_path):
    corpus = Corpus(tmp_path)
    source = Source(*corpus.write_source(2))
    method = Method("mlp", {"width": 4, "max_iter": 5}, ["concat"], "validation", 1, 1)
    classify(source, ENCODERS, method, tmp_path / "mlp.parquet")
    one = learning.systems_in(tmp_path / "mlp.parquet", read_metadata(tmp_path / "mlp.parquet")["systems"])[
        "early-concat-mlp"
    ]
    final, keep, speaks = learning.learn(one, system_of(one), source, None, method)
    system.save(final, keep, tmp_path / "kept")
    loaded, few = system.load(tmp_path / "kept"), {"audio": speaks.embeddings["audio"][:3]}
    _, probabilities = loaded.answer(few, {}, ["text", "video"])
    assert probabilities.shape == (3, 4) and np.allclose(probabilities.sum(axis=1), 1)
    assert len(np.unique(probabilities[:, 0])) == 3
    assert loaded.can_answer(["text", "video"]) and not loaded.can_answer(["video", "text", "audio"])


@pytest.mark.parametrize(
    "changed, settings, vectors, said",
    [
        ({"kind": "named", "classifier": "window"}, {}, "validation", "which read dialogs or sequences"),
        ({"kind": "substituted", "missing": "text"}, {}, "validation", "without a modality"),
        ({}, {"vectors": "mine.npz"}, "validation", "its vectors of text and audio were made elsewhere"),
        ({}, {"model": "x"}, "cross_fitted", "cross-fitted encoders yet"),
        ({"classifier": "forest"}, {"model": "x"}, "validation", "prediction/classifiers/forest.py"),
        ({"classifier": "argmax"}, {"model": "x"}, "cross_fitted", None),
        ({}, {"model": "x"}, "validation", None),
    ],
)
def test_systems_that_cannot_be_exported(changed, settings, vectors, said):
    one = replace(System("early-sum-svm", "early", "sum", "svm", ("text", "audio")), **changed)
    stores, records = ({m: of for m in one.modalities} for of in ({"frozen": "false"}, {"settings": settings}))
    why = obstacle(one, stores, records, vectors)
    assert why is None if said is None else said in why


@pytest.mark.parametrize("kind", ["model", "features"])
def test_a_frozen_encoder_is_kept_with_its_probe(tmp_path, kind):
    rng, turns, rows = np.random.default_rng(0), ["one", "two"], []
    for turn, length in zip(turns, (16_000, 9_000), strict=True):
        path = clip_path(tmp_path / "clips", "audio", turn)
        path.parent.mkdir(parents=True)
        data = wav_bytes((3_000 * rng.standard_normal(length)).astype(np.int16))
        rows.append({"turn": turn, "status": "ok", "frames": length, "note": ""} | save_clip(path, data))
    write_tsv(tmp_path / "manifest.tsv", rows, COLUMNS)
    write_parquet(tmp_path / "turns.parquet", pa.table({"turn_id": turns}))
    folder = tmp_path / "wav2vec2"
    settings = {"features": "mfcc"}
    if kind == "model":
        write_encoder("wav2vec2", folder, seed=0)
        settings = {"model": str(folder), "pooling": "mean", "layer": "last", "eval_batch_size": 2, "max_seconds": 10}
    settings, machine = settings | {"frozen": True}, Machine("cpu", 0, 1)
    data = Data(None, [tmp_path / "manifest.tsv"], tmp_path / "clips")
    encoder = Encoder("audio", "mine", settings, folder if kind == "model" else None)
    embed_frozen(tmp_path / "turns.parquet", encoder, data, machine, 1, False, tmp_path / "store.parquet")
    expected = np.array(read_parquet(tmp_path / "store.parquet")["embedding"].to_pylist())

    (tmp_path / "probe").mkdir()
    head = {"weight": rng.normal(size=(3, expected.shape[1])), "bias": rng.normal(size=3)}
    head = {name: array.astype(np.float32) for name, array in head.items()}
    save_file(head, tmp_path / "probe/head.safetensors")
    record = {"modality": "audio", "encoder": "mine", "settings": settings, "frozen": True, "commit": None}
    facts = encoders.keep(record, tmp_path / "probe", encoder.folder, tmp_path / "kept")
    assert str(tmp_path) not in json.dumps(facts)
    clips = Clips(tmp_path / "clips", turns, read_manifests([tmp_path / "manifest.tsv"]), tmp_path / "turns.parquet")
    embedding, logits = encoders.encode(facts, tmp_path / "kept", "audio", clips, machine)
    np.testing.assert_allclose(embedding, expected, atol=1e-6)
    np.testing.assert_allclose(logits, expected @ head["weight"].T.astype(float) + head["bias"], atol=1e-5)


def test_an_export_that_was_changed_is_refused(tmp_path):
    for name in ("encoders/text/model.safetensors", "model_card.md", "system/system.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    write_json(tmp_path / "export.json", {"format": 1, "versions": {"emofuse": "1"}, "files": digests(tmp_path)})
    assert len(read_export(tmp_path)["files"]) == 3
    (tmp_path / "model_card.md").unlink()
    (tmp_path / "system/system.json").write_text("other")
    with pytest.raises(EmofuseError, match=r"model_card.md: it is missing\n  system/system.json: its bytes are others"):
        read_export(tmp_path)


def touch(folder, *names):
    for name in names:
        (folder / name).write_text("x")


def test_files_of_one_name_are_one_clip(tmp_path):
    touch(tmp_path, "a.mp4", "a.wav", "a.txt", "b.mkv", "b.srt", "C c.flac", "d.txt", ".hidden.wav")
    (tmp_path / "sub").mkdir()
    found = {r.row.turn_id: r for r in find([tmp_path])}
    assert list(found) == ["C_c", "a", "b", "d"]
    names = {
        k: [Path(p).name if p else None for p in (r.row.audio, r.row.video, r.row.text_file, r.transcript)]
        for k, r in found.items()
    }
    assert names["a"] == ["a.wav", "a.mp4", "a.txt", None] and names["b"] == ["b.mkv", "b.mkv", None, "b.srt"]
    assert names["C_c"] == ["C c.flac", None, None, None] and names["d"] == [None, None, "d.txt", None]
    assert find([tmp_path / "a.mp4"])[0] == found["a"]
    assert name_of("/data/My Clips/") == "my-clips"


def test_a_list_names_clips_and_their_spans(tmp_path):
    touch(tmp_path, "talk.mp4", "s.wav")
    lines = ["media,start_s,end_s,text,crop", 'talk.mp4,0,1.5,"one, two",0,0,0.5,1'.replace("0,0,0.5,1", '"0,0,0.5,1"')]
    (tmp_path / "list.csv").write_text("\n".join([*lines, "talk.mp4,1.5,3,,", "s.wav,,,,"]))
    one, two, three = (recording.row for recording in find([tmp_path / "list.csv"]))
    assert (one.turn_id, two.turn_id, three.turn_id) == ("talk.0001", "talk.0002", "s")
    assert (one.start_s, one.end_s, one.text, one.crop) == (0, 1.5, "one, two", (0, 0, 0.5, 1)) and two.text is None
    assert three.video is None and three.audio == str(tmp_path / "s.wav") and three.start_s is None


def test_all_that_is_wrong_with_clips_is_told_at_once(tmp_path):
    touch(tmp_path, "a.mp4", "a.mkv", "b.xyz", "c.srt")
    lines = ["media,start_s,end_s,crop", "gone.wav,,,", "a.mp4,2,1,", "a.mp4,x,1,", "a.mp4,,,0.6;0;0.6;1", ",,,"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other/list.csv").write_text("\n".join(lines).replace("a.mp4", "../a.mp4"))
    with pytest.raises(EmofuseError) as caught:
        find([tmp_path, tmp_path / "nowhere", tmp_path / "other/list.csv"])
    told = str(caught.value)
    for problem in (
        "a.mp4: beside a.mkv it is a second file of video",
        "b.xyz: neither sound, video, words nor a transcript",
        "c.srt: there is no sound or video file of that name",
        "nowhere: no such file or folder",
        "line 2: media:",
        "line 3: start_s and end_s: a span needs both",
        "line 4: start_s: 'x' is no number of seconds",
        "line 5: crop: '0.6;0;0.6;1' is not",
        "line 6: it names no clip and no words",
    ):
        assert problem in told, told


TRANSCRIPTS = {
    "t.srt": "1\n00:00:01,500 --> 00:00:02,000\n<i>Hello</i>\nthere\n\n2\n00:01:00,000 --> 00:01:01,000\n\n",
    "t.vtt": "WEBVTT\n\nNOTE x\n\n00:01.500 --> 00:02.000 align:left\n<v Ann>Hello there\n\n01:00.000 --> 01:01.000\n",
    "t.csv": 'start,end,text,speaker\n1.5,2,Hello there,Ann\n"0:01:00","1:01",,\n',
}


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_transcripts(tmp_path, name):
    (tmp_path / name).write_text(TRANSCRIPTS[name], encoding="utf-8-sig")
    speaker = "" if name == "t.srt" else "Ann"
    assert read_transcript(tmp_path / name) == [Span(1.5, 2.0, "Hello there", speaker), Span(60.0, 61.0, "", "")]


@pytest.mark.parametrize(
    "name, text, said",
    [
        ("t.srt", "1\n00:00:02,0 --> 00:00:01,0\nHi\n", "line 2: its span ends at 1 s, before it has begun at 2 s"),
        ("t.vtt", "WEBVTT\n\n1 --> 2\nHi\n", "line 3: '1 --> 2' is no span of time"),
        ("t.tsv", "start\tstop\n1\t2\n", "does not name the column end and text"),
        ("t.csv", "start,end,text\n1,later,Hi\n", "line 2: start or end is no time: 1, later, Hi"),
        ("t.srt", "", "it holds no span"),
    ],
)
def test_mistakes_in_transcripts(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(EmofuseError, match="the transcript cannot be used") as caught:
        read_transcript(tmp_path / name)
    assert said in str(caught.value)


def test_long_recordings_become_windows_unless_their_words_are_known(tmp_path):
    for name, seconds in (("long", 33.5), ("rest", 32.5), ("short", 29)):
        (tmp_path / f"{name}.wav").write_bytes(wav_bytes(np.zeros(int(seconds * RATE), np.int16)))
    row = Row("long", "long", audio=str(tmp_path / "long.wav"))
    spans = [(r.turn_id, r.start_s, r.end_s) for r in turns_of([Recording(row)], 8.0)]
    assert spans[0] == ("long.0001", 0, 8) and spans[-1] == ("long.0005", 32, 33.5) and len(spans) == 5
    rest = turns_of([Recording(replace(row, audio=str(tmp_path / "rest.wav")))], 8.0)
    assert (len(rest), rest[-1].start_s, rest[-1].end_s) == (4, 24, 32.5)  # half a second is no window
    assert len(turns_of([Recording(replace(row, audio=str(tmp_path / "short.wav")))], 8.0)) == 1
    assert len(turns_of([Recording(replace(row, text="words"))], 8.0)) == 1
    (tmp_path / "long.srt").write_text(TRANSCRIPTS["t.srt"])
    one, two = turns_of([Recording(row, str(tmp_path / "long.srt"))], 8.0)
    assert (one.start_s, one.end_s, one.text, two.text) == (1.5, 2.0, "Hello there", None)


def test_words_on_the_page_are_words(tmp_path):
    table = pd.DataFrame(
        [
            {
                "turn_id": "a",
                "start_s": None,
                "end_s": None,
                "text": "<b>x</b>",
                "text_from": "recognised",
                "prediction": "ang",
                "prob_ang": 0.75,
            }
            | {"prob_own": 0.25, "there": "text", "missing": "", "stand_in": ""},
            {
                "turn_id": "b",
                "start_s": 1.0,
                "end_s": 2.0,
                "text": "",
                "text_from": "",
                "prediction": None,
                "prob_ang": None,
            }
            | {"prob_own": None, "there": "", "missing": "text: no words", "stand_in": "nothing is left"},
        ]
    )
    record = {"corpus": "c", "run": "r", "fold": "f", "seed": 0, "system": "s", "files": {}, "notice": "Mind <this>"}
    write_page(tmp_path / "page.html", table, ["ang", "own"], record, {})
    page = (tmp_path / "page.html").read_text()
    assert (
        "&lt;b&gt;x&lt;/b&gt;" in page
        and "Mind &lt;this&gt;" in page
        and "<b>x" not in page
        and page.count("(recognised)") == 1
    )
    assert (
        page.count('style="width: 75.0%"') == 1
        and "anger" in page
        and "no prediction" in page
        and "1.0 s to 2.0 s" in page
    )
