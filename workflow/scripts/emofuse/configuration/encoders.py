"""What the config says of its encoders: which are frozen, where they lie, and what comes of them depends on."""

from dataclasses import dataclass
from pathlib import Path

from emofuse.configuration import meaning
from emofuse.demo import plan as demo
from emofuse.fusion import systems
from emofuse.runtime import kinds

# What vectors depend on where nothing is trained.
FROZEN_KEYS = (
    *("model", "revision", "frozen", "features", "vectors", "pooling", "layer", "eval_batch_size"),
    *("max_tokens", "markers", "context", "max_seconds", "stride", "eval_windows"),
)


@dataclass(frozen=True)
class Encoders:
    """The section `encoders` of a checked config, {modality: {name: settings}}; each encoder is named by both."""

    sections: dict

    def named(self, frozen, sequences=None):
        """(modality, encoder) of all that can be fused and are frozen, or are not; whose sequences are stored, or are not."""
        known = [(modality, name) for modality in systems.MODALITIES for name in self.sections.get(modality, {})]
        stored = (True, False) if sequences is None else (sequences,)
        return [of for of in known if self.is_frozen(*of) == frozen and bool(self.sequences(*of)) in stored]

    def motion(self, source):
        """The names of the encoders of motion from one source: capture or clips."""
        return [name for name, settings in self.sections.get("motion", {}).items() if settings["motion"] == source]

    def sequences(self, modality, encoder):
        """What is stored of it before pooling: the config's setting, or None. Motion is nothing but a sequence."""
        settings = self.sections[modality][encoder]
        return settings.get("sequences") or settings.get("motion")

    def has_context(self, modality, encoder):
        """Whether it reads a turn among those around it, so that their order matters."""
        return bool(self.sections[modality][encoder].get("context"))

    def is_frozen(self, modality, encoder):
        """Whether it learns from no label."""
        return meaning.is_frozen(self.sections[modality][encoder])

    def is_network(self, modality, encoder):
        """Whether it is a network, and no feature set and no vectors in a file."""
        return "model" in self.sections[modality][encoder]

    def is_local(self, modality, encoder):
        """Whether it is a network in a folder, and no id of the Hub."""
        model = self.sections[modality][encoder]["model"]
        return meaning.is_path(model) or Path(model).is_dir()

    def folder(self, modality, encoder):
        """The folder that holds a network as it is before training; None of what is no network."""
        settings = self.sections[modality][encoder]
        if not self.is_network(modality, encoder):
            return None
        if self.is_local(modality, encoder):
            return settings["model"]
        return hub_folder(settings["model"], settings["revision"])

    def files(self, modality, encoder):
        """The files of a network in a local folder, so that a changed one is noticed; of a downloaded one its record, for
        copies of its weights are too large to be compared; those of vectors that were made elsewhere."""
        if vectors := self.sections[modality][encoder].get("vectors"):
            return sorted(map(str, Path(vectors).rglob("*.npy"))) if Path(vectors).is_dir() else [vectors]
        folder = self.folder(modality, encoder)
        if folder is None:
            return []
        if folder in demo.ENCODER_FOLDERS:
            return [f"{folder}/{name}" for name in demo.encoder_files(demo.ENCODER_FOLDERS[folder])]
        if self.is_local(modality, encoder):
            return sorted(str(path) for path in Path(folder).glob("[!.]*") if path.is_file())
        return [f"{folder}/download.json"]

    def settings(self, modality, encoder):
        """The config entries that matter, in a fixed order."""
        settings = {
            k: v for k, v in self.sections[modality][encoder].items() if k != "sequences"
        }  # nothing is trained on them
        if self.is_frozen(modality, encoder):
            settings = {key: value for key, value in settings.items() if key in FROZEN_KEYS}
        if self.is_network(modality, encoder) and self.is_local(modality, encoder):
            settings = {key: value for key, value in settings.items() if key != "revision"}
        return ordered(settings)

    def code(self, *encoders):
        """The files of the poolings and feature sets of some (modality, encoder)."""
        settings = [self.sections[modality][encoder] for modality, encoder in encoders]
        return [
            path
            for kind, key in (("encoders/poolings", "pooling"), ("encoders/features", "features"))
            for path in kinds.code(kind, sorted({of[key] for of in settings if key in of}))
        ]


def hub_folder(model, revision):
    """Where `download` puts an encoder of the Hub."""
    return f"resources/encoders/{model.replace('/', '--')}/{revision}"


def ordered(settings):
    """Settings with their keys in order, for Snakemake compares params as text."""
    return {key: ordered(value) if isinstance(value, dict) else value for key, value in sorted(settings.items())}
