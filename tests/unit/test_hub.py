"""Encoders of the Hub: fetched whole or not at all, converted without a changed bit, and noticed when damaged."""

import hashlib
import io
import json
import os
import re
import time

import pytest
import torch
from huggingface_hub.utils import close_session
from safetensors.torch import load_file
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertTokenizer,
    VideoMAEConfig,
    VideoMAEForPreTraining,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForPreTraining,
)
from transformers.models.videomae.image_processing_pil_videomae import VideoMAEImageProcessorPil

from emofuse.encoders.fitness import WORDS
from emofuse.encoders.hub import check_download, check_hub_ids, download_encoder
from emofuse.encoders.model import load_pretrained
from emofuse.runtime.errors import EmofuseError
from unit.fake_hub import FakeHub

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
REMEDY = (
    "Two ways to put it there: run 'snakemake download' with the same config on a machine with network and copy"
    " resources/encoders over,\nor set encoders.audio.w.model to a local folder that holds config.json,"
    " model.safetensors and the processor's files."
)


def saved(folder, *parts, **options):
    """The files (bytes by name) that Transformers writes of models and processors."""
    for part in parts:
        part.save_pretrained(folder, **options)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def pickled(value, **options):
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def speech(folder):
    """A pretraining checkpoint as the first ones were: pickled in the old format, under old names, with heads."""
    config = Wav2Vec2Config(**SMALL, conv_dim=[16] * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2)
    config.codevector_dim = config.proj_codevector_dim = 16
    model = Wav2Vec2ForPreTraining(config).eval()
    files = saved(folder, model, Wav2Vec2FeatureExtractor(do_normalize=True))
    position = "wav2vec2.encoder.pos_conv_embed.conv"
    renamed = {
        f"{position}.parametrizations.weight.original{i}": f"{position}.weight_{name}" for i, name in enumerate("gv")
    }
    weights = {renamed.get(name, name): value for name, value in model.state_dict().items()}
    assert set(renamed.values()) <= set(weights)
    del files["model.safetensors"]
    files["pytorch_model.bin"] = pickled(weights, _use_new_zipfile_serialization=False)
    return files, model.wav2vec2, {"input_values": torch.randn(2, 4_000)}


def text(folder):
    """Sharded safetensors of half the precision, without a pooler, beside files that nobody needs."""
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", *WORDS]
    tokenizer = BertTokenizer(vocab={word: i for i, word in enumerate(tokens)})
    model = BertForMaskedLM(BertConfig(**SMALL, vocab_size=len(tokens))).to(torch.bfloat16).eval()
    files = saved(folder, model, tokenizer, max_shard_size="20KB")
    assert "model.safetensors.index.json" in files
    files |= {"pytorch_model.bin": b"", "adapter_config.json": b"{}", "onnx/config.json": b"{}", "README.md": b""}
    return files, model.bert.float(), {"input_ids": torch.tensor([[2, 4, 3]])}


def video(folder):
    config = VideoMAEConfig(
        **SMALL, image_size=16, patch_size=8, num_frames=4, decoder_hidden_size=16, decoder_num_attention_heads=2
    )
    config.use_mean_pooling = False
    model = VideoMAEForPreTraining(config).eval()
    return (
        saved(
            folder,
            model,
            VideoMAEImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}),
        ),
        model.videomae,
        {"pixel_values": torch.randn(1, 4, 3, 16, 16)},
    )


@pytest.fixture(scope="module")
def speech_files(tmp_path_factory):
    torch.manual_seed(0)
    return speech(tmp_path_factory.mktemp("speech"))[0]


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """An empty hub, which the client asks instead of the real one."""
    hub = FakeHub()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with hub.serve() as address:
        point_to(address, monkeypatch, tmp_path)
        yield hub
        close_session()


