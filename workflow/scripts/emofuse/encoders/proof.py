"""Proves on made-up turns that encoders do what a run needs of them, before anything is cut or trained."""

import tempfile
import time
import zlib
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch

from emofuse.encoders.fitness import WORDS, check_small
from emofuse.encoders.frozen import FEATURES
from emofuse.encoders.hub import RECORD, check_download
from emofuse.encoders.inputs import Collator, make_inputs
from emofuse.encoders.layers import set_up
from emofuse.encoders.model import EmotionClassifier, load_pretrained
from emofuse.encoders.texts import ContextInputs, Line, Passage
from emofuse.media.wav import RATE, wav_bytes
from emofuse.runtime import kinds
from emofuse.runtime.devices import device_errors, prepare_device
from emofuse.runtime.errors import EmofuseError, first_line
from emofuse.runtime.store import write_json

# How far apart a vector may be alone and in a batch, and the vectors of two turns must be, of the largest number in them.
SAME, APART = 1e-3, 1e-6
MOST_TOKENS = 2048  # of the longest text that is tried
MOST_FRAMES = 120  # of a made-up clip
TEXTS = ("I am so happy today.", "I do not want to talk about this with you, and I never wanted to: leave me alone!")


def check_encoders(encoders, threads, output):
    """Load each encoder as a training would, prove it, and write and return what was proven: a JSON list of {encoder, class,
    parameters, width, seconds}.

    encoders: dicts {modality, encoder, model (its folder), small (as of `settings.Data`), settings (its config entries)}.
    Raises one EmofuseError for all that cannot be used.
    """
    prepare_device("cpu", threads)
    proven, troubles = [], []
    for entry in encoders:
        try:
            proven.append(_check(**entry))
            print(" ".join(f"{key} {value}" for key, value in proven[-1].items()))
        except EmofuseError as error:
            troubles.append(str(error))
    if troubles:
        raise EmofuseError(f"Encoders that cannot be used: {len(troubles)}\n" + "\n".join(troubles))
    write_json(output, proven)
    return proven


def _check(modality, encoder, model, small, settings):
    began, key = time.monotonic(), f"encoders.{modality}.{encoder}"
    if "features" in settings:
        return _check_features(f"{modality}.{encoder}", settings["features"], settings.get("sequences"), began)
    if (Path(model) / RECORD).exists():
        check_download(model)
    torch.manual_seed(0)
    backbone, processor = load_pretrained(model, modality, f"{key}.model")
    inputs = make_inputs(modality, processor, backbone.config, settings)
    check_small(inputs, small, key)
    set_up(backbone, settings, key)
    pixels = getattr(inputs, "pixels", None)
    classifier = EmotionClassifier(backbone, 2, settings["pooling"], 0.1, pixels, settings.get("layer", "last"))
    prove(classifier, inputs, modality, key, f"End what else uses it, or take a smaller encoder than {key}.")
    return {
        "encoder": f"{modality}.{encoder}",
        "class": type(backbone).__name__,
        "parameters": sum(p.numel() for p in backbone.parameters()),
        "width": backbone.config.hidden_size,
        "seconds": round(time.monotonic() - began, 2),
    }


def _check_features(encoder, name, sequences, began):
    """Make the vectors of two sounds, of which one is shorter than a frame; and their steps, where they are stored."""
    rng, features = np.random.default_rng(0), kinds.load(FEATURES, name)
    try:
        vector_of = features.make()
    except EmofuseError as error:
        raise EmofuseError(f"encoders.{encoder}.features: {name}: {error}") from error
    sounds = [rng.standard_normal(samples).astype(np.float32) / 10 for samples in (100, 16_000)]
    rows = [vector_of(sound) for sound in sounds]
    if rows[0].shape != rows[1].shape or rows[0].ndim != 1 or not np.isfinite(rows).all():
        raise EmofuseError(f"encoders.{encoder}.features: {name} makes no finite vectors of one width")
    if sequences:
        _check_steps(f"encoders.{encoder}.sequences: {name}", [features.make_steps()(sound) for sound in sounds])
    seconds = round(time.monotonic() - began, 2)
    return {"encoder": encoder, "class": name, "parameters": 0, "width": len(rows[0]), "seconds": seconds}


def _check_steps(what, made):
    """What `make_steps` promises, of the (states, seconds) of some sounds."""
    widths = set()
    for states, seconds in made:
        if states.ndim != 2 or seconds.shape != states.shape[:1] or not len(states) or not np.isfinite(states).all():
            raise EmofuseError(f"{what} makes no finite states (steps, width) with the second of each step")
        widths.add(states.shape[1])
    if len(widths) > 1:
        raise EmofuseError(f"{what} makes states of unlike widths: {', '.join(map(str, sorted(widths)))}")


