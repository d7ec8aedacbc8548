"""Predicts clips of a user's own with an export alone: cuts them, lets its encoders speak, fuses, and writes what comes out."""

import tempfile
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from emofuse.clips.files import clip_path
from emofuse.encoders.settings import Machine
from emofuse.prediction import clips, encoders, system
from emofuse.prediction.page import write_page
from emofuse.prediction.record import encoder_folder, identity, read_export, system_folder
from emofuse.prediction.sources import find
from emofuse.prediction.speech import transcribe
from emofuse.runtime.devices import describe_device, prepare_device
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import whole, write_parquet

FILES = ("predictions.parquet", "predictions.csv", "predictions.html")


@dataclass(frozen=True)
class How:
    """How clips are predicted. window: seconds, of what is long and has neither words nor spans. asr: folder of a Whisper model
    for the words of clips that have none, or None. device: auto, cuda or cpu. threads: of PyTorch."""

    window: float = 8.0
    asr: str | None = None
    device: str = "auto"
    threads: int = 4


def predict(export, paths, output, how):
    """Write predictions.parquet, .csv and .html into the folder `output`; the table, a DataFrame.

    export: folder of an export. paths: of clips, as for `sources.find`. A row a turn: turn_id, audio, video (paths of files),
    start_s, end_s (null: the whole file), text, text_from (given, recognised or ''), prediction, prob_<class>, there (what was
    read, such as 'text, audio'), missing (why the others were not), stand_in (what was done about it), export. prediction and
    probabilities are null where the system has nothing to read. Raises EmofuseError where the export is not whole or a path
    names no clip.
    """
    record, output = read_export(export), Path(output)
    rows = clips.turns_of(find(paths), how.window)
    if not rows:
        raise EmofuseError(f"{', '.join(map(str, paths))}: there is no clip in it")
    machine = Machine(prepare_device(how.device, how.threads, deterministic=True), 0, 1)
    print(describe_device(machine.device, "fp32", 0))
    final = system.load(system_folder(export))
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".clips-", dir=output) as work:
        rows, cut, heard = _cut(rows, record, Path(work), how, machine)
        spoken = {
            m: _by_turn(cut[m], *encoders.encode(record["encoders"][m], encoder_folder(export, m), m, cut[m], machine))
            for m in record["modalities"]
            if cut[m].turns
        }
        table = pd.DataFrame(_table(rows, cut, spoken, final, record))
        table.insert(
            6,
            "text_from",
            [_source(turn, said, heard) for turn, said in zip(table["turn_id"], table["text"], strict=True)],
        )
        write_page(output / FILES[2], table, final.classes, record, _shown(cut["video"], Path(work)))
    write_parquet(output / FILES[0], pa.Table.from_pandas(table, preserve_index=False), {"export": identity(record)})
    with whole(output / FILES[1]) as partial:
        table.to_csv(partial, index=False)
    return table


def _cut(rows, record, work, how, machine):
    """(rows, with the words that were recognised; {modality: Clips}; {turn: those words})."""
    order, cut, heard = work / "turns.parquet", {}, {}
    clips.write_order(rows, order)
    if "audio" in record["modalities"] or how.asr:
        cut["audio"] = clips.cut(rows, "audio", work, order)
    if how.asr:
        silent = {row.turn_id for row in rows if row.text is None and row.text_file is None}
        heard = transcribe(how.asr, cut["audio"], [t for t in cut["audio"].turns if t in silent], machine.device)
        rows = [replace(row, text=heard[row.turn_id]) if heard.get(row.turn_id) else row for row in rows]
    # Words and pictures are shown, whether or not they are read.
    cut["text"] = clips.cut(rows, "text", work, order)
    small = record["video"]["small"] if "video" in record["modalities"] else None
    cut["video"] = clips.cut(rows, "video", work, order, small)
    return rows, cut, heard


def _source(turn, words, heard):
    """Where the words of a turn come from."""
    return "recognised" if turn in heard else "given" if words else ""


def _by_turn(of_modality, embedding, logits):
    """{turn: (embedding (d,), logits (classes,))}."""
    return dict(zip(of_modality.turns, zip(embedding, logits, strict=True), strict=True))


def _table(rows, cut, spoken, final, record):
    """The table of `predict` as a list of dicts."""
    modalities, groups, said = record["modalities"], defaultdict(list), {}
    for row in rows:
        groups[tuple(m for m in modalities if row.turn_id not in spoken.get(m, {}))].append(row.turn_id)
    for missing, turns in groups.items():
        if not final.can_answer(missing):
            continue
        there = [modality for modality in modalities if modality not in missing]
        vectors, logits = ({m: np.stack([spoken[m][t][n] for t in turns]) for m in there} for n in (0, 1))
        indices, probabilities = final.answer(vectors, logits, missing)
        for number, turn in enumerate(turns):
            said[turn] = final.classes[indices[number]], None if probabilities is None else probabilities[number]
    return [
        {
            "turn_id": row.turn_id,
            "audio": row.audio,
            "video": row.video,
            "start_s": row.start_s,
            "end_s": row.end_s,
            "text": words_of(row, cut["text"]),
            **_answer(said.get(row.turn_id, (None, None)), final.classes),
            **_heard(row.turn_id, cut, final, modalities),
            "export": identity(record),
        }
        for row in rows
    ]


def _answer(said, classes):
    prediction, probabilities = said
    given = [None] * len(classes) if probabilities is None else map(float, probabilities)
    return {"prediction": prediction} | {f"prob_{name}": p for name, p in zip(classes, given, strict=True)}


def _heard(turn, cut, final, modalities):
    """What of a turn was there, what was not and why, and what stands in."""
    lines = {modality: cut[modality].manifest[turn] for modality in modalities}
    missing = {m: line["note"] or line["status"] for m, line in lines.items() if line["status"] != "ok"}
    stand_in = ""
    if missing:
        stand_in = (
            f"something neutral stands for {', '.join(missing)}"
            if final.classifier
            else f"decided without {', '.join(missing)}"
        )
        if not final.can_answer(missing):
            stand_in = "nothing is left that the system reads: no prediction"
        elif final.calibration and "+".join(missing) not in final.calibration:
            stand_in += ", calibrated as if all were there"
    return {
        "there": ", ".join(m for m in modalities if m not in missing),
        "missing": "; ".join(f"{modality}: {why}" for modality, why in missing.items()),
        "stand_in": stand_in,
    }


def words_of(row, of_text):
    """The words of a turn; '' where it has none."""
    if of_text.manifest[row.turn_id]["status"] != "ok":
        return ""
    return clip_path(of_text.root, "text", row.turn_id).read_text(encoding="utf-8").strip()


def _shown(video, work):
    """{turn: (path of its clip in full size, frames)} of the turns that have a picture."""
    root = clips.full_size(work)
    return {turn: (clip_path(root, "video", turn), int(video.manifest[turn]["frames"])) for turn in video.turns}
