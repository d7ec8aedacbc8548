"""The transformer layers of an encoder: which are trained and how fast, whose states are pooled, what SpecAugment masks."""

import torch
from torch import nn

from emofuse.encoders.inputs import SHORTEST
from emofuse.runtime.errors import EmofuseError

# Where models keep their layers: BERT, RoBERTa, VideoMAE; wav2vec 2.0, HuBERT, WavLM; DistilBERT; AST, Whisper; GPT-2.
PLACES = ("encoder.layer", "encoder.layers", "transformer.layer", "layers", "h")
MASKS = ("mask_time_prob", "mask_time_length", "mask_feature_prob", "mask_feature_length")


def set_up(backbone, settings, key):
    """Mask and freeze a backbone as its config entries say, in place, before it is trained.

    `key` is where the config has them (encoders.audio.wav2vec2). Raises EmofuseError, by key, for what this encoder has not.
    """
    mask(backbone, {name: settings[name] for name in MASKS if settings.get(name) is not None}, key)
    if settings.get("freeze_convolutions"):
        freeze_convolutions(backbone, key)
    freeze, layer = settings.get("freeze_layers", 0), settings.get("layer", "last")
    if freeze or layer != "last" or settings.get("layer_decay", 1) != 1:
        top = len(_layers(backbone, key))
        for name, number in (("freeze_layers", freeze), ("layer", layer)):
            if number != "weighted" and number != "last" and number > top:
                raise EmofuseError(f"{key}.{name}: {type(backbone).__name__} has {top} layers, and not {number}")
        if isinstance(layer, int) and freeze > layer:
            raise EmofuseError(
                f"{key}.freeze_layers: layer {layer} is pooled ({key}.layer), so those above it are not trained anyway; set it"
                f" to {layer} or less"
            )
    if freeze:
        freeze_layers(backbone, freeze)


def freeze_convolutions(backbone, key):
    """Take the convolutional feature encoder of a speech backbone out of the training; no gradient flows into it."""
    convolutions = getattr(backbone, "feature_extractor", None)
    if not hasattr(convolutions, "_freeze_parameters"):
        raise EmofuseError(
            f"{key}.freeze_convolutions: {type(backbone).__name__} has no convolutions on waveforms, as wav2vec 2.0, HuBERT"
            " and WavLM have; set it to false"
        )
    convolutions._freeze_parameters()  # its inputs ask for no gradient any more either


def freeze_layers(backbone, number):
    """Take the lowest `number` layers, and all that comes before the first, out of the training."""
    for name, depth in depths(backbone).items():
        if depth <= number:
            backbone.get_parameter(name).requires_grad_(False)
    convolutions = getattr(backbone, "feature_extractor", None)
    if hasattr(convolutions, "_freeze_parameters"):
        convolutions._freeze_parameters()


def depths(backbone):
    """{parameter: how high it lies}: 0 before the first layer (embeddings, convolutions, projections), n in the n-th layer,
    one more than there are layers in what comes after the last (a norm, a pooler)."""
    place = _place(backbone)
    top, passed, found = len(backbone.get_submodule(place)), False, {}
    after = f"{place.removesuffix('layers')}layer_norm." if _norm_comes_last(backbone) else None
    for name, _ in backbone.named_parameters():  # in the order in which modules are made, which is that of their use
        if name.startswith(f"{place}."):
            passed = True
            found[name] = 1 + int(name.removeprefix(f"{place}.").split(".")[0])
        else:
            found[name] = top + 1 if passed or (after and name.startswith(after)) else 0
    return found


def _norm_comes_last(backbone):
    """Whether the norm that a speech encoder has before its layers is used after them (wav2vec 2.0 large and the like)."""
    return getattr(backbone.config, "do_stable_layer_norm", False)


