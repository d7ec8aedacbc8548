"""What reading a window costs: of pictures from clips as they are cut and from their small copies, of sound, of words; one run.

Made-up turns as long as IEMOCAP's, read as trainings read them, on one thread; README.md has the figures. Prints Markdown.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow/scripts"))

import material

from emofuse.clips.files import COLUMNS, clip_path
from emofuse.clips.small import shrink_clips
from emofuse.encoders.architectures import build
from emofuse.encoders.inputs import make_inputs
from emofuse.runtime.store import read_tsv, write_tsv

HOURS = 12.4  # of IEMOCAP's turns
TRAINING_TURNS = 3_319  # of a fold of four classes, which trains on three sessions of five
SETTINGS = {
    "text": {"max_tokens": 512, "markers": "keep"},
    "audio": {"max_seconds": 10},
    "video": {"stride": 4, "eval_windows": 2, "mirror": 0.5},
}
ENCODERS = {"text": "bert", "audio": "wav2vec2", "video": "videomae"}


def main(arguments=None):
    """Write the turns, read a window of each several times, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=48, help="turns of each modality (48)")
    parser.add_argument("--repeats", type=int, default=5, help="windows that are read of each turn (5)")
    options = parser.parse_args(arguments)
    print(
        "| clips | CPU-ms a window | CPU-minutes an epoch | kB a turn | GB for IEMOCAP | CPU-ms a frame to make | PSNR |"
    )
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="emofuse-reading-") as scratch:
        folder, seconds = Path(scratch), float(material.draw_seconds(options.turns).sum())
        for modality in ("text", "audio", "video"):
            inputs = reader(modality)
            manifest = material.write_clips(folder / "clips", modality, True, options.turns, small=False)
            kinds = {modality: (folder / "clips", manifest, 0.0)}
            if modality == "video":
                kinds = {
                    f"video, {material.WIDTH}x{material.HEIGHT} as cut": (folder / "clips", manifest, 0.0),
                    f"video, small copies of {material.SMALL}": shrunk(folder, manifest),
                }
            windows = {}
            for kind, (root, rows, making) in kinds.items():
                cost, windows[kind] = measure(inputs, root, modality, rows, options.repeats)
                size = np.mean([int(row["bytes"]) for row in rows.values()])
                whole = sum(int(row["bytes"]) for row in rows.values()) * HOURS * 3600 / seconds / 1e9
                first = next(iter(windows.values()))
                quality = f"{psnr(first, windows[kind]):.1f} dB" if windows[kind] is not first else ""
                epoch = cost * TRAINING_TURNS / 60
                print(
                    f"| {kind} | {1e3 * cost:.2f} | {epoch:.2f} | {size / 1e3:.1f} | {whole:.2f} |"
                    f" {1e3 * making:.2f} | {quality} |",
                    flush=True,
                )


def reader(modality):
    """The inputs of the modality's encoder at its real size, without its weights' training."""
    backbone, processor = build(ENCODERS[modality], material.made_up_words(), tiny=False)
    return make_inputs(modality, processor, backbone.config, SETTINGS[modality])


def shrunk(folder, manifest):
    """(root of the small copies, their manifest, CPU-seconds a frame that they took)."""
    rows = [{"turn": turn, **row} for turn, row in manifest.items()]
    found = {}
    frames, began = sum(row["frames"] for row in rows), time.process_time()
    for dialog in sorted({row["turn"].rpartition("_")[0] for row in rows}):
        own = [row for row in rows if row["turn"].startswith(dialog)]
        write_tsv(folder / "full.tsv", own, COLUMNS)
        out = folder / "small/video" / dialog
        shrink_clips(folder / "clips", folder / "full.tsv", material.SMALL, out, folder / "small.tsv")
        found |= {row["turn"]: row for row in read_tsv(folder / "small.tsv")}
    return folder / "small", {turn: found[turn] for turn in manifest}, (time.process_time() - began) / frames


def measure(inputs, root, modality, manifest, repeats):
    """(CPU-seconds to read a training window and make a batch of it, the windows of the first reading)."""
    paths = [(clip_path(root, modality, turn), int(row["frames"])) for turn, row in manifest.items()]
    read = [
        inputs.windows(path, length, np.random.default_rng(0)) for path, length in paths
    ]  # also warms the page cache
    inputs.batch([window for windows in read[:2] for window in windows])
    began = time.process_time()
    for repeat in range(repeats):
        for path, length in paths:
            inputs.batch(inputs.windows(path, length, np.random.default_rng(repeat)))
    return (time.process_time() - began) / (repeats * len(paths)), read


def psnr(one, other):
    """Peak signal-to-noise ratio in dB of windows of uint8 pixels against others."""
    errors = [
        np.mean((a.astype(float) - b) ** 2) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True)
    ]
    return 10 * np.log10(255**2 / np.mean(errors))


if __name__ == "__main__":
    main()
