"""Decides where encoders run and how exactly, and fixes what would make two runs on one machine differ."""

import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import torch

from emofuse.runtime.errors import EmofuseError
from emofuse.runtime.gpus import list_gpus

SHARED_MEMORY = "/dev/shm"  # where loader workers leave their batches
DRIVER = Path("/proc/driver/nvidia/version")


def prepare_device(wanted, threads, deterministic=True):
    """'cuda' or 'cpu' for the config's `auto | cuda | cpu`; fixes what would make two runs differ.

    The number of threads changes floating-point results, so it comes from config and not from the machine. deterministic:
    whether only operations are used that give the same each time; `device_errors` explains the error of one that cannot.
    Raises EmofuseError where a GPU is asked for, or is there to be taken, and PyTorch cannot use it.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if wanted != "cpu":
        # Before CUDA starts. With several GPUs in sight the Trainer would split each batch over them, another training than
        # the config describes.
        os.environ["CUDA_VISIBLE_DEVICES"] = "0" if visible is None else visible.split(",")[0]
    if wanted != "cpu" and not torch.cuda.is_available():
        if visible is None:  # or a second call would take what the first has set for a GPU in sight
            del os.environ["CUDA_VISIBLE_DEVICES"]
        gpus = _gpus_in_sight(visible)
        if gpus or wanted == "cuda":
            seen = f"{', '.join(gpus)} is there" if gpus else "no GPU is in sight"
            raise EmofuseError(
                f"training.device is '{wanted}' and {seen}, but PyTorch {torch.__version__} cannot use a GPU ({_versions()}).\n"
                "Install a driver that is new enough for this CUDA (13 needs 580), or the PyTorch and torchaudio that are built"
                " for the driver's CUDA; or set training.device to 'cpu' to compute on the CPU."
            )
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Batches of sound have another length each time, which would cut the memory into pieces that nothing fits into.
    os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
    device = "cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu"
    torch.set_num_threads(threads)
    # oneDNN compiles a kernel for each new shape of a convolution, and each batch of sound has another length: seven times
    # slower on small encoders. At full size it would make wav2vec 2.0 a fifth faster, and the others no faster.
    torch.backends.mkldnn.enabled = False
    # fp32 is fp32: convolutions would else be rounded to TF32, and a vector would depend on what else is in its batch.
    torch.backends.cudnn.allow_tf32 = False
    # cuDNN's attention plans each new shape anew, for a tenth of a second and more, and each batch has another.
    torch.backends.cuda.enable_cudnn_sdp(False)
    # Never warn_only: with it the backward pass of fused attention takes its form that is not deterministic, though it has one.
    torch.use_deterministic_algorithms(deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = False  # a help against bugs that costs memory traffic
    return device


def resolve_precision(wanted, device):
    """'bf16' or 'fp32' for the config's `auto | bf16 | fp32`: auto is bf16 on a GPU that computes in it by itself.

    PyTorch also says yes to GPUs that only emulate it (a T4), which is slower than fp32.
    """
    native = device == "cpu" or torch.cuda.is_bf16_supported(including_emulation=False)
    if wanted == "bf16" and not native:
        raise EmofuseError(
            f"training.precision is 'bf16', which {torch.cuda.get_device_name()} only emulates; set it to 'auto' or 'fp32'"
        )
    return "bf16" if wanted == "bf16" or (wanted == "auto" and device == "cuda" and native) else "fp32"


def describe_device(device, precision, workers):
    """One line for the head of a log: what computes, in which versions and precision, and how many processes read clips."""
    name = f"{torch.get_num_threads()} threads"
    if device == "cuda":
        major, minor = torch.cuda.get_device_capability()
        name = f"{torch.cuda.get_device_name()}, capability {major}.{minor}"
    return (
        f"device: {device} ({name}); {_versions()}, PyTorch {torch.__version__}; precision {precision}; loader workers"
        f" {workers}"
    )


@contextmanager
def device_errors(smaller, sharing=1):
    """Make an exception of the device that a setting cures an EmofuseError that names it. smaller: what needs less memory.
    sharing: jobs that may share the GPU."""
    try:
        yield
    except RuntimeError as error:
        if trouble := _trouble(error, smaller, sharing):
            raise EmofuseError(trouble) from error
        raise


def _trouble(error, smaller, sharing):
    text = str(error)
    if isinstance(error, torch.OutOfMemoryError) or re.search(
        "out of memory|CU(BLAS|DNN)_STATUS_ALLOC_FAILED|failed to allocate memory", text, re.IGNORECASE
    ):
        if sharing > 1:
            smaller = (
                f"Up to {sharing} jobs share a GPU (training.jobs_per_gpu): lower that, and gpu=N of --resources with it (same"
                f" results, nothing else runs again). Or: {smaller}"
            )
        return f"the device ran out of memory ({error}).\n{smaller}"
    if "does not have a deterministic implementation" in text or "nable to find an engine" in text:
        return (
            f"{text.split(' does not')[0]} has no deterministic form on this device ({text.splitlines()[0]}).\nSet"
            " training.deterministic to false: trainings then differ in the last digits from run to run."
        )
    return None


def require_shared_memory(batch_bytes, workers):
    """Raise EmofuseError where the batches of loader workers, two each and twice for training and validation, do not fit.

    They cross processes by /dev/shm, of which a container has 64 MB if nothing is said; the first batch would end in a bus
    error.
    """
    needed = 2 * 2 * workers * batch_bytes
    free = shutil.disk_usage(SHARED_MEMORY).free if workers and os.path.isdir(SHARED_MEMORY) else needed
    if free < needed:
        raise EmofuseError(
            f"{SHARED_MEMORY} has {free // 2**20} MB free, and the batches of {workers} loader workers take up to"
            f" {needed // 2**20} MB there. Give the container more (docker run --shm-size={1 + needed // 2**30}g), or lower"
            " training.loader_workers; 0 reads clips in the job itself."
        )


def _gpus_in_sight(visible):
    """The GPUs that nvidia-smi, or else CUDA_VISIBLE_DEVICES (`visible`), names; none where that variable hides them."""
    if visible is not None and visible.split(",")[0] in ("", "-1", "NoDevFiles"):
        return []
    return list_gpus() or [f"GPU {name}" for name in (visible or "").split(",") if name]


def _versions():
    """The driver's version and the CUDA that PyTorch is built for."""
    found = re.search(r"\b(\d+\.\d+(\.\d+)?)\b", DRIVER.read_text()) if DRIVER.exists() else None
    return f"driver {found[1] if found else 'none'}, CUDA {torch.version.cuda or 'none, a build for the CPU alone'}"