def point_to(address, monkeypatch, tmp_path):
    constants = "huggingface_hub.constants"
    monkeypatch.setattr(f"{constants}.ENDPOINT", address)
    monkeypatch.setattr(
        f"{constants}.HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(f"{constants}.HF_HUB_CACHE", str(tmp_path / "no cache"))
    monkeypatch.setattr(f"{constants}.HF_HUB_OFFLINE", False)
    close_session()


def fetch(tmp_path, modality="audio", model="owner/name", revision="main"):
    folder = tmp_path / "encoders/owner--name" / revision
    folder.mkdir(parents=True, exist_ok=True)  # Snakemake makes the folder of an output
    download_encoder(model, revision, modality, "w", folder)
    return folder


def failure(tmp_path, **options):
    """The message of a download that fails; nothing lies where the encoder should."""
    with pytest.raises(EmofuseError) as caught:
        fetch(tmp_path, **options)
    assert [path.name for path in tmp_path.glob("encoders/owner--name/*/*")] == []
    return str(caught.value)


@pytest.mark.parametrize(
    ("make", "modality", "converted"), [(speech, "audio", True), (text, "text", False), (video, "video", False)]
)
def test_downloaded_encoder_is_the_published_one(make, modality, converted, hub, tmp_path):
    torch.manual_seed(1)
    (tmp_path / "made").mkdir()
    files, published, inputs = make(tmp_path / "made")
    hub.repositories["owner/name"] = {"main": files}
    folder = fetch(tmp_path, modality)

    record = json.loads((folder / "download.json").read_text())
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    del digests["download.json"]
    assert {"config.json", "model.safetensors"} < set(digests)
    assert record == {
        "model": "owner/name",
        "revision": "main",
        "commit": hub.commit(files),
        "converted": converted,
        "files": digests,
    }
    assert check_download(folder) == record
    assert list((tmp_path / "encoders/.cache").iterdir()) == []
    assert {weights.dtype for weights in load_file(folder / "model.safetensors").values()} == {torch.float32}
    assert len({path.stat().st_mode for path in folder.iterdir()}) == 1  # who may read one may read all
    asked = {request.rpartition("/")[2] for request in hub.requests if "/resolve/" in request}
    assert ("pytorch_model.bin" in asked) == converted
    assert not asked & {"adapter_config.json", "README.md"}
    assert not any("onnx" in request for request in hub.requests)

    count = len(hub.requests)
    backbone, _ = load_pretrained(folder, modality, f"encoders.{modality}.w.model")
    assert len(hub.requests) == count
    with torch.inference_mode():
        ours, theirs = (model.eval()(**inputs).last_hidden_state for model in (backbone, published))
    assert torch.equal(ours, theirs)

    first = record["files"]["model.safetensors"]
    torch.manual_seed(2)
    hub.repositories["owner/name"]["other"] = files
    again = check_download(fetch(tmp_path, modality, revision="other"))
    assert again["files"]["model.safetensors"] == first  # also what the checkpoint lacks and what is drawn instead


def test_pinned_commit_is_what_is_fetched(hub, tmp_path, speech_files):
    other = {**speech_files, "config.json": b"{}"}
    commit = hub.commit(speech_files)
    hub.repositories["owner/name"] = {"main": other, commit: speech_files}
    assert check_download(fetch(tmp_path, revision=commit))["commit"] == commit


def test_pickle_that_would_run_code_is_refused(hub, tmp_path, speech_files):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    weights = pickled({"wav2vec2.masked_spec_embed": Trap()})
    hub.repositories["owner/name"] = {"main": {**speech_files, "pytorch_model.bin": weights}}
    message = failure(tmp_path)
    assert message == (
        "encoders.audio.w: the encoder 'owner/name' at revision 'main' cannot be downloaded: its pytorch_model.bin is"
        f" damaged or holds more than tensors, which could run code; it is not read.\n{REMEDY}"
    )
    assert not (tmp_path / "sprung").exists()
    assert list((tmp_path / "encoders/.cache").iterdir()) == []
    torch.load(io.BytesIO(weights), weights_only=False)
    assert (tmp_path / "sprung").exists()


def test_checkpoint_that_lacks_weights_is_refused(hub, tmp_path, speech_files):
    weights = torch.load(io.BytesIO(speech_files["pytorch_model.bin"]), weights_only=True)
    del weights["wav2vec2.encoder.layers.1.attention.k_proj.bias"]
    hub.repositories["owner/name"] = {"main": {**speech_files, "pytorch_model.bin": pickled(weights)}}
    assert (
        "its checkpoint lacks 1 weights of Wav2Vec2Model, such as encoder.layers.1.attention.k_proj.bias.\n"
        in failure(tmp_path)
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"pytorch_model.bin": None}, "it has neither model.safetensors nor pytorch_model.bin"),
        ({"preprocessor_config.json": None}, "Transformers cannot load it (Can't load feature extractor for"),
        ({"config.json": b'{"model_type": "x", "auto_map": {"AutoModel": "m.M"}}'}, "Transformers cannot load it (The"),
        ({"pytorch_model.bin": b"<html>"}, "its pytorch_model.bin is damaged or holds more than"),
    ],
)
def test_unusable_repository_is_refused(hub, tmp_path, speech_files, change, reason):
    files = {name: data for name, data in {**speech_files, **change}.items() if data is not None}
    hub.repositories["owner/name"] = {"main": files}
    message = failure(tmp_path)
    assert f"cannot be downloaded: {reason}" in message
    assert message.endswith(REMEDY)