def prove(classifier, inputs, modality, key, smaller):
    """Raise EmofuseError, by `key`, unless an EmotionClassifier makes of two made-up turns, the shorter one first, what it
    should.

    As many windows as expected; vectors that are finite, of width `hidden_size`, different for different turns, and the same
    (to 1e-3) for a turn alone and beside a longer one, and others where the turns around say something else; a finite loss
    with finite gradients. Neither the classifier nor the
    state of any random generator is changed. smaller: what to do where memory is short.
    """
    with tempfile.TemporaryDirectory() as folder, _unchanged(classifier), _explained(classifier, key, smaller):
        turns = MAKERS[modality](Path(folder), inputs, key)
        batch = Collator(inputs)
        together = _vectors(classifier, batch(turns))
        if not torch.isfinite(together).all():
            raise EmofuseError(f"{key}.model: its vectors hold numbers that are not finite")
        largest = together.abs().max()
        if (together[0] - together[1]).abs().max() <= APART * largest:
            raise EmofuseError(_alike(classifier, modality, key))
        apart = (_vectors(classifier, batch(turns[:1]))[0] - together[0]).abs().max()
        if apart > SAME * largest:
            raise EmofuseError(
                f"{key}.model: the vector of a turn depends on what else is in its batch (by {apart / largest:.2g}), for its"
                " encoder does not leave padding out"
            )
        if modality == "text":
            _prove_longest(classifier, inputs, Path(folder), key)
        if isinstance(inputs, ContextInputs):
            _prove_context(classifier, inputs, Path(folder), key)
        _prove_step(classifier, batch([{**turns[0], "label": 1}]), key)


def _vectors(classifier, batch):
    """The embeddings (N, width) of a batch, in evaluation mode."""
    classifier.eval()
    with torch.no_grad():
        return classifier(**batch)["embedding"]


def _alike(classifier, modality, key):
    """What to say where the vectors of two turns are one."""
    kind = type(classifier.backbone).__name__
    if modality == "text" and classifier.pooling == "cls":
        return (
            f"{key}.pooling: 'cls' takes the first position, which in {kind} sees nothing of the words after it: all texts"
            " that begin alike have one vector. Set it to 'mean'"
        )
    return f"{key}.model: two different turns have the same vector in {kind}"


def _prove_longest(classifier, inputs, folder, key):
    """A text that is cut at `max_tokens` must have a vector too."""
    longest = min(inputs.max_tokens, MOST_TOKENS)
    batch = Collator(inputs)([_text(folder, inputs, " ".join(islice(cycle(WORDS), longest)))])
    tokens = batch["inputs"]["input_ids"].shape[1]
    try:
        _vectors(classifier, batch)
    except torch.OutOfMemoryError:
        raise
    except (IndexError, RuntimeError) as error:
        raise EmofuseError(
            f"{key}.max_tokens: {type(classifier.backbone).__name__} cannot take a text of {tokens} tokens"
            f" ({first_line(error)}); lower it"
        ) from error


def _prove_context(classifier, inputs, folder, key):
    """What the turns around say must be in the window of a short turn, and its vector must depend on it."""
    for side in (side for side, turns in inputs.context.items() if turns):
        turns = [_text(folder, inputs, "no", **{side: word}) for word in ("no", "you")]
        if turns[0]["windows"] == turns[1]["windows"]:
            raise EmofuseError(
                f"{key}.max_tokens: {inputs.max_tokens} tokens leave no room for the turns around a turn; raise it, or set"
                f" {key}.context to null"
            )
        vectors = _vectors(classifier, Collator(inputs)(turns))
        if (vectors[0] - vectors[1]).abs().max() <= APART * vectors.abs().max():
            raise EmofuseError(
                f"{key}.context.{side}: {type(classifier.backbone).__name__} sees at a turn's words nothing of what stands"
                f" {side} them; set it to 0"
            )


def _prove_step(classifier, batch, key):
    """One backward pass in training mode."""
    classifier.train()
    loss = classifier(**batch)["loss"]
    loss.backward()
    gradients = [p.grad for p in classifier.parameters() if p.grad is not None]
    if not torch.isfinite(loss) or not all(torch.isfinite(gradient).all() for gradient in gradients):
        raise EmofuseError(f"{key}.model: the loss of a made-up turn is {loss.item()}, or its gradient is not finite")


