"""The one classifier of all modalities (Transformers backbone, pooling, dropout, linear layer), loaded and saved."""

import hashlib
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoConfig, AutoFeatureExtractor, AutoImageProcessor, AutoModel, AutoTokenizer
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from emofuse.encoders.fitness import check_encoder, check_weights, missing_library
from emofuse.encoders.layers import LayerStates
from emofuse.encoders.losses import Loss
from emofuse.runtime import kinds
from emofuse.runtime.disk import read_fault
from emofuse.runtime.errors import EmofuseError, first_line
from emofuse.runtime.store import read_json, share

LOCAL = {"local_files_only": True, "trust_remote_code": False}
WhisperEncoder._keys_to_ignore_on_load_unexpected = [r"decoder\.", r"^proj_out"]  # or the log names each of them


class EmotionClassifier(nn.Module):
    """Backbone, pooling over time, mean over a turn's windows (this is the embedding), dropout, linear layer.

    A turn that is longer than its encoder takes comes as several windows; their pooled vectors are averaged, so that each
    turn has one embedding of width `backbone.config.hidden_size` whatever its length.
    """

    def __init__(self, backbone, classes, pooling, dropout, pixels=None, layer="last"):
        """pixels: a module that makes what the backbone takes of the uint8 pixels of video, on the device; else None. layer:
        whose states are pooled: 'last', a number (1 for the lowest), or 'weighted', a sum of all with learned weights."""
        super().__init__()
        self.backbone = backbone
        self.pooling = pooling
        self._pool = kinds.load("encoders/poolings", pooling).pool
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(backbone.config.hidden_size, classes)
        self.masked_norm = MaskedGroupNorm.of(backbone)
        self.pixels = pixels
        self.loss = Loss()
        self.layer = layer
        self._states = None if layer == "last" else LayerStates(backbone)
        if layer == "weighted":  # their softmax; all alike to begin with
            self.mixture = nn.Parameter(torch.zeros(len(self._states) + 1))

    def forward(self, share, inputs, lengths, labels=None, states=False):
        """share: float32 (N, W), what each of the W windows is of the mean of each of the N turns. inputs: what the
        modality's processor makes of the windows; `own` among it says which positions to pool, where not all real ones.
        lengths: list of W int, samples of each window (of sound). labels: int64 (N,). Returns loss (scalar, with labels only),
        logits (N, classes), embedding (N, width), all float32; if asked for `states`, those of the windows, (W, T, width), and
        which of them are pooled, `real`, (W, T) of 0 and 1, or None for all.

        Nothing here makes the host wait for the device: what it has to know, the batch brings along.
        """
        if self.masked_norm:
            self.masked_norm.samples = lengths
        if self.pixels:
            inputs = {**inputs, "pixel_values": self.pixels(inputs["pixel_values"])}
        own = inputs.get("own")
        made = self.backbone(**{name: given for name, given in inputs.items() if name != "own"}).last_hidden_state
        with torch.autocast(share.device.type, enabled=False):  # bf16 has 8 bits: too few to tell logits apart
            made = self._chosen(made)
            real = self._real(made, inputs.get("attention_mask")) if own is None else own
            embedding = share @ self._pool(made, real).float()
            logits = self.head(self.dropout(embedding))
            result = {"logits": logits, "embedding": embedding}
            if states:
                result |= {"states": made.float(), "real": real}
            if labels is not None:
                result = {"loss": self.loss(logits, labels), **result}
        return result

    def _chosen(self, last):
        """The states (W, T, width) to pool, after a pass of the backbone whose last are `last`."""
        if self.layer == "last":
            return last
        states = self._states.take(last)
        if self.layer != "weighted":
            return states[self.layer]
        return sum(weight * each.float() for weight, each in zip(self.mixture.softmax(0), states, strict=True))

    def _real(self, states, mask):
        """(W, T): which positions of the states (W, T, width) are real, by the mask over the backbone's input; None for all."""
        if mask is None or mask.shape[1] == states.shape[1]:
            return mask
        if isinstance(
            self.backbone, WhisperEncoder
        ):  # sound: the mask counts samples or short frames, the states are frames
            return mask[:, :: mask.shape[1] // states.shape[1]]
        return self.backbone._get_feature_vector_attention_mask(states.shape[1], mask)


class MaskedGroupNorm:
    """Takes the statistics of a speech backbone's first normalisation over each window's real frames alone.

    wav2vec2-base and HuBERT-base normalise their first convolution over time (`feat_extract_norm="group"`, one group a
    channel), so padding would leak into every frame and an embedding would depend on what else is in its batch. All else
    is safe: the convolutions do not pad, and after them the attention mask does its work. Replaces the `forward` of the
    module in place, which leaves names and saved weights as they are.
    """

    def __init__(self, convolution, norm):
        self.kernel, self.stride = convolution.kernel_size[0], convolution.stride[0]
        self.norm = norm
        self.samples = None  # list of int: real samples of each window, set before each forward
        norm.forward = self

    @classmethod
    def of(cls, backbone):
        """The wrapper for the first convolution of a backbone that hears raw waveforms and normalises over time; else None."""
        layers = getattr(getattr(backbone, "feature_extractor", None), "conv_layers", [])
        norm = getattr(layers[0], "layer_norm", None) if len(layers) else None
        return cls(layers[0].conv, norm) if isinstance(norm, nn.GroupNorm) else None

    def __call__(self, frames):
        """(W, channels, T) -> (W, channels, T), each channel normalised over its window's real frames, 0 after them.

        By PyTorch's own kernel: of the whole batch where its windows are of one length, else window by window.
        """
        longest = frames.shape[2]
        lengths = [(samples - self.kernel) // self.stride + 1 for samples in self.samples]
        if min(lengths) == longest:
            return self._normed(frames)
        rows = [self._normed(row[None, :, :n]) for row, n in zip(frames, lengths, strict=True)]
        return torch.cat([nn.functional.pad(row, (0, longest - row.shape[2])) for row in rows])

    def _normed(self, frames):
        norm = self.norm
        normed = nn.functional.group_norm(frames, norm.num_groups, norm.weight, norm.bias, norm.eps)
        return normed.to(frames.dtype)  # autocast gives float32, four bytes for each of the largest tensor's numbers


def load_pretrained(folder, modality, setting):
    """Backbone and processor in a local folder, from safetensors, without remote code and without asking the hub.

    `setting` names the config key in error messages. Raises EmofuseError if anything of it is not there, cannot be read, or
    does not fit what emofuse feeds it (`fitness`).
    """
    try:
        if not Path(folder).is_dir():  # or Transformers would take the path for a Hub id and look into the hub's cache
            raise FileNotFoundError("there is no such folder")
        backbone, processor = read_backbone(folder), read_processor(folder, modality)
        check_encoder(modality, backbone, processor)
    except EmofuseError as error:
        raise EmofuseError(f"{setting}: the encoder in {folder} cannot be used: {error}.") from error
    except Exception as error:  # the loaders and the config classes each raise their own kinds
        if fault := read_fault(error):
            raise EmofuseError(f"{setting}: the encoder in {folder} cannot be read now: {fault}") from error
        raise EmofuseError(
            f"{setting}: the encoder in {folder} cannot be loaded ({first_line(error)}).\n"
            "The folder must hold config.json, model.safetensors and the processor's files, as Transformers saves them."
        ) from error
    return backbone, processor


def read_backbone(folder, pickled=False):
    """The backbone in a local folder, in float32, each of its weights read from there; EmofuseError where one is not.

    Of Whisper it is the encoder alone. pickled: read pytorch_model.bin, as tensors alone; for the download.
    """
    kind, renamed = AutoModel, {}
    if AutoConfig.from_pretrained(folder, **LOCAL).model_type == "whisper":
        kind, renamed = WhisperEncoder, {"key_mapping": {r"^model\.encoder\.": "", r"^encoder\.": ""}}
    backbone, info = kind.from_pretrained(
        folder,
        **renamed,
        dtype=torch.float32,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # they are told below
        use_safetensors=not pickled,
        weights_only=True,
        **LOCAL,
    )
    check_weights(backbone, info)
    backbone.activation_checkpointing_disable()  # old config files switch it on; training.gradient_checkpointing decides
    return backbone


def read_processor(folder, modality):
    """The tokenizer, feature extractor or image processor in a local folder."""
    if modality == "audio":
        return AutoFeatureExtractor.from_pretrained(folder, **LOCAL)
    if modality == "video":  # where torchvision is installed it would resize otherwise
        return AutoImageProcessor.from_pretrained(folder, backend="pil", **LOCAL)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **LOCAL)
    except Exception as error:
        if library := missing_library(Path(folder)):
            raise EmofuseError(library) from error
        raise
    tokenizer.padding_side = "right"  # positions are counted from the first word, which is also what `cls` takes
    if tokenizer.pad_token is None:  # the attention mask keeps it from being read
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def save_classifier(classifier, folder):
    """Write the backbone as Transformers saves it (model.safetensors, config.json) and head.safetensors into `folder`: the
    linear layer, and `mixture`, before the softmax, where the states of all layers are mixed."""
    classifier.backbone.save_pretrained(folder)
    head = {name: tensor.contiguous() for name, tensor in classifier.head.state_dict().items()}
    if classifier.layer == "weighted":
        head["mixture"] = classifier.mixture.detach()
    save_file(head, Path(folder) / "head.safetensors", metadata={"format": "pt"})
    share(Path(folder).glob("*.safetensors"))


def load_classifier(folder, pooling, layer="last"):
    """The EmotionClassifier that `save_classifier` wrote, in evaluation mode; EmofuseError where it is damaged."""
    with _fine_tuned(folder):
        head = load_file(Path(folder) / "head.safetensors")
        classes = head["weight"].shape[0]
        classifier = EmotionClassifier(read_backbone(folder), classes, pooling, dropout=0.0, layer=layer)
        if layer == "weighted":
            classifier.mixture.data = head.pop("mixture")
        classifier.head.load_state_dict(head)
    return classifier.eval()


def load_processor(folder, modality):
    """The processor saved beside a fine-tuned encoder; EmofuseError where it is damaged."""
    with _fine_tuned(folder):
        return read_processor(folder, modality)


@contextmanager
def _fine_tuned(folder):
    """Say where a part of a fine-tuned encoder lies that cannot be loaded, and what to do."""
    try:
        yield
    except Exception as error:  # the loaders each raise their own kinds
        if fault := read_fault(error):
            raise EmofuseError(f"{folder}: the fine-tuned encoder cannot be read now: {fault}") from error
        raise EmofuseError(
            f"{folder}: what was saved of the fine-tuned encoder cannot be loaded ({first_line(error)}).\n{_remedy(folder)}"
        ) from error


def _remedy(folder):
    """What to do with a fine-tuned encoder that cannot be loaded: weights that are whole are hours of work."""
    folder = next(place for place in (Path(folder), Path(folder).parent) if place.name != "processor")
    try:
        whole = checkpoint_hash(folder) == read_json(folder / "training.json")["checkpoint"]
    except (EmofuseError, OSError):
        whole = False
    if not whole:
        return "Delete that folder and run again: the encoder is trained again, and what depends on it."
    return (
        "Its weights are whole, as training.json says; so do not delete them. See that memory suffices, that the packages are"
        " those of envs/requirements.lock, and that config.json and processor/ are as they were (a backup, or those of the same"
        " encoder in another fold, are alike)."
    )


def checkpoint_hash(folder):
    """sha256 (hex) over the weights of backbone and head: names a fine-tuned encoder beyond doubt."""
    digest = hashlib.sha256()
    for name in ("model.safetensors", "head.safetensors"):
        with open(Path(folder) / name, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
