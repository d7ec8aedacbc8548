"""A disk that is full, read-only, failing or another user's is told from other failures, whoever wrote."""

import errno
import os
import time

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import save_file
from transformers import BertTokenizerFast

from emofuse.runtime.disk import disk_fault, refuse_future
from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.store import write_parquet
from small_disk import remount, small_disk


def tokenizer(path):
    """A tokenizer of more words than the disk takes, saved by the library in Rust below Transformers."""
    vocabulary = {word: i for i, word in enumerate(["[UNK]", "[PAD]", *(f"word{i}" for i in range(50_000))])}
    BertTokenizerFast(vocab=vocabulary).save_pretrained(path)


WRITERS = {
    "text": lambda path: path.write_text("x" * 2**20),
    "parquet": lambda path: write_parquet(path, pa.table({"x": np.random.default_rng(0).random(2**18)})),
    "torch": lambda path: torch.save({"x": torch.zeros(2**18)}, path),
    "safetensors": lambda path: save_file({"x": torch.zeros(2**18)}, path),
    "tokenizer": tokenizer,
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_is_named_with_what_is_free(writer, tmp_path):
    with small_disk(tmp_path / "disk", "256k") as disk:
        with pytest.raises(Exception) as caught:
            WRITERS[writer](disk / "file")
        message = disk_fault(caught.value, disk)
    assert message.startswith("a disk is full (") and "Make space and run the same command again" in message
    assert f"{disk}: 0 MB free" in message


def test_a_read_only_disk_and_a_used_up_quota(tmp_path):
    with small_disk(tmp_path / "disk", "256k") as disk:
        remount(disk, "ro")
        with pytest.raises(OSError) as caught:
            write_parquet(disk / "file", pa.table({"x": [1]}))
    assert disk_fault(caught.value, tmp_path).startswith("a file system is read-only (")
    quota = OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), "some/file")
    assert disk_fault(quota, tmp_path).startswith("a disk quota is used up ([Errno 122]")


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EACCES, "a file or folder is another user's and not shared ([Errno 13] Permission denied: 'some/file'"),
        (errno.EIO, "a disk, or the network to it, fails ([Errno 5]"),
    ],
)
def test_what_may_not_or_cannot_be_read_is_not_called_gone(number, said):
    message = disk_fault(OSError(number, os.strerror(number), "some/file"), ".")
    assert message.startswith(said) and "elete" not in message and "not there" not in message


def test_files_dated_in_the_future_are_named_together(tmp_path):
    paths = [tmp_path / name for name in ("now", "soon", "late", "later")]
    for days, path in zip((0, 0, 2, 300), paths, strict=True):
        path.touch()
        os.utime(path, (time.time() + days * 86_400 + (path.name == "soon") * 5,) * 2)
    refuse_future([*paths[:2], tmp_path / "missing"])
    with pytest.raises(
        EmofuseError, match=r"dated in the future: 2; this machine's clock says(?s:.*)late (?s:.*)later "
    ):
        refuse_future(paths)


@pytest.mark.parametrize("error", [KeyError("x"), RuntimeError("x"), OSError("x")])
def test_other_failures_are_not_the_disks(error):
    assert disk_fault(error, ".") is None
