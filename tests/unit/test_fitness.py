"""What an encoder's folder must hold to be used: its own weights, a vocabulary, sound at 16 kHz, pictures of its size."""

import errno
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoImageProcessor,
    AutoModel,
    AutoTokenizer,
    BartConfig,
    BartModel,
    BertConfig,
    BertModel,
    BertTokenizer,
    DebertaV2Tokenizer,
    GPT2Config,
    GPT2Model,
    GPT2Tokenizer,
    RobertaTokenizer,
    SeamlessM4TFeatureExtractor,
    T5Tokenizer,
    Wav2Vec2FeatureExtractor,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperModel,
    XLMRobertaTokenizer,
    XLNetTokenizer,
)
from transformers.models.videomae.image_processing_pil_videomae import VideoMAEImageProcessorPil

from emofuse.demo import plan as demo_plan
from emofuse.demo.encoders import write_encoder
from emofuse.encoders import architectures, fitness, hub
from emofuse.encoders import model as encoders
from emofuse.encoders.fitness import WORDS
from emofuse.encoders.inputs import Collator, make_inputs
from emofuse.encoders.model import EmotionClassifier, load_classifier, load_pretrained, read_processor, save_classifier
from emofuse.encoders.proof import prove
from emofuse.runtime.errors import EmofuseError

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]


def bert(folder, tokens=TOKENS, rows=None):
    """A tiny BERT and a tokenizer that knows some tokens, saved into `folder`."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(**sizes, vocab_size=rows or len(tokens))).save_pretrained(folder)
    BertTokenizer(vocab={token: i for i, token in enumerate(tokens)}).save_pretrained(folder)
    return folder


def refusal(folder, modality, name="mine"):
    """The message with which an encoder is refused."""
    with pytest.raises(EmofuseError) as caught:
        load_pretrained(folder, modality, f"encoders.{modality}.{name}.model")
    assert str(caught.value).startswith(f"encoders.{modality}.{name}.model: the encoder in {folder} cannot be ")
    return str(caught.value)


def rewrite(folder, change):
    """Save the weights of a folder as `change` makes them of {name: tensor}."""
    weights = change(load_file(folder / "model.safetensors"))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def setting(path, **values):
    """Change keys of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


# Weights


def test_weights_under_other_names_are_refused_with_what_to_take_off(tmp_path):
    rewrite(bert(tmp_path), lambda weights: {f"module.{name}": tensor for name, tensor in weights.items()})
    message = refusal(tmp_path, "text")
    assert "its checkpoint lacks 37 weights of BertModel, such as embeddings.LayerNorm.bias, embeddings." in message
    assert "it has module.embeddings.LayerNorm.bias: take 'module.' off its names" in message


def test_a_missing_layer_is_refused_by_its_names(tmp_path):
    rewrite(bert(tmp_path), lambda weights: {k: v for k, v in weights.items() if "layer.1." not in k})
    message = refusal(tmp_path, "text")
    assert "lacks 16 weights of BertModel, such as encoder.layer.1." in message and "take" not in message


def test_weights_of_another_shape_are_refused_by_name(tmp_path):
    rewrite(bert(tmp_path), lambda weights: weights | {"encoder.layer.0.output.dense.weight": torch.zeros(3, 3)})
    message = refusal(tmp_path, "text")
    assert "such as encoder.layer.0.output.dense.weight: (3, 3) and not (16, 32)" in message


def test_a_pooler_may_be_missing(tmp_path):
    rewrite(bert(tmp_path), lambda weights: {k: v for k, v in weights.items() if "pooler" not in k})
    load_pretrained(tmp_path, "text", "x")