def scale_rates(optimizer, classifier, decay, layer):
    """Part the groups of an optimizer, in place, by learning rates: the head's is the group's, and each layer's is that of what
    lies above it times `decay`, from the topmost layer whose states are pooled down to what comes before the first.

    layer: the config's key. What comes after the layers has the head's rate, layers above the pooled one are not trained.
    """
    depth = {classifier.backbone.get_parameter(name): depth for name, depth in depths(classifier.backbone).items()}
    top = layer if isinstance(layer, int) else len(classifier.backbone.get_submodule(_place(classifier.backbone)))
    parted = []
    for group in optimizer.param_groups:
        below = [max(0, top + 1 - depth.get(parameter, top + 1)) for parameter in group["params"]]
        for steps in sorted(set(below)):
            own = [p for p, down in zip(group["params"], below, strict=True) if down == steps]
            parted.append({**group, "params": own, "lr": group["lr"] * decay**steps})
    optimizer.param_groups = parted


class LayerStates:
    """Remembers what each layer of a backbone makes in a forward pass, by hooks.

    Transformers' output_hidden_states leaves out the layers that LayerDrop skips in training, so that their numbers would
    mean others from step to step; here the state of a skipped layer is that of the one below.
    """

    def __init__(self, backbone):
        self.layers = _layers(backbone, "layer")
        self.states, self.listening = {}, False
        backbone.register_forward_pre_hook(self._begin)
        for number, layer in enumerate(self.layers, start=1):
            layer.register_forward_hook(self._remember(number), with_kwargs=True)

    def __len__(self):
        return len(self.layers)

    def _begin(self, *_):
        self.states, self.listening = {}, True

    def _remember(self, number):
        def hook(module, arguments, named, output):
            if not self.listening:  # gradient checkpointing runs the layer again, in the backward pass
                return
            self.states.setdefault(0, arguments[0] if arguments else named["hidden_states"])
            self.states[number] = output[0] if isinstance(output, tuple) else output

        return hook

    def take(self, last):
        """The states (W, T, width) below the first layer and after each one, of the last pass, which are forgotten here. last:
        what the backbone made of them, for a pass in which every layer was skipped."""
        states, self.states, self.listening = self.states, {}, False
        taken = [states.get(0, last)]
        for number in range(1, len(self.layers) + 1):
            taken.append(states.get(number, taken[-1]))
        return taken


def mask(backbone, masks, key):
    """Set SpecAugment's masks, those of MASKS that are given, in the config of a speech backbone, before it is trained."""
    if not masks:
        return
    if not hasattr(backbone, "_mask_hidden_states"):
        raise EmofuseError(
            f"{key}.{next(iter(masks))}: {type(backbone).__name__} masks nothing in training, as wav2vec 2.0, HuBERT and WavLM"
            " do; set it to null"
        )
    config = backbone.config
    if not getattr(config, "apply_spec_augment", True):  # what is not named stays without a mask
        config.mask_time_prob = config.mask_feature_prob = 0.0
    for name, value in masks.items():
        setattr(config, name, value)
    config.apply_spec_augment = config.mask_time_prob > 0 or config.mask_feature_prob > 0
    frames = int(backbone._get_feat_extract_output_lengths(torch.tensor(SHORTEST)))
    for axis, most, of in (
        ("time", frames, "frames of the shortest turn"),
        ("feature", config.hidden_size, "features"),
    ):
        length, probability = f"mask_{axis}_length", f"mask_{axis}_prob"
        if length in masks and getattr(config, probability) == 0:
            raise EmofuseError(f"{key}.{length}: without {probability} above 0 nothing is masked that long; set both")
        if getattr(config, probability) > 0 and getattr(config, length) > most:
            raise EmofuseError(f"{key}.{length}: {getattr(config, length)} is more than the {most} {of}; lower it")
    if config.apply_spec_augment and not hasattr(backbone, "masked_spec_embed"):  # made only where config.json masks
        backbone.masked_spec_embed = nn.Parameter(torch.empty(config.hidden_size).uniform_())


def _place(backbone):
    """Where a backbone keeps its layers, a name of its submodules; None where that is not known."""
    modules = dict(backbone.named_modules())
    return next((place for place in PLACES if isinstance(modules.get(place), nn.ModuleList)), None)


def _layers(backbone, key):
    """The layers of a backbone, the lowest first."""
    place = _place(backbone)
    if place is None:
        raise EmofuseError(
            f"{key}: the layers of {type(backbone).__name__} are not found, which freeze_layers, layer and layer_decay need;"
            " leave these at their defaults"
        )
    return backbone.get_submodule(place)