@contextmanager
def _unchanged(classifier):
    """Give a classifier and the random generators back as they were: mode, gradients, buffers (running means)."""
    training, state = classifier.training, np.random.get_state()
    buffers = {name: buffer.clone() for name, buffer in classifier.named_buffers()}
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            np.random.set_state(state)
            for name, buffer in classifier.named_buffers():  # tables of positions may have grown
                if name in buffers and buffer.shape == buffers[name].shape:
                    buffer.copy_(buffers[name])
            classifier.zero_grad(set_to_none=True)
            classifier.train(training)


@contextmanager
def _explained(classifier, key, smaller):
    """Make what an encoder raises within the block the EmofuseError that it cannot take the inputs; require its width."""
    kind, width = type(classifier.backbone).__name__, classifier.backbone.config.hidden_size

    def require_width(module, arguments, output):
        states = getattr(output, "last_hidden_state", None)
        if states is None or states.dim() != 3 or states.shape[2] != width:
            made = "none" if states is None else tuple(states.shape)
            raise EmofuseError(
                f"{key}.model: {kind} should give states (windows, positions, {width}), as its hidden_size says, and gives"
                f" {made}"
            )

    hook = classifier.backbone.register_forward_hook(require_width)
    try:
        with device_errors(smaller):
            yield
    except (EmofuseError, OSError):  # of a disk: the job tells it
        raise
    except Exception as error:  # each model raises its own kinds
        raise EmofuseError(
            f"{key}.model: {kind} cannot be trained on what emofuse makes of a clip ({type(error).__name__}:"
            f" {first_line(error)})"
        ) from error
    finally:
        hook.remove()


def _texts(folder, inputs, key):
    """Two texts as Collator items, which begin with the same word."""
    return [_text(folder, inputs, text) for text in TEXTS]


def _text(folder, inputs, text, before="no", after="no"):
    """A text as a Collator item, between two others of the partner where the encoder reads turns around."""
    lines = []
    for said, speaker in ((before, "partner"), (text, "speaker"), (after, "partner")):
        path = _write(folder, f"{zlib.crc32(said.encode()):x}.txt", said.encode())
        lines.append(Line("", path, len(said.split()), speaker))
    if not isinstance(inputs, ContextInputs):
        return _turn(inputs, lines[1].path, lines[1].words)
    sides = {
        side: (line,) if inputs.context[side] else () for side, line in (("before", lines[0]), ("after", lines[2]))
    }
    return {"windows": inputs.windows(Passage(own=lines[1], **sides)), "label": None}


def _sounds(folder, inputs, key):
    """One second and two and a half of noise as Collator items."""
    rng, turns = np.random.default_rng(0), []
    for seconds in (1.0, 2.5):
        samples = (3_000 * rng.standard_normal(int(seconds * RATE))).astype(np.int16)
        turn = _turn(inputs, _write(folder, f"{seconds}.wav", wav_bytes(samples)), len(samples))
        lengths = [len(window) for window in turn["windows"]]
        if max(lengths) > inputs.most or not 0 <= sum(lengths) - len(samples) < inputs.most:
            raise EmofuseError(f"{key}.max_seconds: windows of {lengths} samples cannot cover a turn of {len(samples)}")
        turns.append(turn)
    return turns


def _videos(folder, inputs, key):
    """Two clips of 360x480 pixels as Collator items: of five frames, and longer than a window where that is short."""
    span, turns = (inputs.frames - 1) * inputs.stride + 1, []
    for number, length in enumerate((5, min(span + 10, MOST_FRAMES))):
        _write_video(folder / f"{number}.mp4", length, seed=number)
        turn = _turn(inputs, folder / f"{number}.mp4", length)
        expected = inputs.eval_windows if length > span else 1
        if len(turn["windows"]) != expected:
            raise EmofuseError(
                f"{key}.eval_windows: {len(turn['windows'])} windows of {length} frames, and not {expected}"
            )
        turns.append(turn)
    return turns


MAKERS = {"text": _texts, "audio": _sounds, "video": _videos}


def _write(folder, name, data):
    (folder / name).write_bytes(data)
    return folder / name


def _turn(inputs, path, length):
    return {"windows": inputs.windows(path, length), "label": None}


def _write_video(path, frames, seed):
    """An mp4, as clips are: coarse random pictures that move."""
    import av  # here, as in inputs

    coarse = np.random.default_rng(seed).integers(0, 256, (24, 18, 3), np.uint8)
    picture = coarse.repeat(20, axis=0).repeat(20, axis=1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast", "threads": "1"})
        stream.height, stream.width, stream.pix_fmt = 480, 360, "yuv420p"
        for number in range(frames):
            moved = np.ascontiguousarray(np.roll(picture, 4 * number, axis=1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
        container.mux(stream.encode(None))
