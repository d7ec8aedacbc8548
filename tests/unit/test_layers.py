"""Knobs on an encoder's layers: what is frozen stays as it was, rates fall from layer to layer, other states are pooled."""

import copy

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import Wav2Vec2Config, Wav2Vec2Model, WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from emofuse.encoders.architectures import BUILDERS, TINY, TINY_SPEECH, build
from emofuse.encoders.inputs import Collator, make_inputs
from emofuse.encoders.layers import LayerStates, depths, scale_rates, set_up
from emofuse.encoders.model import EmotionClassifier, checkpoint_hash, load_classifier, save_classifier
from emofuse.encoders.proof import check_encoders
from emofuse.runtime.errors import EmofuseError

MODALITY = {name: "text" for name in ("bert", "roberta", "distilbert")} | {"videomae": "video"}
PLAIN = {"freeze_layers": 0, "layer": "last", "layer_decay": 1.0}
OWN = {"max_tokens": 16, "markers": "keep", "max_seconds": 1, "stride": 1, "eval_windows": 1, "mirror": 0.0}
ARCHITECTURES = sorted(BUILDERS)


def make(name, layer="last", **settings):
    """(classifier, a batch of two turns) of a tiny encoder that is set up as in a training."""
    torch.manual_seed(0)
    backbone, processor = build(name, ["happy", "sad"])
    modality = MODALITY.get(name, "audio")
    set_up(backbone, PLAIN | settings | {"layer": layer}, f"encoders.{modality}.{name}")
    inputs = make_inputs(modality, processor, backbone.config, OWN)
    rng = np.random.default_rng(0)
    windows = {
        "text": ["happy happy sad", "sad"],
        "audio": [rng.normal(0, 0.1, n).astype(np.float32) for n in (16_000, 9_000)],
        "video": list(rng.integers(0, 256, (2, 8, 3, 48, 48), dtype=np.uint8)),
    }[modality]
    batch = Collator(inputs)([{"windows": [window], "label": n} for n, window in enumerate(windows)])
    classifier = EmotionClassifier(backbone, 3, "mean", 0.0, getattr(inputs, "pixels", None), layer)
    return classifier, batch


def step(classifier, batch):
    """One step of training; the names of the parameters that it changed."""
    before = copy.deepcopy(classifier.state_dict())
    classifier.train()
    optimizer = torch.optim.AdamW([p for p in classifier.parameters() if p.requires_grad], lr=0.1)
    classifier(**batch)["loss"].backward()
    optimizer.step()
    return {name for name, tensor in classifier.state_dict().items() if not torch.equal(tensor, before[name])}


def refused(name, **settings):
    with pytest.raises(EmofuseError) as caught:
        make(name, **settings)
    return str(caught.value)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_frozen_layers_and_all_below_them_stay_as_they_were(name):
    classifier, batch = make(name, freeze_layers=1)
    found = depths(classifier.backbone)
    assert {depth for depth in found.values()} >= {0, 1, 2}
    changed = step(classifier, batch)
    low = {f"backbone.{parameter}" for parameter, depth in found.items() if depth <= 1}
    second = {f"backbone.{parameter}" for parameter, depth in found.items() if depth == 2}
    assert not changed & low and second <= changed and {"head.weight", "head.bias"} <= changed
    assert all(p.grad is None for n, p in classifier.backbone.named_parameters() if found[n] <= 1)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_without_freezing_everything_that_is_read_is_trained(name):
    classifier, batch = make(name)
    rest = {n for n, _ in classifier.named_parameters()} - step(classifier, batch)
    assert all(n.startswith("backbone.pooler.") or n.endswith("masked_spec_embed") for n in rest)


@pytest.mark.parametrize("name", ["wav2vec2", "hubert"])
def test_frozen_convolutions_get_no_gradient_and_what_follows_them_does(name):
    classifier, batch = make(name, freeze_convolutions=True)
    seen = []
    classifier.backbone.feature_extractor.register_forward_hook(lambda *a: seen.append(a[-1].requires_grad))
    changed = step(classifier, batch)
    assert seen == [False] and not any(n.startswith("backbone.feature_extractor.") for n in changed)
    assert any(n.startswith("backbone.feature_projection.") for n in changed)
    assert any(n.startswith("backbone.encoder.pos_conv_embed.") for n in changed)


