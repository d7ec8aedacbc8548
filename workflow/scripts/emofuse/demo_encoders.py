"""Writes the demo's encoders: tiny models of the real architectures with random weights, made without a network."""

import string
from pathlib import Path

import torch
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizer,
    VideoMAEConfig,
    VideoMAEModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
)
from transformers.models.videomae.image_processing_pil_videomae import VideoMAEImageProcessorPil

from emofuse.demo_release import SAMPLE_RATE, vocabulary

# All encoders are equally wide: a sum or a product of embeddings needs equal widths.
WIDTH = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
IMAGE_SIZE = 48  # pixels


def write_encoder(name, folder, seed):
    """Save the encoder `name` (a key of BUILDERS) and its processor to `folder`, as Transformers does.

    The weights depend on `seed` alone; the caller's random state is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, processor = BUILDERS[name]()
    model.save_pretrained(Path(folder))
    processor.save_pretrained(Path(folder))


def _bert():
    tokens = _wordpieces()
    tokenizer = BertTokenizer(vocab={token: i for i, token in enumerate(tokens)}, model_max_length=64)
    return BertModel(BertConfig(vocab_size=len(tokens), max_position_embeddings=64, **WIDTH)), tokenizer


def _wordpieces():
    """The special tokens, every character alone and inside a word, the demo's words: any English text can be cut."""
    characters = string.ascii_lowercase + string.digits
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*string.punctuation, *characters, *(f"##{character}" for character in characters)]
    return special + pieces + [word for word in vocabulary() if len(word) > 1]


def _wav2vec2():
    # wav2vec2-base's seven convolutions with fewer channels, its group norm and its normalised waveform.
    config = Wav2Vec2Config(
        conv_dim=(32,) * 7,
        num_conv_pos_embeddings=31,
        num_conv_pos_embedding_groups=4,
        layerdrop=0.0,
        apply_spec_augment=False,
        **WIDTH,
    )
    extractor = Wav2Vec2FeatureExtractor(sampling_rate=SAMPLE_RATE, do_normalize=True, return_attention_mask=False)
    return Wav2Vec2Model(config), extractor


def _videomae():
    config = VideoMAEConfig(
        image_size=IMAGE_SIZE,
        patch_size=16,
        num_frames=8,
        tubelet_size=2,
        use_mean_pooling=False,
        initializer_range=0.1,
        **WIDTH,
    )
    # The class that AutoImageProcessor finds where torchvision is missing; both read the same file.
    processor = VideoMAEImageProcessorPil(
        size={"shortest_edge": IMAGE_SIZE}, crop_size={"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    )
    return VideoMAEModel(config), processor


BUILDERS = {"bert": _bert, "wav2vec2": _wav2vec2, "videomae": _videomae}
