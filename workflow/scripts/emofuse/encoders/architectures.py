"""The seven architectures with random weights and their processors, at base size or tiny, made without a network."""

import string

from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    ASTModel,
    BertConfig,
    BertModel,
    BertTokenizer,
    DistilBertConfig,
    DistilBertModel,
    DistilBertTokenizer,
    HubertConfig,
    HubertModel,
    RobertaConfig,
    RobertaModel,
    RobertaTokenizer,
    VideoMAEConfig,
    VideoMAEModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
)
from transformers.image_utils import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from transformers.models.videomae.image_processing_pil_videomae import VideoMAEImageProcessorPil

# All encoders are equally wide: a sum or a product of embeddings needs equal widths. (At base size that is 768.)
TINY = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
TINY_DISTILBERT = {"dim": 64, "n_layers": 2, "n_heads": 4, "hidden_dim": 128}
# The seven convolutions of the base models with fewer channels, their group norm and their normalised waveform.
TINY_SPEECH = {
    "conv_dim": (32,) * 7,
    "num_conv_pos_embeddings": 31,
    "num_conv_pos_embedding_groups": 4,
    "layerdrop": 0.0,
    "apply_spec_augment": False,
    **TINY,
}
TINY_TOKENS = 64  # the longest text
TINY_FRAMES = 144  # the longest sound of AST: 1.45 s, of which the demo's turns take up to 1.4
TINY_IMAGE = 48  # pixels


def build(name, words, tiny=True):
    """(backbone, processor) of the architecture `name`, a key of BUILDERS, with weights from torch's random state.

    words: list of str in lower case, which the tokenizers of text encoders keep whole. tiny=False gives the configuration
    of the pretrained base model that BUILDERS names, so that time and memory are the real ones; only the tokenizers are
    smaller, for they know no words but these and cut others into characters or bytes.
    """
    return BUILDERS[name](words, tiny)


def _bert(words, tiny):
    tokens = _wordpieces(words)
    sizes = {"vocab_size": len(tokens), "max_position_embeddings": TINY_TOKENS, **TINY} if tiny else {}
    return BertModel(BertConfig(**sizes)), _wordpiece_tokenizer(BertTokenizer, tokens, tiny)


def _distilbert(words, tiny):
    tokens = _wordpieces(words)
    sizes = {"vocab_size": len(tokens), "max_position_embeddings": TINY_TOKENS, **TINY_DISTILBERT} if tiny else {}
    return DistilBertModel(DistilBertConfig(**sizes)), _wordpiece_tokenizer(DistilBertTokenizer, tokens, tiny)


def _wordpiece_tokenizer(kind, tokens, tiny):
    return kind(vocab={token: i for i, token in enumerate(tokens)}, model_max_length=TINY_TOKENS if tiny else 512)


def _wordpieces(words):
    """The special tokens, every character alone and inside a word, the words: any English text can be cut."""
    characters = string.ascii_lowercase + string.digits
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*string.punctuation, *characters, *(f"##{character}" for character in characters)]
    return special + pieces + [word for word in words if len(word) > 1]


def _roberta(words, tiny):
    tokenizer = _bytepair_tokenizer(words, TINY_TOKENS if tiny else 512)
    sizes = {"vocab_size": len(tokenizer), **TINY} if tiny else {"vocab_size": 50_265}
    # Positions are numbered from the id of padding plus one, hence two more of them than tokens.
    positions = tokenizer.model_max_length + 2
    config = RobertaConfig(max_position_embeddings=positions, type_vocab_size=1, layer_norm_eps=1e-5, **sizes)
    return RobertaModel(config), tokenizer


def _bytepair_tokenizer(words, longest):
    """RoBERTa's byte-level tokenizer, trained until each word is one token: first in a text, after a space, capitalised."""
    special = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")  # the first three have the ids that RobertaConfig states
    untrained = RobertaTokenizer(vocab={token: i for i, token in enumerate(special)}, model_max_length=longest)
    spellings = [space + spelling for word in words for spelling in (word, word.capitalize()) for space in ("", " ")]
    return untrained.train_new_from_iterator([spellings], vocab_size=50_265, show_progress=False)


def _wav2vec2(words, tiny):
    base = {"feat_proj_dropout": 0.1, "activation_dropout": 0.0, "layerdrop": 0.0}
    return Wav2Vec2Model(Wav2Vec2Config(**(TINY_SPEECH if tiny else base))), _waveform_extractor()


def _hubert(words, tiny):
    return HubertModel(HubertConfig(**(TINY_SPEECH if tiny else {"feat_proj_dropout": 0.1}))), _waveform_extractor()


def _waveform_extractor():
    return Wav2Vec2FeatureExtractor(sampling_rate=16_000, do_normalize=True, return_attention_mask=False)


def _ast(words, tiny):
    # Patches that do not overlap; weights large enough to learn from in the demo's few steps.
    small = {"max_length": TINY_FRAMES, "time_stride": 16, "frequency_stride": 16, "initializer_range": 0.1, **TINY}
    config = ASTConfig(**(small if tiny else {}))
    return ASTModel(config), ASTFeatureExtractor(max_length=config.max_length, num_mel_bins=config.num_mel_bins)


def _videomae(words, tiny):
    small = {"image_size": TINY_IMAGE, "num_frames": 8, "initializer_range": 0.1, **TINY}
    config = VideoMAEConfig(use_mean_pooling=False, **(small if tiny else {}))
    pixels = {} if tiny else {"image_mean": IMAGENET_DEFAULT_MEAN, "image_std": IMAGENET_DEFAULT_STD}
    # The class that AutoImageProcessor finds where torchvision is missing; both read the same file.
    processor = VideoMAEImageProcessorPil(
        size={"shortest_edge": config.image_size},
        crop_size={"height": config.image_size, "width": config.image_size},
        **pixels,
    )
    return VideoMAEModel(config), processor


BUILDERS = {
    "bert": _bert,  # google-bert/bert-base-uncased
    "roberta": _roberta,  # FacebookAI/roberta-base
    "distilbert": _distilbert,  # distilbert/distilbert-base-uncased
    "wav2vec2": _wav2vec2,  # facebook/wav2vec2-base
    "hubert": _hubert,  # facebook/hubert-base-ls960
    "ast": _ast,  # MIT/ast-finetuned-audioset-10-10-0.4593
    "videomae": _videomae,  # MCG-NJU/videomae-base
}
