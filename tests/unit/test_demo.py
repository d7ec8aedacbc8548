"""The demo input: complete, in the release's format, and telling the class by words, samples and pixels alone."""

import re
import wave
from collections import Counter
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.preprocessing import OneHotEncoder

from emofuse.corpora.iemocap.names import scenario_of
from emofuse.demo import chance
from emofuse.demo import plan as demo_plan
from emofuse.demo import turns as demo_turns
from emofuse.demo.release import write_dialog
from emofuse.demo.turns import direct
from emofuse.demo.words import vocabulary

RELEASE_NAME = re.compile(r"Ses0[1-5][FM]_(impro\d\d[ab]?|script\d\d_\d[b]?)")
DIALOG = "Ses01F_impro01"
SEED = 1


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("release")
    write_dialog(root, DIALOG, SEED)
    return root


@pytest.fixture(scope="module")
def turns():
    return [turn for dialog in demo_plan.DIALOGS for turn in direct(dialog, SEED)]


def four_class(turns):
    return [turn for turn in turns if turn.label in chance.CLASS_OF]


def samples(path):
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def grey_frames(path):
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)]).astype(np.int16)


def test_names_are_the_releases():
    assert len(set(demo_plan.DIALOGS)) == 20
    assert all(RELEASE_NAME.fullmatch(dialog) for dialog in demo_plan.DIALOGS)
    assert any(dialog[-1] in "ab" for dialog in demo_plan.DIALOGS)


def test_a_dialog_is_the_declared_files_and_no_others(tree):
    written = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()}
    assert written == set(demo_plan.dialog_files(DIALOG))


def test_the_same_seed_writes_the_same_bytes(tree, tmp_path):
    write_dialog(tmp_path, DIALOG, SEED)
    for name in demo_plan.dialog_files(DIALOG):
        assert (tmp_path / name).read_bytes() == (tree / name).read_bytes(), name


def test_the_avi_is_divx_split_screen_with_sound(tree):
    with av.open(str(tree / f"Session1/dialog/avi/DivX/{DIALOG}.avi")) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.width, video.height, video.codec_context.name) == (720, 480, "mpeg4")
        assert video.codec_context.codec_tag == "DX50"
        assert video.average_rate == Fraction(30_000, 1_001)
        assert audio.rate == 16_000
        held = video.frames
    frames = grey_frames(tree / f"Session1/dialog/avi/DivX/{DIALOG}.avi")
    assert len(frames) == held
    assert frames[0][:110].max() < 30 and frames[0][370:].max() < 30, "letterboxed"


def test_sentence_wavs_are_as_long_as_their_turns(tree):
    for turn in direct(DIALOG, SEED):
        with wave.open(str(tree / f"Session1/sentences/wav/{DIALOG}/{turn.turn_id}.wav")) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
            assert abs(file.getnframes() / 16_000 - (turn.end - turn.start)) < 1e-4


def test_turns_past_the_end_of_the_recording_have_their_own_wav(tmp_path):
    (dialog,) = demo_turns.ENDS_EARLY
    write_dialog(tmp_path, dialog, SEED)
    turns = direct(dialog, SEED)
    wav = len(samples(tmp_path / f"Session5/dialog/wav/{dialog}.wav")) / 2 / 16_000
    avi = len(grey_frames(tmp_path / f"Session5/dialog/avi/DivX/{dialog}.avi")) * 1001 / 30_000
    for end in (wav, avi):
        assert [turn.end < end for turn in turns] == [turn.start < end for turn in turns] == [True] * 14 + [False] * 2
    assert len(samples(tmp_path / f"Session5/sentences/wav/{dialog}/{turns[-1].turn_id}.wav")) == turns[-1].samples


def test_the_vocabulary_holds_every_word(turns):
    words = {word for turn in turns for word in re.findall(r"[a-z]+", turn.words.lower())}
    assert words <= set(vocabulary())


def test_every_session_has_the_same_labels(turns):
    for session in demo_plan.SESSIONS:
        own = [turn.label for turn in turns if demo_plan.session_of(turn.turn_id) == session]
        assert Counter(own) == chance.LABELS


