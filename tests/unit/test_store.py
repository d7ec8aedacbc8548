"""Files are written whole or not at all; what was cut short is told by name; what killed jobs left goes."""

import os
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest

from another_user import as_another_user
from emofuse.runtime import store
from emofuse.runtime.errors import EmofuseError

COLUMNS = ("turn", "note")
WRITERS = {
    "table.parquet": (lambda path: store.write_parquet(path, pa.table({"x": [1.0, 2.0]})), store.read_parquet),
    "rows.tsv": (lambda path: store.write_tsv(path, [{"turn": "a", "note": ""}], COLUMNS), store.read_tsv),
    "record.json": (lambda path: store.write_json(path, {"epochs": 3}), store.read_json),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_may_not_be_read_is_not_called_damaged(name):
    write, read = WRITERS[name]
    with tempfile.TemporaryDirectory() as folder, as_another_user(folder):
        path = Path(folder) / name
        write(path)
        path.chmod(0o000)
        with pytest.raises(PermissionError, match=name):
            read(path)


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_private_files_get_the_permissions_of_new_ones(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        with store.whole_folder(tmp_path / "encoder") as partial:
            (partial / "processor").mkdir()
            for name in ("model.safetensors", "processor/private", "config.json"):
                (partial / name).touch(0o600 if name != "config.json" else 0o666)
        with store.whole(tmp_path / "head.safetensors") as partial:
            partial.touch(0o600)
    finally:
        os.umask(before)
    files = {path: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()}
    assert len(files) == 4 and set(files.values()) == {mode}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("left", [0, 0.3, 0.9])
def test_a_file_that_was_cut_short_is_named(name, left, tmp_path):
    write, read = WRITERS[name]
    write(tmp_path / name)
    os.truncate(tmp_path / name, int((tmp_path / name).stat().st_size * left))
    with pytest.raises(EmofuseError, match=rf"{tmp_path / name} .*; delete it and run again"):
        read(tmp_path / name)


def test_a_failed_write_leaves_what_was_there(tmp_path):
    store.write_json(tmp_path / "x.json", {"epochs": 3})
    with pytest.raises(TypeError):
        store.write_json(tmp_path / "x.json", {"epochs": object()})
    assert store.read_json(tmp_path / "x.json") == {"epochs": 3}
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_what_a_killed_job_left_goes_when_the_file_is_written_again(tmp_path):
    for name in (".x.json.123.partial", ".y.json.123.partial"):
        (tmp_path / name).write_text("{")
    store.write_json(tmp_path / "x.json", {})
    assert sorted(path.name for path in tmp_path.iterdir()) == [".y.json.123.partial", "x.json"]


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "encoder"
    (tmp_path / ".encoder.partial").mkdir()
    (tmp_path / ".encoder.partial/left.txt").write_text("by a killed job")
    with store.whole_folder(folder) as partial:
        (partial / "one.txt").write_text("1")
    with pytest.raises(KeyError), store.whole_folder(folder) as partial:
        (partial / "two.txt").write_text("2")
        raise KeyError
    assert [path.name for path in folder.iterdir()] == ["one.txt"]
    with store.whole_folder(folder) as partial:
        (partial / "two.txt").write_text("2")
    assert [path.name for path in folder.iterdir()] == ["two.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["encoder"]
