"""Refuses an encoder whose weights, words, sound or pictures are not what a run needs; what comes out it never changes."""

import re
from importlib.util import find_spec

import numpy as np

from emofuse.media.wav import RATE
from emofuse.runtime.errors import EmofuseError

# Weights that no embedding depends on (the pooler) or that training alone uses (the mask of SpecAugment).
UNREAD = re.compile(r"(^|\.)(pooler\..*|masked_spec_embed)$")
_COMMON = (
    "the and you that was for are with this have from one had but not what all were when your can said there use each which"
    " she how their will other about out many then them these some her would make like him into time look two more go see"
    " no way could people my than first been call who now find down day did get come made may over new sound take only"
    " little work know place year live me back give most very after thing our just good well"
)
WORDS = _COMMON.split()
SHARE = 0.9  # of these words, that a tokenizer has to know and to tell apart


def check_encoder(modality, backbone, processor):
    """Raise EmofuseError where backbone and processor do not fit each other, or not what emofuse feeds them."""
    config, kind = backbone.config, type(backbone).__name__
    if getattr(config, "is_encoder_decoder", False) and kind != "WhisperEncoder":
        raise EmofuseError(f"{kind} has an encoder and a decoder; emofuse takes encoders alone")
    if not hasattr(config, "hidden_size"):
        raise EmofuseError(f"{kind} states no hidden_size, so it has no embedding")
    if modality == "text":
        check_tokenizer(processor, backbone.get_input_embeddings().weight.shape[0])
    elif modality == "audio":
        check_extractor(processor, config)
    else:
        check_image_processor(processor, config)


def check_small(inputs, small, key):
    """Raise EmofuseError, by the encoder's `key`, where it takes larger pictures than small copies of clips have.

    inputs: of the encoder; small: pixels of their shorter side, or None where trainings read the clips as they are.
    """
    if small is not None and getattr(inputs, "short", 0) > small:
        raise EmofuseError(
            f"{key}: it takes pictures of {inputs.short} pixels, and clips.small is {small}; set clips.small to"
            f" {inputs.short} or more, or to null, which trains from the clips at their full size"
        )


def check_weights(backbone, info):
    """Raise EmofuseError for weights that the checkpoint lacks, or has in another shape, and a forward pass reads.

    info: what `from_pretrained` tells with output_loading_info.
    """
    kind = type(backbone).__name__
    lacking = sorted(name for name in info["missing_keys"] if not UNREAD.search(name))
    if lacking:
        raise EmofuseError(
            f"its checkpoint lacks {len(lacking)} weights of {kind}, such as {', '.join(lacking[:3])}"
            + _other_name(lacking[0], info["unexpected_keys"])
        )
    if info["mismatched_keys"]:
        name, stored, stated = sorted(info["mismatched_keys"])[0]
        raise EmofuseError(
            f"{len(info['mismatched_keys'])} weights of its checkpoint have another shape than config.json says, such as"
            f" {name}: {tuple(stored)} and not {tuple(stated)}"
        )


def _other_name(name, present):
    """What to do where the checkpoint has a weight under its name with something before it; else ''."""
    for other in sorted(present):
        if other.endswith(f".{name}"):
            return f"; it has {other}: take '{other.removesuffix(name)}' off its names and save it anew"
    return ""


def check_tokenizer(tokenizer, rows):
    """Raise EmofuseError unless a tokenizer knows common English words, tells them apart, can pad, and has no token beyond
    the `rows` of its encoder's table of embeddings."""
    files = ", ".join(sorted(set(type(tokenizer).vocab_files_names.values()))) or "tokenizer.json"
    for spelt in (WORDS, [word.capitalize() for word in WORDS]):
        coded = {tuple(tokenizer(word, add_special_tokens=False)["input_ids"]) for word in spelt}
        known = [ids for ids in coded if ids and tokenizer.unk_token_id not in ids]
        if len(known) < SHARE * len(spelt):
            raise EmofuseError(
                f"its tokenizer knows {len(known)} of {len(spelt)} common English words ('{spelt[0]}', '{spelt[1]}', ...);"
                f" the files of its vocabulary ({files}) are missing, or damaged, or of another language"
            )
    if tokenizer.pad_token is None:
        raise EmofuseError("its tokenizer has neither a padding token nor an end-of-text token, so texts make no batch")
    vocabulary = set(tokenizer.get_vocab().values()) - set(tokenizer.get_added_vocab().values())
    highest = max(vocabulary | {tokenizer.pad_token_id} | set(tokenizer(WORDS[0])["input_ids"]))
    if highest >= rows:
        raise EmofuseError(
            f"its tokenizer has a token of number {highest}, and its table of embeddings {rows} rows: they are not of one"
            " encoder"
        )