def test_unknown_repository_and_revision_are_named(hub, tmp_path, speech_files):
    assert "cannot be downloaded: the hub has no such repository, or it is private" in failure(tmp_path)
    hub.repositories["owner/name"] = {"main": speech_files}
    message = failure(tmp_path, revision="v2")
    assert "'owner/name' at revision 'v2' cannot be downloaded: the repository has no revision 'v2'.\n" in message
    assert message.endswith(REMEDY)


def test_refused_download_goes_on_where_it_stopped(hub, tmp_path, speech_files):
    hub.repositories["owner/name"] = {"main": speech_files}
    hub.gated.add("pytorch_model.bin")
    assert "its owner grants access on request; accept the terms on its page and set HF_TOKEN.\n" in failure(tmp_path)
    hub.gated.clear()
    check_download(fetch(tmp_path))
    fetched = [request for request in hub.requests if request.startswith("GET") and "/resolve/" in request]
    assert sorted(request.rpartition("/")[2] for request in fetched) == [
        "config.json",
        "preprocessor_config.json",
        "pytorch_model.bin",
    ]


def test_without_network_it_fails_at_once(tmp_path, monkeypatch):
    with FakeHub().serve() as address:
        pass
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    point_to(address, monkeypatch, tmp_path)
    began = time.monotonic()
    message = failure(tmp_path)
    assert time.monotonic() - began < 10
    assert re.search(
        r"cannot be downloaded: the hub cannot be reached or does not give it \(.*Connection refused\)\.\n", message
    )
    assert message.endswith(REMEDY)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set" in failure(tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "download.json"])
def test_damaged_download_is_noticed(hub, tmp_path, speech_files, name):
    hub.repositories["owner/name"] = {"main": speech_files}
    folder = fetch(tmp_path)
    message = rf"owner--name/main/{re.escape(name)} is gone or not what was downloaded\. Delete the folder"
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 128
    (folder / name).write_bytes(data)
    with pytest.raises(EmofuseError, match=message):
        check_download(folder)
    (folder / name).unlink()
    with pytest.raises(EmofuseError, match=message):
        check_download(folder)


def test_names_that_cannot_be_folders_are_refused():
    entry = {"modality": "audio", "encoder": "w", "model": "facebook/wav2vec2-base", "revision": "main"}
    names = [{}, {"model": "gpt2"}, {"revision": "0b5b8e868dd84f03fd87d01f9c4ff0f080fecfe8"}, {"revision": "v1.0"}]
    check_hub_ids([{**entry, **change} for change in names])
    wrong = {**entry, "revision": "refs/pr/1"}
    with pytest.raises(EmofuseError) as caught:
        check_hub_ids([entry, wrong, {**entry, "encoder": "v", "model": "../x"}, {**entry, "revision": ".."}])
    assert str(caught.value).splitlines() == [
        "encoders cannot be looked up on the Hugging Face Hub:",
        "  encoders.audio.w.revision: 'refs/pr/1' cannot name a folder; write the commit that it stands for",
        "  encoders.audio.v.model: '../x' is neither a Hub id (owner/name) nor a folder that is there",
        "  encoders.audio.w.revision: '..' cannot name a folder; write the commit that it stands for",
    ]