def test_what_an_encoder_has_not_is_refused_by_key():
    assert refused("ast", freeze_convolutions=True).startswith(
        "encoders.audio.ast.freeze_convolutions: ASTModel has no convolutions on waveforms"
    )
    assert refused("bert", freeze_layers=3) == "encoders.text.bert.freeze_layers: BertModel has 2 layers, and not 3"
    assert refused("bert", layer=3) == "encoders.text.bert.layer: BertModel has 2 layers, and not 3"
    assert refused("bert", layer=1, freeze_layers=2).startswith("encoders.text.bert.freeze_layers: layer 1 is pooled")
    assert refused("ast", mask_time_prob=0.1).startswith("encoders.audio.ast.mask_time_prob: ASTModel masks nothing")
    assert "mask_time_length: without mask_time_prob above 0" in refused("wav2vec2", mask_time_length=5)
    assert "is more than the 12 frames" in refused("wav2vec2", mask_time_prob=0.1, mask_time_length=13)
    assert "65 is more than the 64 features" in refused("hubert", mask_feature_prob=0.1, mask_feature_length=65)
    whisper = WhisperEncoder(WhisperConfig(d_model=16, encoder_layers=1, encoder_attention_heads=2, encoder_ffn_dim=16))
    for key in ("freeze_convolutions", "mask_time_prob"):
        with pytest.raises(EmofuseError, match=f"x.{key}: WhisperEncoder"):
            set_up(whisper, PLAIN | {key: 1}, "x")
    with pytest.raises(EmofuseError, match="x: the layers of Linear are not found"):
        set_up(torch.nn.Linear(1, 1), PLAIN | {"layer": 1}, "x")


