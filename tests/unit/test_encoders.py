"""The uniform classifier: a turn's embedding must not depend on its batch, and weights come from safetensors alone."""

import socket

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizer,
    HubertConfig,
    HubertModel,
    ResNetConfig,
    ResNetModel,
    VideoMAEConfig,
    VideoMAEModel,
    ViTImageProcessor,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
)

from emofuse.encoders.fitness import WORDS
from emofuse.encoders.inputs import AudioInputs
from emofuse.encoders.model import (
    EmotionClassifier,
    checkpoint_hash,
    load_classifier,
    load_pretrained,
    save_classifier,
)
from emofuse.runtime.errors import EmofuseError

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
SPEECH = {"conv_dim": [16] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}


def speech_backbone(kind, norm):
    config, model = {"wav2vec2": (Wav2Vec2Config, Wav2Vec2Model), "hubert": (HubertConfig, HubertModel)}[kind]
    return model(config(**SMALL, **SPEECH, feat_extract_norm=norm, conv_bias=norm == "layer"))


def classifier(backbone, pooling="mean"):
    torch.manual_seed(0)
    return EmotionClassifier(backbone, classes=4, pooling=pooling, dropout=0.1).eval()


def embed(model, batch, turns):
    """The embeddings of a batch of windows; turns: whose each window is."""
    lengths = batch["attention_mask"].sum(1).tolist() if "attention_mask" in batch else None
    with torch.inference_mode():
        return model(shares(turns), dict(batch), lengths)["embedding"]


def shares(turns):
    whose = torch.nn.functional.one_hot(torch.as_tensor(turns)).T.float()
    return whose / whose.sum(1, keepdim=True)


