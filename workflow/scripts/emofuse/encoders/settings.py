"""What a training or an embedding is given, in groups of what belongs together."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Encoder:
    """An encoder as it is before training. modality: text, audio or video. name, settings: its entry in the config. folder:
    the one that holds it, None of what is no network. files: those of a local folder, so that a changed one is noticed."""

    modality: str
    name: str
    settings: dict
    folder: str | Path | None = None
    files: tuple = ()

    @property
    def key(self):
        """Where the config has it, for messages."""
        return f"encoders.{self.modality}.{self.name}"


@dataclass(frozen=True)
class Data:
    """What is read of one modality and fold. split: path of the split file, None where there is no fold. manifests: paths of
    the modality's clip manifests. clips: folder of all clips. small: of small copies of video clips, pixels of the shorter
    side; else None. turns: path of turns.parquet for the training of an encoder that reads a turn among its neighbours; else
    None."""

    split: str | Path | None
    manifests: list
    clips: str | Path
    small: int | None = None
    turns: str | Path | None = None


@dataclass(frozen=True)
class Computing:
    """The config's keys under `training` that what comes out depends on. precision: auto, bf16 or fp32."""

    compile: bool
    deterministic: bool
    logging_steps: int
    precision: str
    threads: int


@dataclass(frozen=True)
class Machine:
    """The config's keys under `training` that say how fast it is, and nothing of what comes out. device: auto, cuda or cpu.
    loader_workers: a number, of `granted_workers`."""

    device: str
    loader_workers: int
    jobs_per_gpu: int
    gradient_checkpointing: bool = False
    checkpoint_minutes: int = 0


@dataclass(frozen=True)
class Traces:
    """What a training leaves beside its results. state: folder for the states that it is resumed from, a subfolder for each
    set of inputs, removed on success. tensorboard: folder of its curves. code: fingerprint of the code, part of that set."""

    state: str | Path
    tensorboard: str | Path
    code: str


def granted_workers(wanted, granted, threads):
    """The number of loader workers for the config's `auto | n`: auto is what `threads` leave of the CPUs that were granted."""
    return max(0, granted - threads) if wanted == "auto" else wanted
