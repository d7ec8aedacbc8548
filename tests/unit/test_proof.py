"""The proof of an encoder: it finds what would fail or mislead later, says it of all at once, and leaves no trace."""

import copy
import json

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2Model, GPT2Tokenizer

from emofuse.demo import plan as demo_plan
from emofuse.demo.encoders import write_encoder
from emofuse.encoders import proof
from emofuse.encoders.fitness import WORDS
from emofuse.encoders.inputs import make_inputs
from emofuse.encoders.model import EmotionClassifier, load_pretrained
from emofuse.runtime.errors import EmofuseError

SETTINGS = {
    "text": {"pooling": "cls", "max_tokens": 512, "markers": "keep"},
    "audio": {"pooling": "mean", "max_seconds": 1},
    "video": {"pooling": "mean", "stride": 2, "eval_windows": 2, "mirror": 0.5},
}


def entry(folder, modality, name="mine", **settings):
    """What the rule passes of one encoder."""
    return {
        "modality": modality,
        "encoder": name,
        "model": str(folder),
        "small": None,
        "settings": SETTINGS[modality] | settings,
    }


@pytest.fixture
def demo(tmp_path):
    """A function: the entry of a demo encoder, made into a folder of its own."""

    def make(name, **settings):
        write_encoder(name, tmp_path / name, seed=0)
        return entry(tmp_path / name, demo_plan.ENCODERS[name], **settings)

    return make


def loaded(modality, model, settings, **_):
    """The classifier and the inputs of an entry."""
    torch.manual_seed(0)
    backbone, processor = load_pretrained(model, modality, "x")
    inputs = make_inputs(modality, processor, backbone.config, settings)
    pixels = getattr(inputs, "pixels", None)
    return EmotionClassifier(backbone, 4, settings["pooling"], 0.1, pixels), inputs


def refusal(classifier, inputs, modality):
    with pytest.raises(EmofuseError) as caught:
        proof.prove(classifier, inputs, modality, f"encoders.{modality}.mine", "smaller")
    return str(caught.value)


def test_the_demos_encoders_are_proven(demo, tmp_path):
    entries = [demo(name) | {"encoder": name} for name in demo_plan.ENCODERS]
    proof.check_encoders(entries, 1, tmp_path / "checked.json")
    proven = json.loads((tmp_path / "checked.json").read_text())
    assert [row["encoder"] for row in proven] == [f"{m}.{name}" for name, m in demo_plan.ENCODERS.items()]
    assert proven[0]["class"] == "BertModel" and {row["width"] for row in proven} == {64}
    assert all(row["parameters"] > 80_000 and row["seconds"] < 30 for row in proven)


def test_the_trouble_of_all_is_told_at_once_by_key(demo, tmp_path):
    entries = [demo("bert"), demo("wav2vec2"), demo("videomae"), entry(tmp_path / "gone", "text", "gone")]
    for path in (tmp_path / "bert").glob("*token*"):
        path.unlink()
    extractor = tmp_path / "wav2vec2/preprocessor_config.json"
    extractor.write_text(json.dumps(json.loads(extractor.read_text()) | {"sampling_rate": 8_000}))
    with pytest.raises(EmofuseError) as caught:
        proof.check_encoders(entries, 1, tmp_path / "checked.json")
    lines = str(caught.value).splitlines()
    assert lines[0] == "Encoders that cannot be used: 3" and not (tmp_path / "checked.json").exists()
    assert lines[1].startswith("encoders.text.mine.model: ") and "knows 0 of 91 common English words" in lines[1]
    assert lines[2].startswith("encoders.audio.mine.model: ") and "8000 Hz" in lines[2]
    assert lines[3].startswith("encoders.text.gone.model: ") and "no such folder" in lines[3]


@pytest.mark.parametrize("name", ["bert", "wav2vec2", "videomae"])
def test_it_leaves_the_classifier_and_the_random_generators_as_they_were(demo, name):
    made = demo(name)
    classifier, inputs = loaded(**made)
    classifier.backbone.register_buffer("running", torch.zeros(1))  # as of a batch norm, which training moves

    def move(module, *_):
        module.running += 1

    classifier.backbone.register_forward_hook(move)
    before = copy.deepcopy(classifier.state_dict())
    torch.manual_seed(5)
    np.random.seed(5)
    expected = torch.rand(3), np.random.rand(3)
    torch.manual_seed(5)
    np.random.seed(5)
    proof.prove(classifier, inputs, made["modality"], "x", "")
    assert torch.equal(torch.rand(3), expected[0]) and np.array_equal(np.random.rand(3), expected[1])
    assert classifier.training and all(p.grad is None for p in classifier.parameters())
    assert all(torch.equal(tensor, before[key]) for key, tensor in classifier.state_dict().items())