def test_speakers_overlap_each_other_but_never_themselves(turns):
    overlaps = 0
    for one, two in pairwise(turns):
        if one.turn_id[:-5] == two.turn_id[:-5] and two.start < one.end:
            assert one.gender != two.gender
            overlaps += 1
    assert 0.3 < overlaps / len(turns) < 0.8


@pytest.mark.parametrize("seed", [0, 1])
def test_nothing_but_the_scene_tells_the_class_outside_words_samples_and_pixels(seed):
    """Guessing from everything else that surrounds a turn stays at the majority class, over the five sessions."""
    turns = four_class(turn for dialog in demo_plan.DIALOGS for turn in direct(dialog, seed))
    truth = np.array([chance.CLASS_OF[turn.label] for turn in turns])
    session = np.array([demo_plan.session_of(turn.turn_id) for turn in turns])
    gender = OneHotEncoder(sparse_output=False).fit_transform([[turn.gender] for turn in turns])
    numbers = [[t.end - t.start, t.start, int(t.turn_id[-3:]), len(t.words.split()), t.start % 1] for t in turns]
    features = np.hstack([gender, numbers])
    right = 0
    for held_out in demo_plan.SESSIONS:
        test = session == held_out
        forest = RandomForestClassifier(300, min_samples_leaf=3, random_state=0).fit(features[~test], truth[~test])
        right += (forest.predict(features[test]) == truth[test]).sum()
    majority = Counter(truth).most_common(1)[0][1] / len(truth)
    assert right / len(truth) < majority + 0.06


@pytest.mark.parametrize("seed", [0, 1])
def test_scenes_tell_the_class_and_moods_last_beyond_them(seed):
    """A scene's most frequent class in the other sessions is right more often than the majority class; a turn has the class of
    the one before it more often than its dialog's mix of classes would have it."""
    turns = four_class(turn for dialog in demo_plan.DIALOGS for turn in direct(dialog, seed))
    truth = [chance.CLASS_OF[turn.label] for turn in turns]
    session = [demo_plan.session_of(turn.turn_id) for turn in turns]
    scene = [scenario_of(turn.turn_id[:-5]) for turn in turns]
    right = 0
    for own, place, name in zip(session, scene, truth, strict=True):
        others = [t for s, p, t in zip(session, scene, truth, strict=True) if s != own and p == place]
        right += Counter(others).most_common(1)[0][0] == name
    majority = Counter(truth).most_common(1)[0][1] / len(truth)
    assert right / len(truth) > majority + 0.15
    same = expected = pairs = 0
    for dialog in demo_plan.DIALOGS:
        own = [name for turn, name in zip(turns, truth, strict=True) if turn.turn_id[:-5] == dialog]
        same += sum(one == two for one, two in pairwise(own))
        pairs += len(own) - 1
        expected += (len(own) - 1) * sum(n * (n - 1) for n in Counter(own).values()) / (len(own) * (len(own) - 1))
    assert same / pairs > expected / pairs + 0.1


def test_other_classes_change_nothing_but_words_samples_and_the_speakers_half(tree, tmp_path, monkeypatch):
    """The woman (left) shows other classes; times, numbers of words, loudness, the man's turns and his half stay."""
    show = demo_turns.shown_classes
    other = {"ang": "sad", "sad": "ang", "hap": "neu", "neu": "hap"}

    def shown(turn_id, *args):
        classes = show(turn_id, *args)
        return {kind: other[name] for kind, name in classes.items()} if turn_id[-4] == "F" else classes

    before = direct(DIALOG, SEED)
    monkeypatch.setattr(demo_turns, "shown_classes", shown)
    after = direct(DIALOG, SEED)
    for one, two in zip(before, after, strict=True):
        assert (one.turn_id, one.start, one.end, one.label) == (two.turn_id, two.start, two.end, two.label)
        assert len(one.words.split()) == len(two.words.split())
        assert (one.words == two.words) == (one.gender == "M")

    write_dialog(tmp_path, DIALOG, SEED)
    for turn in before:
        path = f"Session1/sentences/wav/{DIALOG}/{turn.turn_id}.wav"
        one, two = samples(tree / path), samples(tmp_path / path)
        assert len(one) == len(two)
        assert np.array_equal(one, two) == (turn.gender == "M")
        assert np.std(one) == pytest.approx(np.std(two), rel=0.02)
    path = f"Session1/dialog/avi/DivX/{DIALOG}.avi"
    change = np.abs(grey_frames(tree / path) - grey_frames(tmp_path / path)).mean(axis=(0, 1))
    assert change[:360].mean() > 1
    assert change[360:].mean() < 0.1, "no more than what the codec does"


