"""Decides where encoders run, and fixes what would make two runs on one machine differ."""

import os

import torch

from emofuse.errors import EmofuseError


def prepare_device(wanted, threads):
    """'cuda' or 'cpu' for the config's `auto | cuda | cpu`; fixes what would make two runs differ.

    The number of threads changes floating-point results, so it comes from config and not from the machine.
    """
    # Before CUDA starts. With several GPUs in sight the Trainer would split each batch over them, another training than the
    # config describes.
    os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise EmofuseError(
            "training.device is 'cuda' but PyTorch sees no GPU; set it to 'auto' or 'cpu', or mend the driver"
        )
    device = "cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu"
    torch.set_num_threads(threads)
    # oneDNN compiles a kernel for each new shape of a convolution, and each batch of sound has another length: seven times
    # slower on small encoders. At full size it would make wav2vec 2.0 a fifth faster, and the others no faster.
    torch.backends.mkldnn.enabled = False
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # a help against bugs that costs memory traffic
    return device