@pytest.mark.parametrize("name", demo_plan.ENCODERS)
def test_what_may_be_missing_no_embedding_depends_on(name):
    """Each weight that does not pass for unread has a gradient from the states, and no other one has."""
    torch.manual_seed(0)
    backbone, processor = architectures.build(name, WORDS)
    backbone.eval()
    if demo_plan.ENCODERS[name] == "text":
        batch = processor("the and you", return_tensors="pt")
    elif name == "ast":
        batch = {"input_values": torch.randn(1, architectures.TINY_FRAMES, 128)}
    elif name == "videomae":
        batch = {"pixel_values": torch.randn(1, 8, 3, architectures.TINY_IMAGE, architectures.TINY_IMAGE)}
    else:
        batch = {"input_values": torch.randn(1, 8_000)}
    states = backbone(**batch).last_hidden_state
    (states * torch.randn_like(states)).sum().backward()
    read = {key for key, p in backbone.named_parameters() if p.grad is not None}
    assert read == {key for key, _ in backbone.named_parameters() if not fitness.UNREAD.search(key)}


def test_old_files_do_not_switch_checkpointing_on(tmp_path):
    bert(tmp_path)
    setting(tmp_path / "config.json", gradient_checkpointing=True)
    assert AutoModel.from_pretrained(tmp_path).is_activation_checkpointing  # so Transformers alone
    backbone, _ = load_pretrained(tmp_path, "text", "x")
    assert not backbone.is_activation_checkpointing


# Words


def test_a_tokenizer_without_its_vocabulary_is_refused(tmp_path):
    bert(tmp_path)
    for path in tmp_path.glob("*token*"):
        path.unlink()
    message = refusal(tmp_path, "text")
    assert "its tokenizer knows 0 of 91 common English words ('the', 'and', ...)" in message and "vocab.txt" in message


@pytest.mark.parametrize("kind", ["gpt2", "roberta"])
def test_an_empty_bytepair_tokenizer_is_refused(tmp_path, kind):
    """It makes nothing of a word, not even the unknown one."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    tokenizer = read_processor(tmp_path, "text")
    assert tokenizer("the", add_special_tokens=False)["input_ids"] == []
    with pytest.raises(EmofuseError, match=r"knows 0 of 91 .*merges\.txt.*vocab\.json"):
        fitness.check_tokenizer(tokenizer, 100)


def test_a_tokenizer_of_another_spelling_is_refused(tmp_path):
    """Cased, and all of its words in lower case: each capitalised one is unknown."""
    bert(tmp_path)
    BertTokenizer(vocab={t: i for i, t in enumerate(TOKENS)}, do_lower_case=False).save_pretrained(tmp_path)
    assert "knows 0 of 91 common English words ('The'" in refusal(tmp_path, "text")


def test_tokens_beyond_the_table_of_embeddings_are_refused(tmp_path):
    bert(tmp_path, rows=50)
    assert "a token of number 95, and its table of embeddings 50 rows" in refusal(tmp_path, "text")


def bytepairs():
    """GPT-2's tokenizer, trained on the common words, which has no padding token."""
    spellings = [space + w for word in WORDS for w in (word, word.capitalize()) for space in ("", " ")]
    untrained = GPT2Tokenizer(vocab={"<|endoftext|>": 0}, merges=[])
    return untrained.train_new_from_iterator([spellings], vocab_size=2_000, show_progress=False)


def test_a_tokenizer_without_padding_pads_with_its_end_of_text(tmp_path):
    tokenizer = bytepairs()
    assert tokenizer.pad_token is None
    tokenizer.padding_side = "left"
    tokenizer.save_pretrained(tmp_path)
    GPT2Model(GPT2Config(vocab_size=len(tokenizer), n_embd=16, n_layer=1, n_head=2)).save_pretrained(tmp_path)
    _, loaded = load_pretrained(tmp_path, "text", "x")
    batch = loaded(["the and you", "the"], padding=True)
    assert loaded.pad_token == "<|endoftext|>" and batch["attention_mask"][1] == [1, 0, 0]
    loaded.save_pretrained(tmp_path / "processor")  # as fine_tune does
    again = read_processor(tmp_path / "processor", "text")
    assert dict(again(["the and you", "the"], padding=True)) == dict(batch)
    loaded.pad_token = None
    with pytest.raises(EmofuseError, match="neither a padding token nor an end-of-text token"):
        fitness.check_tokenizer(loaded, 10_000)