def test_each_modality_shows_the_class_by_itself(turns):
    turns = four_class(turns)
    true = [chance.CLASS_OF[turn.label] for turn in turns]
    for kind, share in chance.SHOWN.items():
        shown = [getattr(turn, f"{kind}_class") for turn in turns]
        assert abs(np.mean([a == b for a, b in zip(true, shown, strict=True)]) - share) < 0.08


@pytest.mark.parametrize("name", demo_plan.ENCODERS)
def test_encoders_are_the_declared_files_and_hang_on_the_seed_alone(name, tmp_path):
    import torch

    from emofuse.demo import encoders as demo_encoders

    torch.manual_seed(5)
    before = torch.get_rng_state()
    demo_encoders.write_encoder(name, tmp_path / "a", SEED)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    demo_encoders.write_encoder(name, tmp_path / "b", SEED)
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(demo_plan.encoder_files(name))
    for file in demo_plan.encoder_files(name):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


@pytest.mark.parametrize("name", demo_plan.ENCODERS)
def test_encoders_load_as_they_were_made_and_are_equally_wide(name, tmp_path):
    import torch

    from emofuse.demo import encoders as demo_encoders
    from emofuse.encoders import architectures
    from emofuse.encoders import model as encoders

    demo_encoders.write_encoder(name, tmp_path, SEED)
    loaded, processor = encoders.load_pretrained(tmp_path, demo_plan.ENCODERS[name], "setting")
    torch.manual_seed(SEED)
    made, its_processor = architectures.build(name, vocabulary())
    assert type(loaded) is type(made) and type(processor) is type(its_processor)
    weights = loaded.state_dict()
    assert weights.keys() == made.state_dict().keys()
    assert all(torch.equal(weights[key], weight) for key, weight in made.state_dict().items())
    assert loaded.config.hidden_size == 64
    assert loaded.config._attn_implementation == "sdpa"  # PyTorch's fused kernels


def test_the_demo_has_every_architecture():
    from emofuse.encoders import architectures

    assert demo_plan.ENCODERS.keys() == architectures.BUILDERS.keys()


def test_the_spectrograms_hold_the_longest_turn(turns):
    from emofuse.encoders import architectures, inputs

    _, extractor = architectures.build("ast", vocabulary())
    longest = max(turn.samples for turn in turns)
    assert longest <= inputs.AudioInputs(extractor, max_seconds=10).most


@pytest.mark.parametrize("name", ["bert", "distilbert"])
def test_wordpieces_cut_any_english_text(name):
    from emofuse.encoders import architectures

    _, tokenizer = architectures.build(name, vocabulary())
    assert tokenizer.tokenize("The letter!") == ["the", "letter", "!"]
    assert "[UNK]" not in tokenizer.tokenize('Kids are talking by the door: 24 café-goers, "what\'s that?"')


def test_bytepairs_keep_the_words_and_cut_any_text():
    from emofuse.encoders import architectures

    _, tokenizer = architectures.build("roberta", vocabulary())
    assert tokenizer.tokenize("That letter, okay!") == ["That", "Ġletter", ",", "Ġokay", "!"]
    for word in vocabulary():
        for spelling in (word, word.capitalize(), f" {word}"):
            assert len(tokenizer.tokenize(spelling)) == 1, spelling
    odd = "Kids by the door: 24 café-goers, “what’s that?” 很好"
    ids = tokenizer(odd)["input_ids"]
    assert ids[0] == tokenizer.bos_token_id and ids[-1] == tokenizer.eos_token_id
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == odd
