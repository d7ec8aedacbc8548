"""Predict clips with an export alone: no corpus, no run, no Snakemake, no network.

python workflow/scripts/predict.py --export FOLDER --output FOLDER CLIPS...

CLIPS: files, folders, or lists (CSV, TSV); docs/predict.md says what belongs to a clip.
"""

import argparse
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"  # before Transformers is imported: all that is needed is local

from emofuse.prediction.predict import FILES, How, predict
from emofuse.runtime.errors import EmofuseError

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="+", metavar="CLIPS", help="files, folders, or lists (CSV, TSV)")
    parser.add_argument("--export", required=True, help="folder that `snakemake export` made")
    parser.add_argument("--output", required=True, help="folder for predictions.parquet, .csv and .html")
    parser.add_argument("--window", type=float, default=How.window, help="seconds, of what is long and has no words")
    parser.add_argument("--asr", help="folder of a Whisper model, for the words of clips that have none")
    parser.add_argument("--device", choices=["auto", "cuda", "cpu"], default=How.device)
    parser.add_argument("--threads", type=int, default=How.threads)
    given = parser.parse_args()
    try:
        table = predict(
            given.export, given.clips, given.output, How(given.window, given.asr, given.device, given.threads)
        )
    except (EmofuseError, OSError) as error:
        sys.exit(f"error: {error}")
    print(
        table[["turn_id", "prediction", *(c for c in table if c.startswith("prob_")), "there"]].to_string(index=False)
    )
    print(f"\n{os.path.join(given.output, FILES[2])}")