@pytest.mark.parametrize("kind", ["wav2vec2", "hubert"])
@pytest.mark.parametrize("norm", ["group", "layer"])
def test_speech_embedding_does_not_depend_on_the_batch(kind, norm):
    torch.manual_seed(1)
    model = classifier(speech_backbone(kind, norm))
    inputs = AudioInputs(Wav2Vec2FeatureExtractor(do_normalize=True), max_seconds=10)
    rng = np.random.default_rng(0)
    sounds = [rng.standard_normal(n).astype(np.float32) for n in (9_360, 16_000, 47_123)]
    together = embed(model, inputs.batch(sounds), [0, 1, 2])
    for i, sound in enumerate(sounds):
        alone = embed(model, inputs.batch([sound]), [0])
        torch.testing.assert_close(alone[0], together[i], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("lengths", [(1_000, 700, 312), (800, 800)])
def test_the_masked_norm_is_pytorchs_of_each_window_alone(lengths):
    torch.manual_seed(1)
    backbone = speech_backbone("wav2vec2", "group")
    masked, layer = classifier(backbone).masked_norm, backbone.feature_extractor.conv_layers[0]
    norm = torch.nn.GroupNorm(16, 16)  # as it was before
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    layer.layer_norm.load_state_dict(norm.state_dict())
    frames = 3 + torch.randn(len(lengths), 16, max(lengths), dtype=torch.float32, requires_grad=True)
    masked.samples = [(n - 1) * masked.stride + masked.kernel for n in lengths]
    normed = layer.layer_norm(frames)
    gradient = torch.randn_like(normed)
    for row, n in enumerate(lengths):
        alone = norm(frames[row : row + 1, :, :n])
        torch.testing.assert_close(normed[row, :, :n], alone[0])
        assert not normed[row, :, n:].any()
        gradient[row, :, n:] = 0
    (own,) = torch.autograd.grad(normed, frames, gradient)
    (theirs,) = torch.autograd.grad(
        [norm(frames[i : i + 1, :, :n]) for i, n in enumerate(lengths)],
        frames,
        [gradient[i : i + 1, :, :n] for i, n in enumerate(lengths)],
    )
    torch.testing.assert_close(own, theirs)


def test_without_the_remedy_padding_would_change_the_embedding():
    """The trap is real: the same backbone, fed a padded batch as it is, gives another vector."""
    torch.manual_seed(1)
    backbone = speech_backbone("wav2vec2", "group").eval()
    short = torch.randn(1, 9_360)
    padded = torch.nn.functional.pad(short, (0, 40_000))
    mask = torch.zeros_like(padded, dtype=torch.long)
    mask[:, :9_360] = 1
    with torch.inference_mode():
        alone = backbone(short).last_hidden_state
        beside = backbone(padded, attention_mask=mask).last_hidden_state[:, : alone.shape[1]]
    assert (alone - beside).abs().max() > 1e-2


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_text_embedding_does_not_depend_on_the_batch(pooling):
    torch.manual_seed(1)
    model = classifier(BertModel(BertConfig(**SMALL, vocab_size=50)), pooling)
    ids, mask = torch.randint(5, 50, (2, 12)), torch.ones(2, 12, dtype=torch.long)
    ids[0, 5:], mask[0, 5:] = 0, 0
    together = embed(model, {"input_ids": ids, "attention_mask": mask}, [0, 1])
    alone = embed(model, {"input_ids": ids[:1, :5], "attention_mask": mask[:1, :5]}, [0])
    torch.testing.assert_close(alone[0], together[0], atol=1e-5, rtol=1e-4)


def test_windows_of_a_turn_are_averaged():
    torch.manual_seed(1)
    config = VideoMAEConfig(**SMALL, image_size=16, patch_size=8, num_frames=4)
    model = classifier(VideoMAEModel(config))
    pixels = torch.randn(5, 4, 3, 16, 16)
    single = embed(model, {"pixel_values": pixels}, [0, 1, 2, 3, 4])
    grouped = embed(model, {"pixel_values": pixels}, [0, 0, 1, 1, 1])
    torch.testing.assert_close(grouped, torch.stack([single[:2].mean(0), single[2:].mean(0)]))


def test_logits_are_the_head_of_the_embedding():
    model = classifier(BertModel(BertConfig(**SMALL, vocab_size=50)))
    batch = {"input_ids": torch.randint(5, 50, (3, 7)), "attention_mask": torch.ones(3, 7, dtype=torch.long)}
    with torch.no_grad():
        result = model(shares([0, 1, 2]), batch, None, labels=torch.tensor([0, 1, 2]))
        torch.testing.assert_close(result["logits"], model.head(result["embedding"]))
    torch.testing.assert_close(
        result["loss"], torch.nn.functional.cross_entropy(result["logits"], torch.tensor([0, 1, 2]))
    )


def test_saved_and_loaded_it_is_the_same(tmp_path):
    model = classifier(speech_backbone("wav2vec2", "group"))
    save_classifier(model, tmp_path)
    again = load_classifier(tmp_path, "mean")
    batch = {"input_values": torch.randn(2, 8_000), "attention_mask": torch.ones(2, 8_000, dtype=torch.long)}
    torch.testing.assert_close(embed(model, batch, [0, 1]), embed(again, batch, [0, 1]), atol=0, rtol=0)
    before = checkpoint_hash(tmp_path)
    with torch.no_grad():
        model.head.bias += 1
    save_classifier(model, tmp_path)
    assert checkpoint_hash(tmp_path) != before


def test_pretrained_is_loaded_from_its_folder_without_asking_the_hub(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a request")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    saved = BertModel(BertConfig(**SMALL, vocab_size=100))
    saved.half().save_pretrained(tmp_path)
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", *WORDS]
    BertTokenizer(vocab={word: i for i, word in enumerate(tokens)}).save_pretrained(tmp_path)
    backbone, tokenizer = load_pretrained(tmp_path, "text", "encoders.text.bert.model")
    assert {weights.dtype for weights in backbone.parameters()} == {torch.float32}
    for name, weights in saved.state_dict().items():
        torch.testing.assert_close(backbone.state_dict()[name], weights.float(), atol=0, rtol=0)
    assert tokenizer("a")["input_ids"] == [2, 4, 3]


def test_pickled_weights_are_refused(tmp_path):
    BertConfig(**SMALL).save_pretrained(tmp_path)
    torch.save(BertModel(BertConfig(**SMALL)).state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(EmofuseError, match=r"encoders\.text\.bert\.model: .* cannot be loaded .*model\.safetensors"):
        load_pretrained(tmp_path, "text", "encoders.text.bert.model")


def test_missing_folder_is_named_and_not_taken_for_a_hub_id():
    with pytest.raises(EmofuseError) as caught:
        load_pretrained("owner/name", "audio", "encoders.audio.x.model")
    assert str(caught.value) == (
        "encoders.audio.x.model: the encoder in owner/name cannot be loaded (there is no such folder).\n"
        "The folder must hold config.json, model.safetensors and the processor's files, as Transformers saves them."
    )


def test_encoder_without_a_width_is_refused(tmp_path):
    ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[8], depths=[1])).save_pretrained(tmp_path)
    ViTImageProcessor().save_pretrained(tmp_path)
    with pytest.raises(EmofuseError, match=r"encoders\.video\.r\.model: .*ResNetModel.* no hidden_size"):
        load_pretrained(tmp_path, "video", "encoders.video.r.model")