def test_the_proof_refuses_it_before_anything_is_trained(tmp_path):
    backbone, processor = build("ast", [])
    backbone.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    settings = {"pooling": "mean", "max_seconds": 1, **PLAIN}
    entry = {"modality": "audio", "encoder": "a", "model": str(tmp_path), "small": None}
    for key, value in (("freeze_convolutions", True), ("layer", 3), ("freeze_layers", 3), ("mask_feature_prob", 0.1)):
        with pytest.raises(EmofuseError, match=f"encoders.audio.a.{key}: ASTModel"):
            check_encoders([entry | {"settings": settings | {key: value}}], 1, tmp_path / "out.json")
    check_encoders(
        [entry | {"settings": settings | {"layer": "weighted", "freeze_layers": 1}}], 1, tmp_path / "out.json"
    )


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_rates_fall_by_the_decay_from_the_head_to_the_embeddings(name):
    classifier, _ = make(name, layer_decay=0.5)
    names = {p: n for n, p in classifier.named_parameters()}
    norms = [p for n, p in classifier.named_parameters() if "bias" in n or "norm" in n.lower()]
    weights = [p for p in classifier.parameters() if all(p is not other for other in norms)]
    groups = [{"params": weights, "weight_decay": 0.3}, {"params": norms, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1.0)
    scale_rates(optimizer, classifier, 0.5, "last")
    rates = {names[p]: group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert rates.keys() == {n for n, _ in classifier.named_parameters()}
    assert rates["head.weight"] == rates["head.bias"] == 1.0
    by_depth = {
        depth: {rates[f"backbone.{n}"] for n, d in depths(classifier.backbone).items() if d == depth}
        for depth in (0, 1, 2)
    }
    assert by_depth == {0: {0.125}, 1: {0.25}, 2: {0.5}}
    decays = {names[p]: group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert all(decays[names[p]] == 0.0 for p in norms) and all(decays[names[p]] == 0.3 for p in weights)


def test_the_norm_that_speech_encoders_use_last_is_no_embedding():
    config = {**TINY_SPEECH, **TINY}
    for stable, depth in ((False, 0), (True, 3)):
        backbone = Wav2Vec2Model(Wav2Vec2Config(**config, do_stable_layer_norm=stable, feat_extract_norm="layer"))
        assert depths(backbone)["encoder.layer_norm.weight"] == depth


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_layer_by_number_is_what_transformers_calls_so(name):
    classifier, batch = make(name, layer=1)
    inputs = dict(batch["inputs"])
    if classifier.pixels:
        inputs["pixel_values"] = classifier.pixels(inputs["pixel_values"])
    classifier.eval()
    with torch.no_grad():
        found = classifier(**batch)["embedding"]
        states = classifier.backbone(**inputs, output_hidden_states=True).hidden_states[1]
        expected = batch["share"] @ classifier._pool(states, classifier._real(states, inputs.get("attention_mask")))
    assert torch.equal(found, expected)
    assert not torch.equal(found, make(name)[0].eval()(**batch)["embedding"])


@pytest.mark.parametrize("name", ["bert", "wav2vec2", "videomae"])
def test_a_weighted_sum_learns_its_weights_and_is_saved_with_the_head(name, tmp_path):
    classifier, batch = make(name, layer="weighted")
    states = LayerStates(classifier.backbone)
    with torch.no_grad():
        embedding = classifier.eval()(**batch)["embedding"]
        three = states.take(None)
        mean = sum(three) / 3
        mask = classifier._real(mean, batch["inputs"].get("attention_mask"))
        torch.testing.assert_close(embedding, batch["share"] @ classifier._pool(mean, mask))
    assert "mixture" in step(classifier, batch)
    save_classifier(classifier, tmp_path)
    assert load_file(tmp_path / "head.safetensors")["mixture"].shape == (3,)
    again = load_classifier(tmp_path, "mean", "weighted")
    again.pixels = classifier.pixels
    with torch.no_grad():
        assert torch.equal(classifier.eval()(**batch)["embedding"], again(**batch)["embedding"])
    before = checkpoint_hash(tmp_path)
    classifier.mixture.data[0] += 1
    save_classifier(classifier, tmp_path)
    assert checkpoint_hash(tmp_path) != before


def test_a_layer_that_layerdrop_skips_has_the_state_below_it():
    classifier, batch = make("wav2vec2", layer="weighted")
    classifier.train()
    classifier.backbone.config.layerdrop = 1.0
    assert torch.isfinite(classifier(**batch)["loss"])
    states = LayerStates(classifier.backbone)
    drawn = iter([torch.tensor(1.0), torch.tensor(0.0)])
    original, torch.rand = torch.rand, lambda *_: next(drawn)
    try:
        classifier.backbone.config.layerdrop = 0.5
        loss = classifier(**batch)["loss"]
    finally:
        torch.rand = original
    embeddings, first, second = states.take(None)
    assert torch.isfinite(loss) and first is second and first is not embeddings


@pytest.mark.parametrize("layer", [1, "weighted"])
def test_gradient_checkpointing_changes_no_gradient_of_a_chosen_layer(layer):
    gradients = []
    for checkpointing in (False, True):
        classifier, batch = make("bert", layer=layer)
        if checkpointing:
            classifier.backbone.activation_checkpointing_enable({"use_reentrant": False})
        classifier.train()
        for _ in range(2):
            torch.manual_seed(1)
            classifier.zero_grad()
            classifier(**batch)["loss"].backward()
        assert not classifier._states.states
        gradients.append([p.grad for p in classifier.parameters() if p.grad is not None])
    assert len(gradients[0]) == len(gradients[1]) > 10
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_masks_are_those_of_the_config_and_switch_specaugment_on():
    classifier, batch = make("wav2vec2", mask_time_prob=0.5, mask_time_length=2)
    config = classifier.backbone.config
    assert config.apply_spec_augment and (config.mask_time_prob, config.mask_time_length) == (0.5, 2)
    assert config.mask_feature_prob == 0 and not make("wav2vec2")[0].backbone.config.apply_spec_augment
    assert "backbone.masked_spec_embed" in step(classifier, batch)
    classifier, batch = make("hubert", mask_feature_prob=0.5, mask_feature_length=4)
    config = classifier.backbone.config
    assert (config.mask_feature_prob, config.mask_feature_length, config.mask_time_prob) == (0.5, 4, 0)
    projected = []
    classifier.backbone.encoder.register_forward_pre_hook(lambda _, a: projected.append(a[0].detach().clone()))
    classifier.train()(**batch)
    assert (projected[0] == 0).all(1).any()  # some features are 0 in all frames


def test_an_encoder_without_a_mask_of_its_own_gets_one_and_is_read_again(tmp_path):
    torch.manual_seed(0)
    unmasked = {**TINY_SPEECH, "mask_time_prob": 0.0, "mask_feature_prob": 0.0}
    backbone = Wav2Vec2Model(Wav2Vec2Config(**unmasked))
    assert not hasattr(backbone, "masked_spec_embed")
    set_up(backbone, PLAIN | {"mask_time_prob": 0.2}, "x")
    save_classifier(EmotionClassifier(backbone, 2, "mean", 0.0), tmp_path)
    assert torch.equal(load_classifier(tmp_path, "mean").backbone.masked_spec_embed, backbone.masked_spec_embed)
