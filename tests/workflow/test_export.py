"""The final system of a finished run as one folder, and what it says of clips whose answers the run has stored."""

import json

import numpy as np
import pyarrow.compute as pc

from emofuse.clips.files import clip_path
from emofuse.runtime.store import read_json, read_parquet, write_tsv

SYSTEM = "early-concat-svm"  # which keeps vectors of turns


def test_an_export_says_of_turns_what_the_run_has_stored_and_holds_nothing_of_the_corpus(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    corpus = project.folder / "results/tree"
    table = read_parquet(corpus / "slice/predictions/svm/session1/seed0.parquet")
    expected = table.filter(pc.and_(pc.equal(table["system"], SYSTEM), pc.equal(table["part"], "test"))).to_pandas()
    kinds = ("audio", "video", "text")
    rows = [
        {"name": turn} | {kind: clip_path(corpus / "clips", kind, turn) for kind in kinds} for turn in expected.turn_id
    ]
    rows = [row | {"text_file": row.pop("text")} for row in rows]
    write_tsv(project.folder / "mine.tsv", rows, list(rows[0]))
    wanted = {"export": {"system": SYSTEM}, "predict": {"clips": "mine.tsv"}}
    project.write_config("wanted.yaml", wanted)
    configs = ("config/demo.yaml", "slice.yaml", "wanted.yaml")
    assert project.planned("predict", configs=configs) == {"export": 1, "predict": 1}
    done = project.snakemake("predict", configs=configs)
    assert done.returncode == 0, done.stdout[-8_000:]

    found = read_parquet(corpus / "slice/predict/mine/predictions.parquet").to_pandas()
    assert found.turn_id.tolist() == expected.turn_id.tolist() and len(found) > 10
    columns = [name for name in expected if name.startswith("prob_")]
    np.testing.assert_allclose(found[columns], expected[columns], atol=1e-5)
    assert found.prediction.tolist() == expected.prediction.tolist()
    assert set(found.there) == {"text, audio, video"} and not found.missing.any()
    page = (corpus / "slice/predict/mine/predictions.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == len(found)

    export = corpus / "slice/export"
    files = [path for path in export.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".md", ".safetensors"}
    held = b"\n".join(path.read_bytes() for path in files)
    turns = read_parquet(corpus / "turns.parquet", ["turn_id"])["turn_id"].to_pylist()
    words = read_parquet(corpus / "words.parquet")["text"].to_pylist()
    assert not [said for said in (*turns, *words) if len(said) > 10 and said.encode() in held]
    assert len(turns) > 50 and held.count(b"Ses0") == 0
    record, card = read_json(export / "export.json"), (export / "model_card.md").read_text(encoding="utf-8")
    assert (record["fold"], record["system"], record["checked"]["test_turns"]) == ("session1", SYSTEM, len(expected))
    assert len(record["files"]) == len(files) - 1
    wa = np.mean(expected.prediction == expected.truth)
    assert (
        f"| accuracy (WA) | {100 * wa:.1f} [" in card
        and "its support vectors, or its landmarks, are vectors of the turns" in card
    )
    assert card.startswith("---\nlicense: other\n") and str(tmp_path) not in card + json.dumps(record)
