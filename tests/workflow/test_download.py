"""Encoders of the Hub: `download` needs no release and runs once; what is trained on them needs no network."""

import json
import re

from emofuse.demo.encoders import write_encoder
from emofuse.runtime.store import read_json, read_metadata
from unit.fake_hub import FakeHub

NOWHERE = {"HF_ENDPOINT": "http://127.0.0.1:9"}
FOLDER = "resources/encoders/owner--tiny-bert/v1"
STORE = "results/tree/slice/embeddings/text/hubbert/session1/seed0.parquet"
ENCODER = {
    **{"model": "owner/tiny-bert", "revision": "v1", "pooling": "cls", "learning_rate": 1.0e-3, "epochs": 1},
    **{"batch_size": 16, "eval_batch_size": 16},
}
CONFIG = {"encoders": {"text": {"hubbert": ENCODER}}, "fusion": {"text": "hubbert"}, "selection": None}
CONFIGS = ("config/demo.yaml", "slice.yaml", "hub.yaml")


def jobs(done):
    return re.findall(r"^(?:local)?rule (\w+):$", done.stdout, re.MULTILINE)


def test_download_once_then_train_without_a_network(finished, tmp_path):
    project, hub = finished.copy(tmp_path / "project"), FakeHub()
    write_encoder("bert", tmp_path / "bert", seed=3)
    files = {path.name: path.read_bytes() for path in (tmp_path / "bert").iterdir()}
    hub.repositories["owner/tiny-bert"] = {"v1": files}
    project.write_config("hub.yaml", CONFIG)
    project.write_config("bare.yaml", {"corpus": {"root": None}})

    done = project.snakemake(STORE, configs=CONFIGS, environment=NOWHERE)
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert "encoders.text.hubbert: the encoder 'owner/tiny-bert' at revision 'v1' cannot be downloaded" in done.stdout
    assert "run 'snakemake download' with the same config on a machine with network" in done.stdout
    assert not (project.folder / FOLDER).exists()

    with hub.serve() as address:
        done = project.snakemake("download", configs=(*CONFIGS, "bare.yaml"), environment={"HF_ENDPOINT": address})
    assert done.returncode == 0, done.stdout
    assert "download_encoder" in jobs(done)
    record = read_json(project.folder / FOLDER / "download.json")
    assert record["commit"] == hub.commit(files) and record["converted"] is False
    assert project.planned("download", configs=CONFIGS) == {}

    done = project.snakemake(STORE, configs=CONFIGS, environment=NOWHERE)
    assert done.returncode == 0, done.stdout[-5_000:]
    assert sorted(jobs(done)) == ["embed", "fine_tune"]
    metadata = read_metadata(project.folder / STORE)
    assert (metadata["model"], metadata["revision"]) == ("owner/tiny-bert", hub.commit(files))
    assert json.loads(metadata["classes"]) == ["ang", "hap", "neu", "sad"]


def test_a_damaged_download_stops_the_training(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    write_encoder("bert", project.folder / FOLDER, seed=3)
    (project.folder / FOLDER / "download.json").write_text(
        json.dumps({"commit": "c" * 40, "files": {"model.safetensors": "0" * 64}})
    )
    project.write_config("hub.yaml", CONFIG)
    done = project.snakemake(STORE, configs=CONFIGS, environment=NOWHERE)
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert f"{FOLDER}/model.safetensors" in done.stdout
