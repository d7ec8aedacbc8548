"""Fetches encoders from the Hugging Face Hub into local folders, as safetensors, and checks that they are still whole."""

import hashlib
import json
import pickle
import re
import shutil
from pathlib import Path

from emofuse.runtime import store
from emofuse.runtime.disk import FAULTS, read_fault
from emofuse.runtime.errors import EmofuseError, first_line, listing

# What a folder holds. To be raised when the same commit gives other files than before, and for no other change: all
# encoders are then fetched anew, and all that was trained on them is trained anew.
FORMAT = 1

RECORD = "download.json"
PROCESSOR_FILES = {
    "text": {
        *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
        # What Transformers' tokenizers call their vocabularies (`vocab_files_names`).
        *("vocab.txt", "vocab.json", "merges.txt", "bpe.codes", "dict.txt", "byte_maps.json", "prophetnet.tokenizer"),
        *("spm.model", "spm_char.model", "spiece.model"),
        *("sentencepiece.model", "sentencepiece.bpe.model", "tokenizer.model"),
    },
    "audio": {"preprocessor_config.json", "processor_config.json"},
    "video": {"preprocessor_config.json", "processor_config.json"},
}


def check_hub_ids(encoders):
    """Raise EmofuseError for Hub ids and revisions that cannot name a folder.

    encoders: dicts with the keys modality, encoder, model and revision.
    """
    problems = []
    for entry in encoders:
        setting = _setting(entry["modality"], entry["encoder"])
        model, revision = entry["model"], entry["revision"]
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?", model) or "--" in model:
            problems.append(f"{setting}.model: '{model}' is neither a Hub id (owner/name) nor a folder that is there")
        if not re.fullmatch(r"\w[\w.-]*", revision):
            problems.append(
                f"{setting}.revision: '{revision}' cannot name a folder; write the commit that it stands for"
            )
    if problems:
        raise EmofuseError("encoders cannot be looked up on the Hugging Face Hub:\n" + listing(problems))


def download_encoder(model, revision, modality, encoder, folder):
    """Put the backbone of a Hub id at a revision, and its processor, into `folder`, whole or not at all.

    The folder is `<encoders>/<id>/<revision>`. It gets what Transformers saves of the backbone (model.safetensors in
    float32, config.json) and of the processor, and download.json: {model, revision (asked for), commit, converted (the
    weights came from pytorch_model.bin), files: {name: sha256}}. What was fetched is kept in `<encoders>/.cache` until that
    is done, so that a broken download goes on where it stopped. No code of the repository runs, and a pickle is read as
    tensors alone. `encoder` names the config entry in messages. Raises EmofuseError if anything of it is not to be had.
    """
    folder = Path(folder)
    setting = _setting(modality, encoder)
    cache = folder.parents[1] / ".cache" / f"{folder.parent.name}@{folder.name}"
    try:
        commit, source, converted = _fetch(model, revision, modality, cache)
    except Exception as error:  # the client and its transport each raise their own kinds
        if isinstance(error, OSError) and error.errno in FAULTS:  # of the disk that it is written to
            raise
        raise _not_there(setting, model, revision, error, "the hub cannot be reached or does not give it") from error
    ready = cache / "ready"
    try:
        _convert(source, ready, modality, converted)
    except Exception as error:  # so do the loaders and the config classes
        if fault := read_fault(error):
            raise EmofuseError(
                f"{setting}: what was downloaded to {source} cannot be converted now: {fault}"
            ) from error
        shutil.rmtree(cache)
        raise _not_there(setting, model, revision, error, "Transformers cannot load it") from error
    files = {path.name: _sha256(path) for path in sorted(ready.iterdir()) if path.is_file()}
    record = {"model": model, "revision": revision, "commit": commit, "converted": converted, "files": files}
    store.write_json(ready / RECORD, record)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    ready.rename(folder)
    shutil.rmtree(cache)


def check_download(folder):
    """Compare the files in a folder of `download_encoder` with its download.json, which is returned (a dict).

    Raises EmofuseError naming the first file that is gone or has other bytes.
    """
    folder = Path(folder)
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        damaged = next((name for name, sha256 in record["files"].items() if _sha256(folder / name) != sha256), None)
    except FileNotFoundError as error:
        damaged = Path(error.filename).name
    except (ValueError, KeyError):
        damaged = RECORD
    if damaged:
        raise EmofuseError(
            f"{folder / damaged} is gone or not what was downloaded. Delete the folder {folder} and run 'snakemake"
            " download' on a machine with network, or copy the folder anew from where it is whole."
        )
    return record


def _setting(modality, encoder):
    return f"encoders.{modality}.{encoder}"


def _fetch(model, revision, modality, cache):
    """Get the needed files into a folder under `cache`: (commit, that folder, whether its weights are a pickle)."""
    from huggingface_hub import HfApi  # not above: the Snakefile imports this module

    api = HfApi()
    info = api.model_info(model, revision=revision, timeout=10)  # one attempt: without network it fails at once
    names = {sibling.rfilename for sibling in info.siblings}
    shards = {name for name in names if re.fullmatch(r"model-\d+-of-\d+\.safetensors", name)}
    if "model.safetensors" in names:
        weights = {"model.safetensors"}
    elif "model.safetensors.index.json" in names:
        weights = {"model.safetensors.index.json", *shards}
    elif "pytorch_model.bin" in names:
        weights = {"pytorch_model.bin"}
    else:
        raise EmofuseError("it has neither model.safetensors nor pytorch_model.bin")
    folder = cache / info.sha
    for name in sorted(names & ({"config.json"} | PROCESSOR_FILES[modality])) + sorted(weights):
        api.hf_hub_download(model, name, revision=info.sha, local_dir=folder)
    return info.sha, folder, weights == {"pytorch_model.bin"}


def _convert(source, target, modality, pickled):
    """Save the bare backbone in float32 and the processor of the folder `source`, as Transformers does, to `target`."""
    import torch

    from emofuse.encoders.fitness import check_encoder
    from emofuse.encoders.model import read_backbone, read_processor

    shutil.rmtree(target, ignore_errors=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # what is dispensable and missing is drawn: the same in every download
        backbone = read_backbone(source, pickled=pickled)
    processor = read_processor(source, modality)
    check_encoder(modality, backbone, processor)
    backbone.save_pretrained(target)
    processor.save_pretrained(target)
    store.share(target.glob("*.safetensors"))


def _not_there(setting, model, revision, error, otherwise):
    """The EmofuseError for what the client or the loaders raised; `otherwise` introduces what is not known here."""
    from huggingface_hub import errors

    known = {
        errors.OfflineModeIsEnabled: "HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set",
        errors.GatedRepoError: "its owner grants access on request; accept the terms on its page and set HF_TOKEN",
        errors.RepositoryNotFoundError: "the hub has no such repository, or it is private (then set HF_TOKEN)",
        errors.RevisionNotFoundError: f"the repository has no revision '{revision}'",
        pickle.UnpicklingError: "its pytorch_model.bin is damaged or holds more than tensors, which could run code; it is"
        " not read",
        EmofuseError: str(error),
        Exception: f"{otherwise} ({first_line(error)})",
    }
    reason = next(reason for kind, reason in known.items() if isinstance(error, kind))
    return EmofuseError(
        f"{setting}: the encoder '{model}' at revision '{revision}' cannot be downloaded: {reason}.\n"
        "Two ways to put it there: run 'snakemake download' with the same config on a machine with network and copy"
        f" resources/encoders over,\nor set {setting}.model to a local folder that holds config.json, model.safetensors and"
        " the processor's files."
    )


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