def test_vectors_that_are_not_finite_are_refused(demo):
    classifier, inputs = loaded(**demo("bert"))
    with torch.no_grad():
        classifier.backbone.embeddings.word_embeddings.weight[:] = torch.nan
    assert (
        refusal(classifier, inputs, "text") == "encoders.text.mine.model: its vectors hold numbers that are not finite"
    )


def test_an_encoder_that_hears_nothing_is_refused(demo):
    classifier, inputs = loaded(**demo("ast"))
    with torch.no_grad():
        classifier.backbone.layernorm.weight[:] = 0
    assert "two different turns have the same vector in ASTModel" in refusal(classifier, inputs, "audio")


@pytest.mark.parametrize("name", ["bert", "wav2vec2"])
def test_padding_that_leaks_is_refused(demo, name, monkeypatch):
    made = demo(name, **({"max_seconds": 10} if name == "wav2vec2" else {}))
    classifier, inputs = loaded(**made)
    forward = classifier.backbone.forward
    monkeypatch.setattr(classifier.backbone, "forward", lambda attention_mask, **inputs: forward(**inputs))
    assert "depends on what else is in its batch" in refusal(classifier, inputs, made["modality"])


def test_states_of_another_width_are_refused(demo):
    classifier, inputs = loaded(**demo("bert"))
    classifier.backbone.config.hidden_size = 32
    assert "should give states (windows, positions, 32)" in refusal(classifier, inputs, "text")


def test_what_the_encoder_raises_is_told_by_key(demo):
    classifier, inputs = loaded(**demo("videomae"))
    inputs.frames = 6  # of 8
    message = refusal(classifier, inputs, "video")
    assert message.startswith(
        "encoders.video.mine.model: VideoMAEModel cannot be trained on what emofuse makes of a clip ("
    )


def test_texts_longer_than_the_encoder_has_positions_for_are_refused(demo):
    classifier, inputs = loaded(**demo("roberta"))
    inputs.max_tokens = 80
    message = refusal(classifier, inputs, "text")
    assert message.startswith("encoders.text.mine.max_tokens: RobertaModel cannot take a text of 80 tokens (")


def gpt2(folder, pooling, **settings):
    """The entry of a tiny GPT-2, whose tokenizer has no padding token."""
    spellings = [space + w for word in WORDS for w in (word, word.capitalize()) for space in ("", " ")]
    untrained = GPT2Tokenizer(vocab={"<|endoftext|>": 0}, merges=[], model_max_length=64)
    tokenizer = untrained.train_new_from_iterator([spellings], vocab_size=2_000, show_progress=False)
    config = GPT2Config(vocab_size=len(tokenizer), n_embd=16, n_layer=2, n_head=2, n_positions=64)
    GPT2Model(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return entry(folder, "text", pooling=pooling, **settings)


def test_a_causal_encoder_is_proven_with_the_mean_and_refused_with_its_first_position(tmp_path):
    proof.prove(*loaded(**gpt2(tmp_path, "mean")), "text", "encoders.text.mine", "")
    message = refusal(*loaded(**gpt2(tmp_path, "cls")), "text")
    assert message.startswith(
        "encoders.text.mine.pooling: 'cls' takes the first position, which in GPT2Model sees nothing"
    )
    assert message.endswith("Set it to 'mean'")


def test_an_encoder_that_sees_nothing_of_the_turns_around_is_refused(demo, tmp_path):
    for name in ("bert", "roberta"):
        proof.prove(*loaded(**demo(name, context={"before": 2, "after": 2})), "text", "x", "")
    proof.prove(*loaded(**gpt2(tmp_path / "gpt2", "mean", context={"before": 2, "after": 0})), "text", "x", "")
    causal = loaded(**gpt2(tmp_path / "gpt2", "mean", context={"before": 2, "after": 2}))
    message = refusal(*causal, "text")
    assert message.startswith(
        "encoders.text.mine.context.after: GPT2Model sees at a turn's words nothing of what stands after"
    )
    short = loaded(**demo("bert", context={"before": 0, "after": 1}, max_tokens=9))
    assert "encoders.text.mine.max_tokens: 9 tokens leave no room for the turns around" in refusal(*short, "text")


def test_a_loss_that_is_not_finite_is_refused(demo):
    classifier, inputs = loaded(**demo("bert"))
    with torch.no_grad():
        classifier.head.weight[:] = torch.inf
    assert "encoders.text.mine.model: the loss of a made-up turn is nan" in refusal(classifier, inputs, "text")


def test_short_memory_is_told_as_in_training(demo, monkeypatch):
    classifier, inputs = loaded(**demo("bert"))

    def out_of_memory(**inputs):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(classifier.backbone, "forward", out_of_memory)
    assert refusal(classifier, inputs, "text") == "the device ran out of memory (CUDA out of memory.).\nsmaller"