def test_the_vocabularies_of_all_kinds_of_tokenizers_are_downloaded():
    kinds = (BertTokenizer, DebertaV2Tokenizer, GPT2Tokenizer, RobertaTokenizer, T5Tokenizer, XLMRobertaTokenizer)
    for kind in (*kinds, XLNetTokenizer):
        assert set(kind.vocab_files_names.values()) <= hub.PROCESSOR_FILES["text"], kind


def refused(*arguments, **options):
    """As Transformers does without sentencepiece, of a vocabulary that is nothing for tiktoken."""
    raise ValueError("`tiktoken` is required to read a `tiktoken` file.")


def test_sentencepiece_is_named_where_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(fitness, "find_spec", lambda name: None)
    bert(tmp_path)
    for path in tmp_path.glob("*token*"):
        path.unlink()
    setting(tmp_path / "config.json", model_type="deberta-v2")
    (tmp_path / "spm.model").write_bytes(b"a vocabulary")
    monkeypatch.setattr(encoders, "read_backbone", lambda folder: None)
    monkeypatch.setattr(AutoTokenizer, "from_pretrained", refused)
    assert "spm.model is read by the library sentencepiece, which is not installed" in refusal(tmp_path, "text")


def test_a_vocabulary_of_sentencepiece_is_read(tmp_path):
    sentencepiece = pytest.importorskip("sentencepiece")
    (tmp_path / "words.txt").write_text("\n".join(f"{word} {word.capitalize()}" for word in WORDS * 50))
    sentencepiece.SentencePieceTrainer.train(
        input=str(tmp_path / "words.txt"), model_prefix=str(tmp_path / "spm"), vocab_size=200, minloglevel=2
    )
    (tmp_path / "config.json").write_text('{"model_type": "deberta-v2"}')
    tokenizer = read_processor(tmp_path, "text")
    fitness.check_tokenizer(tokenizer, 1_000)
    assert isinstance(tokenizer, DebertaV2Tokenizer)


def test_an_encoder_with_a_decoder_is_refused(tmp_path):
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    bert(tmp_path)
    BartModel(BartConfig(**sizes, **heads, vocab_size=len(TOKENS))).save_pretrained(tmp_path)
    assert "BartModel has an encoder and a decoder; emofuse takes encoders alone" in refusal(tmp_path, "text")


# Sound and pictures


@pytest.fixture
def speech(tmp_path):
    write_encoder("wav2vec2", tmp_path, seed=0)
    return tmp_path


@pytest.mark.parametrize(
    ("extractor", "reason"),
    [
        (
            Wav2Vec2FeatureExtractor(sampling_rate=8_000),
            "is for sound of 8000 Hz (sampling_rate in preprocessor_config",
        ),
        (
            WhisperFeatureExtractor(),
            "WhisperFeatureExtractor makes input_features; emofuse feeds waveforms",
        ),  # not Whisper's
        (SeamlessM4TFeatureExtractor(), "SeamlessM4TFeatureExtractor makes input_features"),  # wav2vec2-BERT's
    ],
)
def test_an_extractor_for_other_sound_is_refused(speech, extractor, reason):
    extractor.save_pretrained(speech)
    assert reason in refusal(speech, "audio")


SMALL_WHISPER = {
    "d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_layers": 1,
    "decoder_attention_heads": 2, "decoder_ffn_dim": 64, "vocab_size": 60, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 2, "decoder_start_token_id": 1, "max_source_positions": 100,
}  # fmt: skip


