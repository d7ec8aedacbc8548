"""Same seed, same machine: the same bytes, whatever the number of cores that Snakemake may use."""

import hashlib
import shutil

RUN = "results/tree/slice"


def checksums(project):
    """sha256 of every file that a fold's models, vectors and predictions are, but for training.json, which holds times."""
    run = project.folder / RUN
    paths = [path for name in ("encoders", "embeddings", "predictions") for path in (run / name).rglob("*")]
    chosen = [
        path for path in paths if "session1" in path.as_posix() and path.is_file() and path.name != "training.json"
    ]
    return {str(p.relative_to(run)): hashlib.sha256(p.read_bytes()).hexdigest() for p in chosen}


def test_a_fold_made_again_on_one_core_is_the_same_to_the_bit(finished, tmp_path):
    """`finished` was made on two cores, trainings side by side."""
    project = finished.copy(tmp_path / "project")
    before = checksums(project)
    assert len([name for name in before if name.endswith("model.safetensors")]) == 3 and len(before) > 20
    for modality in ("text/bert", "audio/wav2vec2", "video/videomae"):
        shutil.rmtree(project.folder / RUN / "encoders" / modality / "session1")
    done = project.snakemake("--cores", "1")
    assert done.returncode == 0, done.stdout[-5_000:]
    for rule, number in (("fine_tune", 3), ("embed", 3), ("classify", 4)):
        assert done.stdout.count(f"rule {rule}:") == number
    assert checksums(project) == before