def check_extractor(extractor, config):
    """Raise EmofuseError unless a feature extractor makes waveforms at 16 kHz, or spectrograms of the size that its encoder
    takes."""
    kind, whisper = type(extractor).__name__, config.model_type == "whisper"
    if (kind != "WhisperFeatureExtractor") if whisper else (extractor.model_input_names[0] != "input_values"):
        raise EmofuseError(
            f"its {kind} makes {extractor.model_input_names[0]}; emofuse feeds waveforms (wav2vec 2.0, HuBERT, WavLM and the"
            " like) and the spectrograms of AST and of Whisper"
        )
    if extractor.sampling_rate != RATE:
        raise EmofuseError(
            f"its {kind} is for sound of {extractor.sampling_rate} Hz (sampling_rate in preprocessor_config.json), and the"
            f" clips have {RATE} Hz"
        )
    if whisper and (extractor.feature_size, extractor.nb_max_frames) != (
        config.num_mel_bins,
        2 * config.max_source_positions,
    ):
        raise EmofuseError(
            f"its {kind} makes {extractor.nb_max_frames} frames of {extractor.feature_size} numbers, and config.json says"
            f" {2 * config.max_source_positions} of {config.num_mel_bins}"
        )
    if not hasattr(extractor, "num_mel_bins"):
        return
    from transformers import is_speech_available

    if not is_speech_available():  # Transformers would take another filter bank without a word
        raise EmofuseError(
            f"{kind} needs torchaudio for its filter bank, which is not installed (envs/requirements.lock)"
        )
    for name in ("max_length", "num_mel_bins"):
        if getattr(extractor, name) != getattr(config, name, None):
            raise EmofuseError(
                f"{name} is {getattr(extractor, name)} in preprocessor_config.json and {getattr(config, name, None)} in"
                " config.json"
            )


def check_image_processor(processor, config):
    """Raise EmofuseError unless an image processor makes, of one frame, a picture of the size that its encoder takes."""
    kind = type(processor).__name__
    if getattr(config, "num_frames", None) is None:
        raise EmofuseError(
            f"a video encoder must say its number of frames; {type(config).__name__} has no num_frames in config.json"
        )
    if getattr(processor, "backend", "pil") != "pil":
        raise EmofuseError(
            f"its {kind} works by torchvision alone; emofuse resizes by Pillow, so that pixels are the same"
        )
    frame = np.zeros((480, 360, 3), np.uint8)
    made = processor([frame], do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"].shape
    if len(made) != 5 or made[:3] != (1, 1, 3):
        raise EmofuseError(
            f"its {kind} makes of a frame {made} and not (1, 1, 3, height, width): it is not one for videos"
        )
    size = getattr(config, "image_size", None)
    wanted = tuple(size) if isinstance(size, list | tuple) else (size, size)
    if size is not None and made[3:] != wanted:
        raise EmofuseError(
            f"its {kind} makes pictures of {made[3]}x{made[4]} pixels (size and crop_size in preprocessor_config.json), and"
            f" image_size in config.json is {size}"
        )
    if getattr(config, "num_channels", 3) != 3:
        raise EmofuseError(f"it takes pictures of {config.num_channels} channels, and the clips have 3")


def missing_library(folder):
    """A sentence for a folder whose only vocabulary is SentencePiece's where that library is not installed; else ''.

    Transformers would ask for tiktoken, which is of no help.
    """
    models = sorted(path.name for path in folder.glob("*.model"))
    if not models or (folder / "tokenizer.json").exists() or find_spec("sentencepiece"):
        return ""
    return f"{models[0]} is read by the library sentencepiece, which is not installed (envs/requirements.lock)"