@pytest.mark.parametrize("kind", [WhisperModel, WhisperForConditionalGeneration])
def test_of_whisper_the_encoder_is_taken(tmp_path, kind):
    """Whichever head it was saved with: the same vectors as its own encoder gives, the mean over the frames that hold sound."""
    torch.manual_seed(0)
    whole = kind(WhisperConfig(**SMALL_WHISPER))
    whole.save_pretrained(tmp_path)
    WhisperFeatureExtractor(chunk_length=2).save_pretrained(tmp_path)
    backbone, extractor = load_pretrained(tmp_path, "audio", "x")
    inputs = make_inputs("audio", extractor, backbone.config, {"max_seconds": 10})
    classifier = EmotionClassifier(backbone, 3, "mean", 0.0)
    prove(classifier, inputs, "audio", "encoders.audio.whisper", "")
    sounds = [np.random.default_rng(n).normal(0, 0.1, n).astype(np.float32) for n in (9_000, 20_000)]
    batch = Collator(inputs)([{"windows": [sound], "label": None} for sound in sounds])
    with torch.no_grad():
        states = whole.eval().get_encoder()(batch["inputs"]["input_features"]).last_hidden_state
        found = classifier.eval()(**batch)["embedding"]
    for row, sound in enumerate(sounds):
        frames = -(-len(sound) // 320)  # of 20 ms
        torch.testing.assert_close(found[row], states[row, :frames].mean(0))
    save_classifier(classifier, tmp_path / "again")
    extractor.save_pretrained(tmp_path / "again/processor")
    with torch.no_grad():
        torch.testing.assert_close(load_classifier(tmp_path / "again", "mean")(**batch)["embedding"], found)
    WhisperFeatureExtractor(feature_size=40, chunk_length=2).save_pretrained(tmp_path)
    assert "makes 200 frames of 40 numbers, and config.json says 200 of 80" in refusal(tmp_path, "audio")


def test_spectrograms_of_another_size_or_without_torchaudio_are_refused(tmp_path, monkeypatch):
    write_encoder("ast", tmp_path, seed=0)
    monkeypatch.setattr("transformers.is_speech_available", lambda: False)
    assert "ASTFeatureExtractor needs torchaudio for its filter bank" in refusal(tmp_path, "audio")
    monkeypatch.undo()
    setting(tmp_path / "preprocessor_config.json", max_length=1024)
    message = refusal(tmp_path, "audio")
    assert "max_length is 1024 in preprocessor_config.json and 144 in config.json" in message


def test_pictures_of_another_size_are_refused(tmp_path):
    write_encoder("videomae", tmp_path, seed=0)
    setting(tmp_path / "preprocessor_config.json", crop_size={"height": 32, "width": 32})
    assert "makes pictures of 32x32 pixels" in (message := refusal(tmp_path, "video"))
    assert "image_size in config.json is 48" in message


def test_pixels_do_not_depend_on_what_is_installed(tmp_path, monkeypatch):
    """Where torchvision is installed Transformers takes it, unless it is told otherwise."""
    write_encoder("videomae", tmp_path, seed=0)
    asked = []
    real = AutoImageProcessor.from_pretrained
    monkeypatch.setattr(
        AutoImageProcessor,
        "from_pretrained",
        lambda *a, **options: asked.append(options["backend"]) or real(*a, **options),
    )
    assert type(load_pretrained(tmp_path, "video", "x")[1]) is VideoMAEImageProcessorPil
    assert type(read_processor(tmp_path, "video")) is VideoMAEImageProcessorPil
    assert asked == ["pil", "pil"]


# What cannot be read now


def unreadable(*arguments, **options):
    raise PermissionError(errno.EACCES, "Permission denied", "model.safetensors")


def wrapped(*arguments, **options):
    try:
        raise OSError(errno.ETIMEDOUT, "Connection timed out")
    except OSError as error:
        raise ValueError("it cannot be loaded") from error


@pytest.mark.parametrize(("fault", "told"), [(unreadable, "Have its owner give you access"), (wrapped, "timed out")])
def test_what_cannot_be_read_now_is_not_called_damaged(tmp_path, monkeypatch, fault, told):
    backbone, _ = load_pretrained(bert(tmp_path / "bert"), "text", "x")
    save_classifier(EmotionClassifier(backbone, 2, "cls", 0.1), tmp_path / "tuned")
    monkeypatch.setattr(AutoModel, "from_pretrained", fault)
    message = refusal(tmp_path / "bert", "text")
    assert (
        "cannot be read now" in message and told in message and "run the same command again; delete nothing" in message
    )
    with pytest.raises(EmofuseError, match=r"tuned: the fine-tuned encoder cannot be read now: (.|\n)*delete nothing"):
        load_classifier(tmp_path / "tuned", "cls")
